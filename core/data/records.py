"""Where the records of a CSV file start and end, and how its fields are parted."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache

from core.data.index import Index, Progress, ReadAt, find_lines, numbers

DELIMITERS = (",", ";", "\t", "|")
# As many as a spreadsheet has; a name for each of a million commas would take longer than all other checks.
MOST_COLUMNS = 16_384
_QUOTED_LINES = 20_000
_QUOTED_BYTES = 8 << 20
_MOST_FIELDS = 1 << 27
csv.field_size_limit(_MOST_FIELDS)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written: what parts its fields, and its column names (empty: there is no header)."""

    delimiter: str
    header: tuple[str, ...] = ()


def split_record(text: str, delimiter: str) -> list[str]:
    """The fields of one record, which may hold quoted line breaks. Raises csv.Error."""
    for fields in csv.reader([text], delimiter=delimiter):
        return fields
    return []


def try_split(text: str, delimiter: str) -> list[str]:
    """The fields of one record, none where it is not CSV."""
    try:
        return split_record(text, delimiter)
    except csv.Error:
        return []


def sniff_delimiter(head: str) -> str:
    """The delimiter that parts the first records into the same number of fields, most of them; a comma else."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = [row for row in csv.reader(head.split("\n")[:-1] or [head], delimiter=delimiter) if row][:50]
        except csv.Error:
            continue
        counts = [len(row) for row in rows]
        if not counts or max(counts) < 2:
            continue
        common = max(set(counts), key=counts.count)
        if common < 2:
            continue
        score = (counts.count(common) / len(counts), -DELIMITERS.index(delimiter))
        if score > best_score:
            best, best_score = delimiter, score
    return best


@lru_cache(maxsize=8)
def _opening(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(b"(?:^|" + re.escape(delimiter.encode()) + b')"')


def open_after(line: bytes, quoted: bool, delimiter: str) -> bool:
    """Whether a quoted field is still open at the end of `line`, by the rules of Python's csv reader."""
    position, opening = 0, _opening(delimiter)
    while True:
        if quoted:
            position = _closing(line, position)
            if position < 0:
                return True
        match = opening.search(line, position)
        if not match:
            return False
        position, quoted = match.end(), True


def _closing(line: bytes, position: int) -> int:
    """Behind the quote that ends the field, or -1; doubled quotes are text."""
    while True:
        place = line.find(b'"', position)
        if place < 0:
            return -1
        if line[place + 1 : place + 2] != b'"':
            return place + 1
        position = place + 2


def index_records(read: ReadAt, start: int, size: int, delimiter: str, progress: Progress | None = None) -> Index:
    """One row a record; line breaks inside quotes belong to the field. The header is a row here.

    A quote that never closes costs its own line, not the rest of the file.
    """
    found = find_lines(read, start, size, progress)
    begin: list[int] = []
    finish: list[int] = []
    lines: list[int] = []
    blank: list[int] = []
    bad: dict[int, str] = {}
    # Looking for the end of a quote that never closes costs up to 20,000 lines; a file full of them must not hang.
    budget = 4 * size + (64 << 20)
    reader = _LineReader(read, found.starts.tolist(), found.ends.tolist())
    number = 0
    while number < len(reader):
        line = reader.line(number)
        last = number
        if b'"' in line:
            if open_after(line, False, delimiter):
                last, spent = _quote_end(reader, number, delimiter, budget)
                budget -= spent
                if last < 0:
                    bad[len(begin)] = "a quoted field is opened and never closed"
                    last = number
        elif not line.strip():
            blank.append(number + 1)
            number += 1
            continue
        begin.append(reader.starts[number])
        finish.append(reader.ends[last])
        lines.append(number + 1)
        number = last + 1
    return Index(
        numbers(begin), numbers(finish), numbers(lines), blank_lines=blank[:100], blank_count=len(blank),
        crlf_lines=found.crlf, ends_with_newline=found.closed, bad=bad,
    )  # fmt: skip


class _LineReader:
    """Lines by number, read in blocks."""

    def __init__(self, read: ReadAt, starts: list[int], ends: list[int]) -> None:
        self.starts, self.ends = starts, ends
        self._read = read
        self._offset, self._block = 0, b""

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, number: int) -> bytes:
        begin, end = self.starts[number], self.ends[number]
        if begin < self._offset or end > self._offset + len(self._block):
            self._offset = begin
            self._block = self._read(begin, max(end, min(begin + (4 << 20), self.ends[-1])))
        return self._block[begin - self._offset : end - self._offset]


def _quote_end(reader: _LineReader, first: int, delimiter: str, budget: int) -> tuple[int, int]:
    """The line on which the field opened on line `first` closes (-1: on none), and the bytes looked at."""
    limit = min(len(reader), first + _QUOTED_LINES)
    origin = reader.starts[first]
    for number in range(first + 1, limit):
        spent = reader.ends[number] - origin
        if spent > min(_QUOTED_BYTES, budget):
            return -1, spent
        line = reader.line(number)
        if b'"' in line and not open_after(line, True, delimiter):
            return number, spent
    return -1, reader.ends[limit - 1] - origin
