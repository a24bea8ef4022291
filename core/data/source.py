"""A data set as bytes: what it is, how it is encoded, and its rows by number without loading it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data import members
from core.data.encodings import Encoding, legacy_encoding
from core.data.findings import RowFinding, grouped
from core.data.index import Block, Index, Progress, index_lines, index_text
from core.data.index_cache import load_index, save_index
from core.data.items import first_items, index_items
from core.data.layout import Layout, sniff_layout
from core.data.opening import HEAD, Note, Shard, Text, data_files, needs_copy, open_place, read_text
from core.data.place import find_place
from core.data.records import MOST_COLUMNS, Dialect, index_records, sniff_delimiter, try_split
from core.data.spool import Spool, Tell
from core.data.unreadable import Unreadable

_CACHED_FROM = 32 << 20
_BLOCK = 1 << 19
_HEAD_BYTES = 1 << 20
# Beyond this a row is not read at all: its text, and what is made of it, would not fit beside the rest.
LONGEST_ROW = 64 << 20


@dataclass(slots=True)
class _Ready:
    """What is known once the text is there."""

    text: Text
    frame: Layout
    dialect: Dialect
    notes: list[Note]


class Source:
    """An opened data set. `layout` is jsonl, json, csv or text; rows are found by byte offset.

    What is no plain UTF-8 text (packed, UTF-16, Parquet, a folder …) is read through a UTF-8 copy in an unnamed
    temporary file. Reads are positional, so that several threads may use one source, and a file that shrinks
    meanwhile gives short rows, never a crash. With `lazy` a copy is made only when rows are first asked for.
    """

    def __init__(self, path: Path, *, lazy: bool = False) -> None:
        self.path = path
        self.place = find_place(path)
        self._opened = open_place(self.place)
        self.size = self._opened.size
        self.mtime_ns = self._opened.mtime_ns
        self.text_rows = "line"
        self._ready: _Ready | None = None
        self._index: Index | None = None
        self._head: Index | None = None
        self._head_lock = threading.Lock()
        self._lock = threading.RLock()
        self._columns: tuple[str, ...] | None = None
        if not lazy or not needs_copy(self._opened):
            self.prepare()

    def reads(self, path: Path) -> bool:
        """Whether `path` is a file that rows come from."""
        try:
            status = path.stat()
            file = self._opened.file
            known = [os.fstat(file.fileno())] if file else [one.stat() for one in data_files(self.place)]
        except OSError:
            return False
        return any((status.st_dev, status.st_ino) == (other.st_dev, other.st_ino) for other in known)

    def close(self) -> None:
        """Close the file; the source is of no use afterwards."""
        if self._ready:
            self._ready.text.file.close()
        if self._opened.file:
            self._opened.file.close()

    def prepare(self, tell: Tell | None = None) -> _Ready:
        """Make the text and look how rows lie in it, once. Raises DiapasonError where there are none to be read."""
        with self._lock:
            if self._ready is None:
                self._ready = self._prepare(tell)
            return self._ready

    # -- what it is ---------------------------------------------------------------------------------------

    @property
    def text(self) -> Text:
        """The text that rows are cut from."""
        return (self._ready or self.prepare()).text

    @property
    def layout(self) -> str:
        """jsonl, json, csv or text."""
        return (self._ready or self.prepare()).frame.kind

    @property
    def base(self) -> int:
        """For json: 1 where the items are in a bracket, 0 for objects one after the other."""
        return (self._ready or self.prepare()).frame.base

    @property
    def wrapped_key(self) -> str | None:
        """The field that holds the list of rows, where it is not the whole file."""
        return (self._ready or self.prepare()).frame.wrapped_key

    @property
    def parts(self) -> tuple[str, ...]:
        """The fields that hold lists of rows, where the file is an object around several."""
        return (self._ready or self.prepare()).frame.parts

    @property
    def dialect(self) -> Dialect:
        """How a CSV file is written."""
        return (self._ready or self.prepare()).dialect

    @property
    def notes(self) -> list[Note]:
        """Findings of the file as a whole that reading it has brought up."""
        return (self._ready or self.prepare()).notes

    @property
    def damage(self) -> list[RowFinding]:
        """The notes that say that rows are missing: the file ends early or is broken inside."""
        return [finding for finding, _, _ in self.notes if finding.severity == "error"]

    @property
    def encoding(self) -> Encoding:
        """How the bytes of the file stand for text."""
        return self.text.encoding

    @property
    def start(self) -> int:
        """The byte of the text where it begins, behind the byte-order mark."""
        return self.text.start

    @property
    def text_size(self) -> int:
        """The size of the text in bytes: the file's own, or that of its copy."""
        return self.text.size

    @property
    def cr_only(self) -> bool:
        """Whether carriage returns alone end the lines."""
        return self.text.cr_only

    @property
    def by_row(self) -> bool:
        """Whether lines are rows of a copy, because the original has no lines."""
        return self.text.by_row

    @property
    def container(self) -> str | None:
        """What the rows were taken out of: gzip, parquet, columns, folder …; None for a plain file."""
        if self.place.kind in ("folder", "hub", "stdin"):
            return self.place.kind
        kinds = [finding.detail for finding, _, _ in self.notes if finding.code in ("compressed", "columnar")]
        return {"json": "columns"}.get(kinds[-1], kinds[-1]) if kinds else None

    @property
    def shareable(self) -> bool:
        """Whether other processes read the same rows by opening the file again: it is no copy."""
        return self.place.kind == "file" and not self.text.copied

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The files that a folder's rows come from."""
        return self.text.shards

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the text."""
        return self.text.read(start, end)

    # -- rows ---------------------------------------------------------------------------------------------

    def index(self, progress: Progress | None = None) -> Index:
        """The row boundaries: made once, in one pass; kept in the home's cache for large files."""
        with self._lock:
            if self._index is None:
                self.prepare(progress)
                self._index = self._load_index() or self._make_index(progress)
            return self._index

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a CSV file's columns: known ones in lower case; numbered where there is no header."""
        if self._columns is None:
            from core.data.columns import column_names

            first = self.raw(0) if not self.dialect.header and len(self) else b""
            width = len(try_split(first.decode("utf-8", "replace"), self.dialect.delimiter)) or 1
            self._columns = column_names(self.dialect.header, min(width, MOST_COLUMNS))
        return self._columns

    @property
    def header_raw(self) -> bytes:
        """The bytes of a CSV file's header, without its line end."""
        # The header is the first record; a file that begins with blank lines has it further down.
        head = self.read(self.start, self.start + HEAD)
        first = index_records(lambda start, end: head[start:end], 0, len(head), self.dialect.delimiter)
        return head[int(first.starts[0]) : int(first.ends[0])].removesuffix(b"\r")

    def name_columns(self, names: tuple[str, ...]) -> None:
        """Set the columns' names, where the file has no header and its content gave them away."""
        self._columns = names

    def head(self, progress: Progress | None = None) -> Index:
        """The first rows, found at once: as many as lie whole in the first megabyte; may be none.

        They are the rows that `index` will find, unless the file's brackets or quotes turn out not to match.
        """
        ready = self.prepare(progress)
        with self._head_lock:
            if self._head is None:
                self._head = self._make_head(ready.text, ready.frame, ready.dialect)
            return self._head

    def known(self, row: int) -> Index:
        """An index that has row `row`: the head's where the whole is not there yet, else the whole."""
        if self._index is None and self._head is not None and row < len(self._head):
            return self._head
        return self.index()

    def extent(self, row: int) -> tuple[int, int]:
        """The bytes of the text from which to which row `row` goes."""
        index = self.known(row)
        return int(index.starts[row]), int(index.ends[row])

    @property
    def indexed(self) -> bool:
        """Whether the row boundaries are known already."""
        return self._index is not None

    def __len__(self) -> int:
        return len(self.index())

    def raw(self, row: int) -> bytes:
        """The bytes of row `row`, without its line end; of one beyond LONGEST_ROW one byte more than that."""
        start, end = self.extent(row)
        return self.read(start, min(end, start + LONGEST_ROW + 1)).removesuffix(b"\r")

    def rows(self, first: int = 0) -> Iterator[tuple[int, int, bytes]]:
        """(row, line, bytes) of each row from `first` on, read block by block; bytes as `raw` gives them."""
        for block in self.blocks(first):
            yield from block.rows()

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[Block]:
        """The rows from `first` to before `last`, in blocks; a row longer than LONGEST_ROW is cut, in its own one."""
        index = self.index()
        count = len(index) if last is None else last
        while first < count:
            begin = int(index.starts[first])
            end = max(first + 1, int(np.searchsorted(index.ends[:count], begin + _BLOCK, side="right")))
            stop = int(index.ends[end - 1])
            if end == first + 1:
                stop = min(stop, begin + LONGEST_ROW + 1)
            starts, ends = index.starts[first:end] - begin, index.ends[first:end] - begin
            yield Block(first, self.read(begin, stop), starts, np.minimum(ends, stop - begin), index.lines[first:end])
            first = end

    def decode(self, raw: bytes) -> str:
        """The text of `raw`: UTF-8, or the encoding of the whole file. Raises UnicodeDecodeError."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            legacy = self.legacy
            if legacy is None:
                raise
            return raw.decode(legacy, "replace")

    @property
    def legacy(self) -> str | None:
        """``cp1252`` or another, where the file is not UTF-8 but reads well so; found when first needed."""
        text = self.text
        if text.legacy is False:
            text.legacy = legacy_encoding(text.read, text.start, text.size)
        return text.legacy if isinstance(text.legacy, str) else None

    # -- getting ready ------------------------------------------------------------------------------------

    def _prepare(self, tell: Tell | None) -> _Ready:
        text = read_text(self._opened, tell)
        head = text.read(text.start, text.start + HEAD)
        part = "" if self._opened.file is None else self.place.part
        frame = sniff_layout(text.read, text.start, head, text.suffix, text.size, part)
        notes = list(text.notes)
        if frame.columns:
            frame = self._turn(text, frame, notes, tell)
        elif part and frame.wrapped_key is None:
            names = ", ".join(frame.parts) or "none"
            raise Unreadable(
                "not_found", f"there is no part `{part[:40]}`", where=str(self.path), hint=f"Parts: {names}."
            )
        dialect = self._sniff_dialect(text, head) if frame.kind == "csv" else Dialect(",")
        return _Ready(text, frame, dialect, notes)

    def _turn(self, text: Text, frame: Layout, notes: list[Note], tell: Tell | None) -> Layout:
        """Make rows out of columns, in a copy."""
        spool = Spool(str(self.path))
        sizes, rows = members.columns_to_rows(text.read, list(frame.columns), spool, tell)
        message = f"one list for each of {len(sizes)} columns; rows are put together from them"
        notes.append((RowFinding("columnar", message, detail="json"), 1, [1]))
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"`{name[:40]}` {grouped(size)}" for name, size in list(sizes.items())[:6])
            finding = RowFinding(
                "missing_field", f"columns of different lengths: {told}", detail="uneven", level="error"
            )
            notes.append((finding, rows - min(sizes.values()), [1]))
        text.file, text.size = spool.finish(), spool.size
        text.encoding, text.copied, text.by_row, text.cr_only = Encoding("utf-8"), True, True, False
        return Layout("jsonl")

    def _sniff_dialect(self, text: Text, head: bytes) -> Dialect:
        from core.data.columns import read_header

        encoding = text.legacy if isinstance(text.legacy, str) else "utf-8"
        decoded = head.decode(encoding, "replace")
        delimiter = "\t" if text.suffix == ".tsv" and "\t" in decoded else sniff_delimiter(decoded)
        first = index_records(lambda start, end: head[start:end], 0, len(head), delimiter)
        if not len(first):
            return Dialect(delimiter)
        records = [head[a:b].decode(encoding, "replace").removesuffix("\r")
                   for a, b in zip(first.starts[:20].tolist(), first.ends[:20].tolist(), strict=True)]  # fmt: skip
        return Dialect(delimiter, read_header([try_split(record, delimiter) for record in records]))

    def _make_head(self, text: Text, frame: Layout, dialect: Dialect) -> Index:
        stop = min(text.size, max(text.start, frame.items_at) + _HEAD_BYTES)
        if frame.kind == "json":
            line = 1 + text.read(text.start, frame.items_at).count(b"\n")
            return first_items(text.read, frame.items_at, stop, base=frame.base, first_line=line)
        if frame.kind == "jsonl":
            return _whole(index_lines(text.read, text.start, stop), text.size)
        if frame.kind == "csv":
            index = index_records(text.read, text.start, stop, dialect.delimiter)
            if dialect.header and len(index):
                index.starts, index.ends, index.lines = index.starts[1:], index.ends[1:], index.lines[1:]
            return _whole(index, text.size, min(index.bad, default=len(index)) - 1)
        return index_lines(text.read, 0, 0)

    # -- the index ----------------------------------------------------------------------------------------

    def _load_index(self) -> Index | None:
        key = self._key
        kept = load_index(key) if key else None
        if kept is None:
            return None
        index, self.text_rows = kept
        return index

    def _make_index(self, progress: Progress | None) -> Index:
        ready = self.prepare()
        text, frame = ready.text, ready.frame
        if frame.kind == "json":
            line = 1 + text.read(text.start, frame.items_at).count(b"\n")
            wrapped = frame.wrapped_key is not None
            index = index_items(
                text.read,
                frame.items_at,
                text.size,
                base=frame.base,
                wrapped=wrapped,
                first_line=line,
                progress=progress,
            )
        elif frame.kind == "csv":
            index = index_records(text.read, text.start, text.size, ready.dialect.delimiter, progress)
            if ready.dialect.header and len(index):
                index.starts, index.ends, index.lines = index.starts[1:], index.ends[1:], index.lines[1:]
                index.bad = {row - 1: why for row, why in index.bad.items() if row}
        elif frame.kind == "text":
            index, self.text_rows = index_text(text.read, text.start, text.size, progress)
        else:
            index = index_lines(text.read, text.start, text.size, progress)
        key = self._key
        if key:
            save_index(key, index, self.text_rows)
        return index

    @property
    def _key(self) -> tuple[object, ...] | None:
        """What the index is kept under; None where it is not worth it: a copy has to be made anew anyway."""
        if self.size < _CACHED_FROM or self.text.copied:
            return None
        frame = self.prepare().frame
        return (self.path.absolute(), self.size, self.mtime_ns, frame.kind, frame.base, frame.items_at)


def _whole(index: Index, size: int, most: int | None = None) -> Index:
    """The rows of a head's index but the last, which may go on behind it, and `most` at most."""
    if len(index) and int(index.ends[-1]) < size:
        most = min(len(index) - 1, len(index) if most is None else most)
    most = len(index) if most is None else max(0, most)
    return Index(index.starts[:most], index.ends[:most], index.lines[:most])
