"""What the words before a number say that it is."""

from __future__ import annotations

import re

_BEFORE = 48
CARD_WORDS = re.compile(
    r"\b(?:cards?|cc|visa|master ?card|amex|american express|maestro|diners|discover|jcb|carte|karte|tarjeta)\b",
    re.IGNORECASE,
)
# Numbers of these kinds have lengths and check digits of their own, and are nobody's.
_OTHERWISE = re.compile(
    r"\b(?:orders?|invoices?|tracking|parcels?|ref|references?|isbn|issn|doi|pmid|arxiv|serial|sku|skus|tickets?|cases?|imei|"
    r"upc|ean|gtin|barcodes?|timestamps?|versions?|builds?|commits?|hash|sha\d*|md5|uuid|guid|ids?|models?|parts?|patents?|"
    r"products?|items?|lots?|batch|commande|colis|suivi|facture|bestellung|bestellnummer|rechnung|sendung|"
    r"artikel\w*)\b[^.!?\n]{0,24}$",
    re.IGNORECASE,
)


def about(text: str, start: int, words: re.Pattern[str]) -> bool:
    """Whether one of `words` stands in the characters before `start`."""
    return words.search(text, max(0, start - _BEFORE), start) is not None


def contradicted(text: str, start: int) -> bool:
    """Whether the words right before `start` say that the number is an order's, a product's, an identifier …"""
    return _OTHERWISE.search(text[max(0, start - _BEFORE) : start]) is not None
