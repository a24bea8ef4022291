"""All personal data and secrets in a text, how to show them in part, and what to put in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.data.checks.gate import ADDRESS6, DIGITS, KEYS, MAIL, PRIVATE, flags
from core.data.pii.addresses import find_emails, find_ips
from core.data.pii.numbers import find_cards, find_ibans, find_nirs, find_ssns
from core.data.pii.phones import find_phones
from core.data.pii.secrets import find_secrets
from core.data.pii.span import Span

PLACEHOLDERS: dict[str, str] = {
    "secret": "<SECRET>",
    "pii_email": "<EMAIL>",
    "pii_iban": "<IBAN>",
    "pii_card": "<CARD>",
    "pii_nir": "<NIR>",
    "pii_ssn": "<SSN>",
    "pii_ip": "<IP>",
    "pii_phone": "<PHONE>",
}
"""What stands for a value of each kind in redacted text. The order is that of trust: where two kinds claim the same
characters, the first wins, for its form or check digits prove more."""
KINDS: tuple[str, ...] = tuple(PLACEHOLDERS)

# Digits with little between them, as the gate sees them.
_NUMBER = re.compile(r"(?:\d[ \u00a0\u202f\u2013().\-/]{0,2}+){7,}+", re.ASCII)
_FINDERS = {
    "pii_email": find_emails,
    "pii_iban": find_ibans,
    "pii_card": find_cards,
    "pii_nir": find_nirs,
    "pii_ssn": find_ssns,
    "pii_ip": find_ips,
    "pii_phone": find_phones,
    "secret": find_secrets,
}
# How many digits in a row each kind has at least; an IBAN's and a Corsican NIR's are broken by letters.
_LEAST = {"pii_phone": 7, "pii_ip": 7, "pii_nir": 8, "pii_ssn": 9, "pii_iban": 10, "pii_card": 12}


def find_spans(text: str, kinds: Iterable[str] = KINDS) -> list[Span]:
    """Every personal datum and secret of `kinds` in `text`, in order, none overlapping another."""
    gate = flags(text.encode("utf-8", "surrogatepass")) & PRIVATE
    if not gate:
        return []
    likely: set[str] = set()
    if gate & MAIL:
        likely.add("pii_email")
    if gate & KEYS:
        likely.add("secret")
    if gate & ADDRESS6:
        likely.add("pii_ip")
    if gate & DIGITS:
        longest = max((sum(map(str.isdigit, match.group())) for match in _NUMBER.finditer(text)), default=0)
        likely |= {kind for kind, least in _LEAST.items() if longest >= least}
    likely &= set(kinds)
    found = [span for kind in KINDS if kind in likely for span in _FINDERS[kind](text)]
    return sorted(_apart(found), key=lambda span: span.start) if len(found) > 1 else found


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The spans, given in the order of trust, without those that overlap an earlier one."""
    kept: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return kept


def mask(span: Span, text: str) -> str:
    """The value at `span`, enough of it shown to find it again and no more: `j…@example.org`."""
    value = text[span.start : span.end]
    if span.kind == "pii_email":
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}…@{domain}"
    if span.kind == "secret":
        head = re.match(r"(?:[A-Za-z]{2,6}[_-])+|[A-Za-z]{2,4}", value)
        return f"{head.group()[:12] if head else value[:2]}…"
    if span.kind == "pii_ip":
        parts = re.split(r"([.:])", value)
        return f"{''.join(parts[:2])}…"
    if span.kind == "pii_iban":
        return f"{value[:4]}…{value[-2:]}"
    if span.kind == "pii_card":
        return f"…{value[-4:]}"
    return f"{value[:2]}…{value[-2:]}"


def redact(text: str, spans: Iterable[Span] | None = None) -> str:
    """`text` with typed placeholders such as `<EMAIL>` in the place of `spans`; of all that are found, without."""
    pieces: list[str] = []
    last = 0
    for span in sorted(find_spans(text) if spans is None else spans, key=lambda span: span.start):
        pieces += [text[last : span.start], PLACEHOLDERS[span.kind]]
        last = span.end
    return "".join([*pieces, text[last:]])
