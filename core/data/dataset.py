"""A data set: rows by number out of a file of any size, each parsed, normalised and looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from core.data.checks.characters import check_characters, suspicious
from core.data.checks.placeholders import check_placeholder
from core.data.checks.text import check_text
from core.data.example import Example
from core.data.findings import RowFinding
from core.data.formats import build, detect, fits_csv, majority, mixes
from core.data.index import Progress
from core.data.parse import decode, parse_json, parse_record
from core.data.source import Source
from core.errors import DiapasonError
from core.recipe import FORMATS

_SAMPLE = 200
_SAMPLE_BYTES = 8 << 20


@dataclass(slots=True)
class Row:
    """One row: its bytes, what they say, the example they make, and what is wrong with this row alone."""

    index: int
    line: int
    raw: bytes
    value: Any = None
    example: Example | None = None
    findings: list[RowFinding] = field(default_factory=list[RowFinding])

    @property
    def usable(self) -> bool:
        """Whether the row can be trained on."""
        return self.example is not None


class Dataset:
    """The rows of one file. Making it reads the file's head only; rows are found when first asked for."""

    def __init__(self, source: Source, format: str | None) -> None:
        self.source = source
        self.forced = format
        self._format = format
        self._detected = format is not None
        self._layout = source.layout

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def format(self) -> str | None:
        """The rows' format (one of core.recipe.FORMATS), by majority; None where no row has a known one."""
        return self.detect_format()

    def detect_format(self) -> str | None:
        """Tell the format from a sample of the rows, once; the first call finds the rows and reads the sample."""
        if not self._detected:
            self._format = self._detect()
            self._detected = True
        return self._format

    @property
    def layout(self) -> str:
        """jsonl, json, csv or text."""
        return self.source.layout

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self.source.size

    def __len__(self) -> int:
        """How many rows there are; the first call reads through the file once."""
        return len(self.source)

    def index(self, progress: Progress | None = None) -> int:
        """Find all rows, telling `progress` the bytes done; return how many there are."""
        return len(self.source.index(progress))

    def line(self, row: int) -> int:
        """The physical line, from 1, on which row `row` starts."""
        return int(self.source.index().lines[row])

    def raw(self, row: int) -> bytes:
        """The exact bytes of row `row`, without its line end."""
        return self.source.raw(row)

    def row(self, row: int) -> Row:
        """Row `row`, from 0. Raises IndexError where there is none."""
        index = self.source.index()
        if not 0 <= row < len(index):
            raise IndexError(row)
        return self.read(row, int(index.lines[row]), self.source.raw(row))

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The rows from `first` on, in order."""
        for row, line, raw in self.source.rows(first):
            yield self.read(row, line, raw)

    def read(self, row: int, line: int, raw: bytes) -> Row:
        """The row that `raw` makes."""
        made = Row(row, line, raw)
        # Settled first: in a CSV file without a header it names the columns.
        expected = self._format if self._detected else self.detect_format()
        found = made.findings
        made.value = self._value(row, raw, found)
        if made.value is not None:
            if suspicious(raw):
                check_characters(made.value, found)
            check_text(raw, made.value, found)
        if found and made.value is None and any(finding.severity == "error" for finding in found):
            return made
        fmt = self._format_of(made.value, expected, found)
        if fmt is not None:
            example = build(made.value, fmt, row, line, found)
            if not found or not any(finding.severity == "error" for finding in found):
                made.example = example
                if example is not None:
                    check_placeholder(made.value, example, found)
        return made

    def _value(self, row: int, raw: bytes, found: list[RowFinding]) -> Any:
        if self._layout == "jsonl":
            return parse_json(raw, self.source, found)
        if self._layout == "csv":
            return parse_record(raw, self.source, self.source.index().bad.get(row), found)
        if self._layout == "text":
            text = decode(raw, self.source, found)
            return None if text is None else {"text": text.replace("\r\n", "\n")}
        return parse_json(raw, self.source, found)

    def _format_of(self, value: Any, expected: str | None, found: list[RowFinding]) -> str | None:
        """The format to read the row in; a finding where it is not the file's."""
        if not isinstance(value, dict):
            return expected or "text"
        if self.forced or self._layout in ("csv", "text"):
            return expected or _unknown(value, found)
        own = detect(value)
        if expected is None or own is None or own == expected:
            return expected or _unknown(value, found)
        usable = mixes(expected, own)
        found.append(
            RowFinding("mixed_formats", f"this row is {own}, most are {expected}", detail=own,
                       level="warning" if usable else "error")
        )  # fmt: skip
        return own if usable else None

    def _detect(self) -> str | None:
        if self.layout == "text":
            return "text"
        if self.layout == "csv":
            return fits_csv(self.source.columns) or _headless(self.source)
        values: list[Any] = []
        read = 0
        for _, _, raw in self.source.rows():
            try:
                values.append(orjson.loads(raw))
            except ValueError:
                values.append(parse_json(raw, self.source, []))
            read += len(raw)
            if len(values) >= _SAMPLE or read > _SAMPLE_BYTES:
                break
        count = len(self.source)
        # Files are often put together from parts: look further in as well, not at the first rows alone.
        step = max(1, (count - len(values)) // 50 + 1)
        for row in range(len(values), count, step) if read <= _SAMPLE_BYTES else ():
            values.append(parse_json(self.source.raw(row), self.source, []))
        return majority(values)


def _unknown(value: dict[str, Any], found: list[RowFinding]) -> None:
    names = ", ".join(f"`{name[:30]}`" for name in list(value)[:8]) or "no fields"
    found.append(RowFinding("unknown_format", f"the fields are {names}"))


def _headless(source: Source) -> str | None:
    """Without a header two columns are a text and its label, where one of them repeats few values."""
    if source.dialect.header or len(source.columns) != 2 or not len(source):
        return None
    rows = [parse_record(raw, source, None, []) or {} for row, _, raw in source.rows() if row < _SAMPLE]
    columns = source.columns
    distinct = [len({row.get(name) for row in rows}) for name in columns]
    label = 0 if distinct[0] < distinct[1] else 1
    if distinct[label] * 2 > len(rows) or len(rows) < 4:
        return None
    source.name_columns(("label", "text") if label == 0 else ("text", "label"))
    return "classification"


def open_dataset(path: Path | str, format: str | None = None) -> Dataset:
    """Open a data file; `format` (one of core.recipe.FORMATS) is recognised where it is not given.

    Raises:
        DiapasonError: when the file is missing, no regular file, empty, binary or compressed.
    """
    if format is not None and format not in FORMATS:
        raise DiapasonError(f"`{format}` is no format", hint="Formats: " + ", ".join(FORMATS))
    return Dataset(Source(Path(path).expanduser()), format)


def examples(path: Path | str, format: str | None = None) -> Iterator[Example]:
    """The usable rows of a file, normalised, in order. Raises DiapasonError as `open_dataset` does."""
    for row in open_dataset(path, format):
        if row.example is not None:
            yield row.example


def fingerprint(path: Path | str) -> dict[str, Any]:
    """What identifies the file's content: its absolute path, size in bytes and SHA-256."""
    path = Path(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            size = 0
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise DiapasonError(f"cannot read the file: {error.strerror}", where=str(path)) from error
    return {"path": str(path.absolute()), "size": size, "sha256": digest.hexdigest()}
