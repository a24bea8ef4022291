"""Personal data and secrets in a row, one finding for each kind, the value shown in part."""

from __future__ import annotations

import re
from typing import Any

from core.data.checks.characters import texts
from core.data.checks.gate import MAIL, PRIVATE
from core.data.findings import RowFinding
from core.data.pii.span import Span
from core.data.pii.spans import find_spans, mask

_NAMES = {
    "pii_email": "the e-mail address",
    "pii_phone": "the telephone number",
    "pii_iban": "the IBAN",
    "pii_card": "the card number",
    "pii_nir": "the French social security number",
    "pii_ssn": "the American social security number",
    "pii_ip": "the IP address",
}
# Fields that name a row and say nothing: their digits and letters are drawn by a machine.
_IDENTIFIER = re.compile(
    r"(?:^|[._\]])(?:id|ids|uuid|guid|hash|sha\d*|md5|digest|checksum|commit|[a-z]+_id)$", re.IGNORECASE
)


def is_identifier(field: str) -> bool:
    """Whether a field holds what names a row, which is not looked at."""
    return _IDENTIFIER.search(field) is not None


def check_personal(value: Any, gate: int, found: list[RowFinding]) -> None:
    """Add a finding for each kind of personal data, and each maker of secrets, in any text of `value`.

    Args:
        gate: what `core.data.checks.gate.flags` says of the row.
    """
    mail_only = not gate & (PRIVATE & ~MAIL)
    first: dict[tuple[str, str], tuple[str, Span, str]] = {}
    counts: dict[tuple[str, str], int] = {}
    for field, text in texts(value, ""):
        if len(text) < 6 or (mail_only and "@" not in text) or is_identifier(field):
            continue
        for span in find_spans(text):
            key = (span.kind, span.detail if span.kind == "secret" else "")
            first.setdefault(key, (field, span, text))
            counts[key] = counts.get(key, 0) + 1
    for (kind, detail), (field, span, text) in first.items():
        name = _NAMES.get(kind) or f"a secret ({detail})"
        more = f", and {counts[kind, detail] - 1} more in the row" if counts[kind, detail] > 1 else ""
        message = f"`{field}` has {name} {mask(span, text)} at character {span.start + 1}{more}"
        found.append(RowFinding(kind, message, detail=detail, field=field))
