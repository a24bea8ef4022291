"""What can be wrong with a data file: every code with its severity, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.data.catalogue.code import SEVERITIES as SEVERITIES
from core.data.catalogue.code import Code as Code
from core.data.catalogue.code import Severity as Severity
from core.data.catalogue.files import FILES
from core.data.catalogue.shapes import SHAPES
from core.data.catalogue.texts import TEXTS
from core.data.catalogue.wholes import WHOLES

CODES: dict[str, Code] = {**FILES, **SHAPES, **TEXTS, **WHOLES}


@dataclass(frozen=True, slots=True)
class RowFinding:
    """One finding in one row. `field` is the place inside the row, `column` a 1-based character of the line."""

    code: str
    message: str
    detail: str = ""
    field: str = ""
    column: int | None = None
    level: Severity | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.level or CODES[self.code].severity


def damage_json(damage: Iterable[RowFinding]) -> list[dict[str, str]]:
    """Why rows of a file are missing, as the documents of `--json` have it."""
    return [{"code": found.code, "detail": found.detail, "message": found.message} for found in damage]


def grouped(number: int) -> str:
    """A number with its thousands apart: 1 204."""
    return f"{number:,}".replace(",", " ")
