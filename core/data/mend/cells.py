"""One CSV record by its fields as they are written, so that those not changed keep their quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.data.mend.tree import Splice
from core.data.records import try_split


@dataclass(slots=True)
class Cell:
    """One field: as it is written, and what it says."""

    raw: str
    value: str
    delimiter: str

    def splice(self, changes: list[Splice]) -> None:
        """Put other text in the place of some characters."""
        text = self.value
        for start, end, new in sorted(changes, reverse=True):
            text = text[:start] + new + text[end:]
        self.value = text
        needed = any(sign in text for sign in (self.delimiter, '"', "\n", "\r"))
        quoted = needed or self.raw.startswith('"')
        self.raw = '"' + text.replace('"', '""') + '"' if quoted else text

    def render(self) -> str:
        """The field as it is written."""
        return self.raw


def read_cells(record: str, delimiter: str) -> list[Cell]:
    """The fields of a record. What the csv module reads otherwise is quoted anew, one field or all."""
    values = try_split(record, delimiter)
    raws = _split(record, delimiter)
    if len(raws) != len(values) or any(_plain(raw) != value for raw, value in zip(raws, values, strict=True)):
        raws = [_quoted(value, delimiter) for value in values]
    return [Cell(raw, value, delimiter) for raw, value in zip(raws, values, strict=True)]


def write_cells(cells: list[Cell], delimiter: str) -> str:
    """The record."""
    return delimiter.join(cell.raw for cell in cells)


def _split(record: str, delimiter: str) -> list[str]:
    sign = re.escape(delimiter)
    form = re.compile(rf'"(?:[^"]|"")*"(?=$|{sign})|[^{sign}]*', re.DOTALL)
    fields: list[str] = []
    place = 0
    while place <= len(record):
        match = form.match(record, place)
        if match is None:
            break
        fields.append(match.group())
        place = match.end() + 1
    return fields


def _plain(raw: str) -> str:
    return raw[1:-1].replace('""', '"') if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw


def _quoted(value: str, delimiter: str) -> str:
    if any(sign in value for sign in (delimiter, '"', "\n", "\r")):
        return '"' + value.replace('"', '""') + '"'
    return value
