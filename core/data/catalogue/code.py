"""What every kind of finding has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
FIX_ROW = "Mend the row, or drop it: it is left out of training."


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding. An error leaves the row out of training; a warning makes it bad; a note informs."""

    severity: Severity
    title: str
    why: str
    hint: str
