"""A place in a text and what is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (behind the last) of a text are of `kind`, a code of core.data.findings.CODES.

    `detail` says more where there is more to say: the card's scheme, the IBAN's country, whose key a secret is.
    """

    kind: str
    start: int
    end: int
    detail: str = ""
