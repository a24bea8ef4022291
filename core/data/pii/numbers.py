"""Numbers that carry proof of what they are: cards, IBANs, French and American social security numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.data.pii.context import CARD_WORDS, about, contradicted
from core.data.pii.span import Span

_SPACE = " \u00a0\u202f"
# What may not touch a number on its left: it would be a part of something longer, or an amount of money.
# A new line begins anew.
_LEFT = rf"(?<![\w#$€£])(?<!\d[.,\-/])(?<!\d[{_SPACE}\t])(?<!0[xX])"
_RIGHT = rf"(?![\w%])(?![.,\-/]\d)(?![{_SPACE}\t]\d)"

_CARD = re.compile(
    _LEFT + r"(?:\d{12,19}|\d{4}(?P<a>[ -])(?:\d{4}(?P=a)){2,3}\d{1,4}|\d{4}(?P<b>[ -])\d{6}(?P=b)\d{4,5})" + _RIGHT,
    re.ASCII,
)
# Prefixes and lengths: ISO/IEC 7812 issuer ranges as the schemes publish them (also en.wikipedia.org/wiki/
# Payment_card_number). UnionPay cards of 19 digits need not follow Luhn; those are left out.
_SCHEMES: tuple[tuple[str, tuple[tuple[int, int], ...], tuple[int, ...]], ...] = (
    ("Visa", ((4, 4),), (13, 16, 19)),
    ("Mastercard", ((51, 55), (2221, 2720)), (16,)),
    ("American Express", ((34, 34), (37, 37)), (15,)),
    ("Diners Club", ((300, 305), (3095, 3095), (36, 36), (38, 39)), (14, 16)),
    ("Discover", ((6011, 6011), (644, 649), (65, 65)), (16, 19)),
    ("JCB", ((35, 35),), (16, 19)),
    ("JCB", ((2131, 2131), (1800, 1800)), (15,)),
    ("UnionPay", ((62, 62), (81, 81)), (16, 17, 18, 19)),
    ("Maestro", ((5018, 5018), (5020, 5020), (5038, 5038), (56, 58), (6304, 6304), (6759, 6763), (6390, 6390),
                 (604, 604)), (12, 13, 14, 15, 16, 17, 18, 19)),
)  # fmt: skip

# Length by country: SWIFT's IBAN registry (swift.com/standards/data-standards).
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
_IBAN = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z]{{2}}[{_SPACE}]?\d\d(?=[{_SPACE}\-]?[A-Za-z0-9])", re.ASCII)

_NIR = re.compile(
    rf"(?<![\w.,])[1-478](?P<s>[{_SPACE}.\-]?)\d\d(?P=s)(?:0[1-9]|1[0-2]|[2-9]\d)(?P=s)"
    rf"(?:\d\d|2[ABab])(?P=s)\d{{3}}(?P=s)\d{{3}}[{_SPACE}.\-/]{{0,3}}\d\d(?![\w%])(?![.,]\d)",
    re.ASCII,
)

_SSN = re.compile(_LEFT + r"(?<!-)(\d{3})(?P<s>[- ]?)(\d\d)(?P=s)(\d{4})(?!-)" + _RIGHT, re.ASCII)
_SSN_WORDS = re.compile(r"\bSSNs?\b|social[ -]security", re.IGNORECASE)
# Printed in advertisements and forms; the administration withdrew the first two (ssa.gov/history/ssn).
_SAMPLE_SSNS = frozenset({"078051120", "219099999", "123456789"})


def luhn(digits: str) -> bool:
    """Whether the digits satisfy the Luhn formula (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card_scheme(digits: str) -> str | None:
    """Whose card number this is by prefix, length and Luhn; None where it is none."""
    if not luhn(digits) or len(set(digits)) == 1:
        return None
    for name, prefixes, lengths in _SCHEMES:
        if len(digits) in lengths:
            for low, high in prefixes:
                width = 4 if low == 604 else len(str(low))
                if low <= int(digits[:width]) <= high:
                    return name
    return None


def iban_valid(iban: str) -> bool:
    """Whether a compact IBAN has its country's length and the right check digits (ISO 13616, modulo 97)."""
    iban = iban.upper()
    if not (iban.isascii() and iban.isalnum()) or _IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def nir_valid(nir: str) -> bool:
    """Whether 15 characters are a French social security number with its key; Corsica is 2A or 2B.

    The key is 97 less the first 13 digits modulo 97, with 2A read as 19 and 2B as 18 (INSEE, service-public.fr).
    """
    number = nir[:13].upper().replace("2A", "19").replace("2B", "18")
    if len(nir) != 15 or not (number + nir[13:]).isdigit() or nir[5:7] == "00":
        return False
    return int(nir[13:]) == 97 - int(number) % 97


def ssn_valid(area: str, group: str, serial: str) -> bool:
    """Whether an American social security number can have been given out (ssa.gov, randomization rules of 2011)."""
    if area in ("000", "666") or area >= "900" or group == "00" or serial == "0000":
        return False
    return area + group + serial not in _SAMPLE_SSNS


def find_cards(text: str) -> Iterator[Span]:
    """Card numbers, in one piece or in the schemes' groups."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        scheme = card_scheme(digits)
        if scheme is None:
            continue
        # Luhn lets one number in ten pass: short ones and those that say what else they are need the word.
        named = about(text, match.start(), CARD_WORDS)
        if (len(digits) < 14 and not named) or (not named and contradicted(text, match.start())):
            continue
        yield Span("pii_card", match.start(), match.end(), scheme)


def find_ibans(text: str) -> Iterator[Span]:
    """International bank account numbers."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2].upper())
        end = _take(text, match.start(), length) if length else None
        if end is None or (end < len(text) and text[end].isalnum()):
            continue
        compact = re.sub(rf"[{_SPACE}\-]", "", text[match.start() : end])
        if iban_valid(compact):
            yield Span("pii_iban", match.start(), end, compact[:2].upper())


def find_nirs(text: str) -> Iterator[Span]:
    """French social security numbers (NIR), with their key."""
    for match in _NIR.finditer(text):
        if nir_valid(re.sub(rf"[{_SPACE}.\-/]", "", match.group())):
            yield Span("pii_nir", match.start(), match.end())


def find_ssns(text: str) -> Iterator[Span]:
    """American social security numbers: with hyphens, or in another writing right behind their name."""
    for match in _SSN.finditer(text):
        area, separator, group, serial = match.group(1), match["s"], match.group(3), match.group(4)
        if not ssn_valid(area, group, serial):
            continue
        named = about(text, match.start(), _SSN_WORDS)
        if named or (separator == "-" and not contradicted(text, match.start())):
            yield Span("pii_ssn", match.start(), match.end())


def _take(text: str, start: int, length: int) -> int | None:
    """The end of `length` letters and digits from `start` on, single separators between them passed over."""
    place, taken, gap = start, 0, False
    while taken < length:
        char = text[place : place + 1]
        if char and char.isascii() and char.isalnum():
            taken, gap = taken + 1, False
        elif char and char in _SPACE + "-" and not gap:
            gap = True
        else:
            return None
        place += 1
    return place
