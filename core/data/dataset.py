"""A data set: rows by number out of a file of any size, each parsed, normalised and looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.checks.characters import check_characters, suspicious
from core.data.checks.placeholders import check_placeholder
from core.data.checks.text import check_text
from core.data.example import Example
from core.data.findings import RowFinding
from core.data.formats import build, detect, fits_csv, lacking, majority, mixes
from core.data.index import Progress
from core.data.keys import check_extra, tidy
from core.data.mapping import Mapping, parse_map, suggest
from core.data.opening import data_files
from core.data.parse import decode, parse_json, parse_record
from core.data.place import Place, find_place, open_failed, shown_name
from core.data.source import LONGEST_ROW, Source
from core.errors import DiapasonError
from core.home import expand
from core.recipe import FORMATS

_SAMPLE = 200
_SAMPLE_BYTES = 8 << 20
# A longer one is a sentence, such as an answer that is given several times.
_LONGEST_LABEL = 60
# datasets reads JSON Lines in chunks of this size and a line may not be longer (packaged_modules/json/json.py).
HUGE_ROW = 10 << 20


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

    def __init__(self, source: Source, format: str | None, mapping: Mapping | None = None) -> None:
        self.source = source
        self.mapping = mapping
        self.forced = format or (mapping.format if mapping else None)
        self._format = self.forced
        self._detected = self.forced is not None
        self._suggestion: str | None = None
        self._peeked = False
        self._provisional: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def name(self) -> str:
        """The name to show: the file's, or what the person wrote where that has none."""
        return shown_name(self.path)

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
    def suggestion(self) -> str | None:
        """A map that would perhaps fit, where no row has a known format; known once the format was looked for."""
        return self._suggestion

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
        """Find all rows, telling `progress` the bytes done; it may raise to stop. Return how many there are."""
        return len(self.source.index(progress))

    def peek(self, progress: Progress | None = None) -> int:
        """How many of the first rows can be read before all rows are found; for a start, while `index` runs.

        Until then their format is told from themselves alone. `progress` is called as `index` does.
        """
        head = self.source.head(progress)
        if self.source.indexed or self._detected:
            return len(head)
        if self.layout == "csv" and not self.source.dialect.header:
            # The columns of such a table are named after all of it.
            return 0
        values = [self._sample(row, self.source.raw(row)) for row in range(min(len(head), _SAMPLE // 4))]
        self._provisional = fits_csv(self.source.columns) if self.layout == "csv" else majority(values)
        self._peeked = True
        return len(head)

    def line(self, row: int) -> int:
        """The physical line, from 1, on which row `row` starts."""
        return int(self.source.known(row).lines[row])

    def raw(self, row: int) -> bytes:
        """The exact bytes of row `row`, without its line end."""
        return self.source.raw(row)

    def row(self, row: int, *, look: bool = True) -> Row:
        """Row `row`, from 0; without a look at what its text holds where only its example is wanted.

        Raises IndexError where there is no such row.
        """
        if row < 0:
            raise IndexError(row)
        index = self.source.known(row)
        if row >= len(index):
            raise IndexError(row)
        return self.read(row, int(index.lines[row]), self.source.raw(row), look=look)

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The rows from `first` on, in order."""
        for row, line, raw in self.source.rows(first):
            yield self.read(row, line, raw)

    def read(self, row: int, line: int, raw: bytes, *, look: bool = True) -> Row:
        """The row that `raw` makes; `look` as `row` has it."""
        made = Row(row, line, raw)
        # Settled first: in a CSV file without a header it names the columns.
        if self._detected:
            expected = self._format
        elif self._peeked and not self.source.indexed:
            expected = self._provisional
        else:
            expected = self.detect_format()
        found = made.findings
        if len(raw) > HUGE_ROW and not _check_size(self.source, row, raw, found):
            return made
        made.value = self._value(row, raw, found)
        if made.value is not None and look:
            if suspicious(raw):
                check_characters(made.value, found)
            check_text(raw, made.value, found)
        if found and made.value is None and any(finding.severity == "error" for finding in found):
            return made
        if type(made.value) is dict:
            made.value = self.mapping.apply(made.value) if self.mapping else tidy(made.value, found)
        fmt = self._format_of(made.value, expected, found)
        if fmt is not None:
            example = build(made.value, fmt, row, line, found)
            if not found or not any(finding.severity == "error" for finding in found):
                made.example = example
                if example is not None and look:
                    check_placeholder(made.value, example, found)
                if look and not self.mapping and isinstance(made.value, dict):
                    check_extra(made.value, fmt, found)
            if self.mapping:
                found[:] = [self.mapping.tell(finding) for finding in found]
        return made

    def _value(self, row: int, raw: bytes, found: list[RowFinding]) -> Any:
        layout = self.source.layout
        if layout == "csv":
            return parse_record(raw, self.source, self.source.known(row).bad.get(row), found)
        if layout == "text":
            text = decode(raw, self.source, found)
            return None if text is None else {"text": text.replace("\r\n", "\n")}
        return parse_json(raw, self.source, found)

    def _format_of(self, value: Any, expected: str | None, found: list[RowFinding]) -> str | None:
        """The format to read the row in; a finding where it is not the file's."""
        if not isinstance(value, dict):
            return expected or "text"
        if self.forced or self.source.layout in ("csv", "text"):
            return expected or self._unknown(value, found)
        own = detect(value)
        if expected is None or own is None or own == expected or lacking(value, expected, own):
            return expected or self._unknown(value, found)
        usable = mixes(expected, own)
        found.append(
            RowFinding("mixed_formats", f"this row is {own}, most are {expected}", detail=own,
                       level="warning" if usable else "error")
        )  # fmt: skip
        return own if usable else None

    def _detect(self) -> str | None:
        if self.layout == "text":
            return "text"
        if self.layout == "csv" and not self.mapping:
            found = fits_csv(self.source.columns) or _headless(self.source)
            if found is None:
                names = self.source.columns
                rows = (parse_record(raw, self.source, None, []) for _, _, raw in islice(self.source.rows(), _SAMPLE))
                self._suggestion = suggest([row for row in rows if row is not None and len(row) == len(names)])
            return found
        values: list[Any] = []
        read = 0
        for row, _, raw in self.source.rows():
            values.append(self._sample(row, raw))
            read += len(raw)
            if len(values) >= _SAMPLE or read > _SAMPLE_BYTES:
                break
        count = len(self.source)
        # Files are often put together from parts: look further in as well, not at the first rows alone.
        step = max(1, (count - len(values)) // 50 + 1)
        for row in range(len(values), count, step) if read <= _SAMPLE_BYTES else ():
            values.append(self._sample(row, self.source.raw(row)))
        found = majority(values)
        self._suggestion = suggest(values) if found is None else None
        return found

    def _sample(self, row: int, raw: bytes) -> Any:
        value = self._value(row, raw, []) if len(raw) <= LONGEST_ROW else None
        if type(value) is not dict:
            return value
        return self.mapping.apply(value) if self.mapping else tidy(value, [])

    def _unknown(self, value: dict[str, Any], found: list[RowFinding]) -> None:
        names = ", ".join(f"`{name[:30]}`" for name in list(value)[:8]) or "no fields"
        text = f"the fields are {names}"
        if self._suggestion:
            text += f"; perhaps --map {self._suggestion}"
        found.append(RowFinding("unknown_format", text))


def _check_size(source: Source, row: int, raw: bytes, found: list[RowFinding]) -> bool:
    """Name a row that is far too long; whether it is read all the same."""
    start, end = source.extent(row)
    size = end - start
    if len(raw) > LONGEST_ROW:
        text = f"the row has {size >> 20:,} MB and is not read; rows up to {LONGEST_ROW >> 20} MB are"
        found.append(RowFinding("huge_line", text, detail="not_read", level="error"))
        return False
    found.append(RowFinding("huge_line", f"the row has {size >> 20:,} MB"))
    return True


def _headless(source: Source) -> str | None:
    """Without a header two columns are a text and its label, where one of them repeats few values."""
    if source.dialect.header or len(source.columns) != 2 or not len(source):
        return None
    rows = [parse_record(raw, source, None, []) or {} for row, _, raw in source.rows() if row < _SAMPLE]
    columns = source.columns
    distinct = [len({row.get(name) for row in rows}) for name in columns]
    label = 0 if distinct[0] < distinct[1] else 1
    longest = max(len(row.get(columns[label], "")) for row in rows)
    if distinct[label] * 2 > len(rows) or len(rows) < 4 or longest > _LONGEST_LABEL:
        return None
    source.name_columns(("label", "text") if label == 0 else ("text", "label"))
    return "classification"


def open_dataset(
    path: Path | str, format: str | None = None, map: str | None = None, *, lazy: bool = False
) -> Dataset:
    """Open a data set: a file, a part of one (``FILE#test``), a folder, a hub id, or ``-`` for the standard input.

    Args:
        format: one of core.recipe.FORMATS; recognised where it is not given.
        map: which fields are which, as core.data.mapping.parse_map reads it.
        lazy: what takes time (unpacking, decoding, loading) is done when rows are first asked for, and its errors
            come then.

    Raises:
        Unreadable: when the file is missing, no regular file, empty or binary.
        DiapasonError: for an unknown format or a wrong map, or where there is no room for a copy.
    """
    if format is not None and format not in FORMATS:
        raise DiapasonError(f"`{format}` is no format", hint="Formats: " + ", ".join(FORMATS))
    mapping = parse_map(map) if map else None
    return Dataset(Source(expand(path), lazy=lazy), format, mapping)


def examples(
    path: Path | str, format: str | None = None, map: str | None = None, *, bad: bool = False
) -> Iterator[Example]:
    """The usable rows of a data set, normalised, in order; answers that are there as bad ones (KTO) only with `bad`.

    Raises DiapasonError as `open_dataset` does.
    """
    for row in open_dataset(path, format, map):
        if row.example is not None and (bad or row.example.verdict is not False):
            yield row.example


def fingerprint(path: Path | str) -> dict[str, Any]:
    """What identifies the content of a file, or of a part of a data set: path, size in bytes, SHA-256."""
    path = Path(path)
    place = find_place(path) if not path.is_file() else Place("file", path)
    digest = hashlib.sha256()
    size = 0
    try:
        for file in data_files(place):
            with file.open("rb") as handle:
                while chunk := handle.read(1 << 20):
                    digest.update(chunk)
                    size += len(chunk)
    except OSError as error:
        raise open_failed(error, path) from error
    if place.part and place.kind == "file":
        # Parts of one file hold other rows.
        digest.update(b"#" + place.part.encode("utf-8", "surrogateescape"))
    shown = str(path) if place.kind == "hub" else str(path.absolute())
    return {"path": shown, "size": size, "sha256": digest.hexdigest()}
