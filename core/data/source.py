"""A data file as bytes: what it is, how it is encoded, and its rows by number without loading it."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import orjson

from core.data.encodings import Encoding, legacy_encoding, sniff_encoding
from core.data.findings import CODES
from core.data.index import Index, Progress, chunks, index_lines, index_text
from core.data.items import index_items
from core.data.layout import sniff_layout
from core.data.records import Dialect, index_records, sniff_delimiter, try_split
from core.errors import DiapasonError
from core.home import cache_dir

HEAD = 64 << 10
_CACHED_FROM = 32 << 20
_CACHED_FILES = 24
_CACHE_VERSION = 1
_BLOCK = 4 << 20
_MAGIC = (
    (b"\x1f\x8b", "it is compressed with gzip", "Unpack it first: gunzip -k FILE"),
    (b"PAR1", "it is a Parquet file", "Write it as JSON Lines first."),
    (b"PK\x03\x04", "it is a zip archive (or a spreadsheet)", "Unpack it, or save the sheet as CSV."),
    (b"BZh", "it is compressed with bzip2", "Unpack it first: bunzip2 -k FILE"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd", "Unpack it first: unzstd FILE"),
    (b"\xfd7zXZ", "it is compressed with xz", "Unpack it first: unxz -k FILE"),
    (b"%PDF", "it is a PDF document", "Diapason reads JSON Lines, JSON arrays, CSV and plain text."),
    (b"version https://git-lfs", "it is a Git LFS pointer, not the data", "Fetch the data: git lfs pull"),
)  # fmt: skip
READABLE = "Diapason reads JSON Lines, JSON arrays, CSV and plain text."


class Source:
    """An opened data file. `layout` is jsonl, json, csv or text; rows are found by byte offset.

    A UTF-16 file is read through a UTF-8 copy in an unnamed temporary file. Reads are positional, so that
    several threads may use one source, and a file that shrinks meanwhile gives short rows, never a crash.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        self.size = os.fstat(self._file.fileno()).st_size
        self.mtime_ns = os.fstat(self._file.fileno()).st_mtime_ns
        head = self.read_raw(0, HEAD)
        if not head.strip(b"\xef\xbb\xbf \t\r\n\x0b\x0c"):
            self._require_blank()
        _refuse_foreign(path, head)
        self.encoding: Encoding = sniff_encoding(head)
        self._text: IO[bytes] = self._transcoded() if self.encoding.wide else self._file
        self.text_size = os.fstat(self._text.fileno()).st_size
        self.start = 3 if self.encoding.bom and not self.encoding.wide else 0
        head = self.read(self.start, self.start + HEAD)
        frame = sniff_layout(self.read, self.start, head, path.suffix.lower())
        self.layout = frame.kind
        self.wrapped_key, self.base, self._items_at = frame.wrapped_key, frame.base, frame.items_at
        self.dialect = self._sniff_dialect(head) if self.layout == "csv" else Dialect(",")
        self.text_rows = "line"
        self._index: Index | None = None
        self._lock = threading.Lock()
        self._legacy: str | None | bool = False
        self._columns: tuple[str, ...] | None = None

    def close(self) -> None:
        """Close the file; the source is of no use afterwards."""
        self._text.close()
        self._file.close()

    def read_raw(self, start: int, end: int) -> bytes:
        """Bytes of the file itself."""
        return os.pread(self._file.fileno(), max(0, end - start), start)

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the text: the file's own, or UTF-8 where the file is UTF-16."""
        parts: list[bytes] = []
        while start < end:
            part = os.pread(self._text.fileno(), end - start, start)
            if not part:
                break
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def index(self, progress: Progress | None = None) -> Index:
        """The row boundaries: made once, in one pass; kept in the home's cache for large files."""
        with self._lock:
            if self._index is None:
                self._index = self._load_index() or self._make_index(progress)
            return self._index

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a CSV file's columns: known ones in lower case; numbered where there is no header."""
        if self._columns is None:
            from core.data.columns import column_names

            first = self.raw(0) if not self.dialect.header and len(self) else b""
            width = len(try_split(first.decode("utf-8", "replace"), self.dialect.delimiter)) or 1
            self._columns = column_names(self.dialect.header, width)
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

    @property
    def indexed(self) -> bool:
        """Whether the row boundaries are known already."""
        return self._index is not None

    def __len__(self) -> int:
        return len(self.index())

    def raw(self, row: int) -> bytes:
        """The bytes of row `row`, without its line end."""
        index = self.index()
        return self.read(int(index.starts[row]), int(index.ends[row])).removesuffix(b"\r")

    def rows(self, first: int = 0) -> Iterator[tuple[int, int, bytes]]:
        """(row, line, bytes) of each row from `first` on, read block by block."""
        index = self.index()
        count = len(index)
        while first < count:
            begin = int(index.starts[first])
            last = max(first + 1, int(np.searchsorted(index.ends, begin + _BLOCK, side="right")))
            block = self.read(begin, int(index.ends[last - 1]))
            starts = (index.starts[first:last] - begin).tolist()
            ends = (index.ends[first:last] - begin).tolist()
            lines = index.lines[first:last].tolist()
            for number, (left, right, line) in enumerate(zip(starts, ends, lines, strict=True), first):
                raw = block[left:right]
                yield number, line, raw[:-1] if raw.endswith(b"\r") else raw
            first = last

    def decode(self, raw: bytes) -> str:
        """The text of `raw`: UTF-8, or cp1252 where the whole file is. Raises UnicodeDecodeError."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            legacy = self.legacy
            if legacy is None:
                raise
            return raw.decode(legacy, "replace")

    @property
    def legacy(self) -> str | None:
        """``cp1252`` where the file is not UTF-8 but reads well so; found by one pass when first needed."""
        if self._legacy is False:
            self._legacy = legacy_encoding(self.read, self.start, self.text_size)
        return self._legacy if isinstance(self._legacy, str) else None

    def _require_blank(self) -> None:
        """Raise where the whole file is white space: there is nothing to open."""
        for _, chunk in chunks(self.read_raw, 0, self.size):
            if chunk.strip(b"\xef\xbb\xbf \t\r\n\x0b\x0c"):
                return
        what = "the file holds only white space" if self.size else "the file is empty"
        raise EmptyFile(what, where=str(self.path), hint=CODES["empty_file"].hint)

    def _transcoded(self) -> IO[bytes]:
        # The copy lives as long as this object, so the context manager of the caller is this source.
        copy: IO[bytes] = tempfile.TemporaryFile(dir=cache_dir())  # noqa: SIM115
        for text in self.encoding.stream(self.read_raw, self.size):
            copy.write(text.encode("utf-8", "replace"))
        copy.flush()
        return copy

    def _sniff_dialect(self, head: bytes) -> Dialect:
        from core.data.columns import read_header

        text = head.decode("utf-8", "replace")
        delimiter = "\t" if self.path.suffix.lower() == ".tsv" else sniff_delimiter(text)
        first = index_records(lambda start, end: head[start:end], 0, len(head), delimiter)
        if not len(first):
            return Dialect(delimiter)
        records = [head[a:b].decode("utf-8", "replace").removesuffix("\r")
                   for a, b in zip(first.starts[:20].tolist(), first.ends[:20].tolist(), strict=True)]  # fmt: skip
        return Dialect(delimiter, read_header([try_split(record, delimiter) for record in records]))

    def _make_index(self, progress: Progress | None) -> Index:
        if self.layout == "json":
            line = 1 + self.read(self.start, self._items_at).count(b"\n")
            wrapped = self.wrapped_key is not None
            index = index_items(
                self.read,
                self._items_at,
                self.text_size,
                base=self.base,
                wrapped=wrapped,
                first_line=line,
                progress=progress,
            )
        elif self.layout == "csv":
            index = index_records(self.read, self.start, self.text_size, self.dialect.delimiter, progress)
            if self.dialect.header and len(index):
                index.starts, index.ends, index.lines = index.starts[1:], index.ends[1:], index.lines[1:]
                index.bad = {row - 1: why for row, why in index.bad.items() if row}
        elif self.layout == "text":
            index, self.text_rows = index_text(self.read, self.start, self.text_size, progress)
        else:
            index = index_lines(self.read, self.start, self.text_size, progress)
        self._save_index(index)
        return index

    def _cache_path(self) -> Path:
        parts = (
            self.path.absolute(),
            self.size,
            self.mtime_ns,
            self.layout,
            self.base,
            self._items_at,
            _CACHE_VERSION,
        )
        name = "\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")
        return cache_dir() / "index" / f"{hashlib.blake2b(name, digest_size=16).hexdigest()}.npz"

    def _load_index(self) -> Index | None:
        if self.size < _CACHED_FROM:
            return None
        try:
            with np.load(self._cache_path(), allow_pickle=False) as saved:
                notes = orjson.loads(saved["notes"].tobytes())
                index = Index(saved["starts"], saved["ends"], saved["lines"])
            index.blank_lines, index.blank_count, index.crlf_lines, index.ends_with_newline = notes[:4]
            index.problems = [(code, line, text) for code, line, text in notes[4]]
            index.bad = {int(row): why for row, why in notes[5]}
            self.text_rows = str(notes[6])
            return index
        except (OSError, ValueError, KeyError, IndexError, EOFError, DiapasonError):
            return None

    def _save_index(self, index: Index) -> None:
        if self.size < _CACHED_FROM:
            return
        notes = [index.blank_lines, index.blank_count, index.crlf_lines, index.ends_with_newline, index.problems,
                 list(index.bad.items()), self.text_rows]  # fmt: skip
        try:
            path = self._cache_path()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
            np.savez(temporary, starts=index.starts, ends=index.ends, lines=index.lines,
                     notes=np.frombuffer(orjson.dumps(notes), np.uint8))  # fmt: skip
            os.replace(temporary, path)
            kept = sorted(path.parent.glob("*.npz"), key=lambda item: item.stat().st_mtime, reverse=True)
            for old in kept[_CACHED_FILES:]:
                old.unlink(missing_ok=True)
        except (OSError, DiapasonError):
            # The cache only saves time: a full or read-only disk must not keep anyone from reading data.
            return


class EmptyFile(DiapasonError):
    """There is no row in the file."""


def _open(path: Path) -> IO[bytes]:
    """The file, opened; DiapasonError says why not."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "it is a folder" if path.is_dir() else "it is not a regular file"
            raise DiapasonError(kind, where=str(path), hint="Name one data file.")
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise DiapasonError("there is no such file", where=str(path), hint=_near(path)) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise DiapasonError(f"cannot read the file: {reason}", where=str(path)) from error


def _near(path: Path) -> str:
    """What the person may have meant."""
    import difflib

    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"The folder {path.parent} cannot be read either."
    near = difflib.get_close_matches(path.name, names, 1)
    return f"Did you mean {path.parent / near[0]}?" if near else "Check the name and the folder."


def _refuse_foreign(path: Path, head: bytes) -> None:
    """Raise where the file is of a kind that holds no rows we can read."""
    for magic, what, hint in _MAGIC:
        if head.startswith(magic):
            raise DiapasonError(what, where=str(path), hint=hint)
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise DiapasonError("it is a web page, not data", where=str(path), hint="Download the raw file again.")
    if sniff_encoding(head).wide:
        return
    # Text has hardly any control bytes; a torn write leaves a block of NULs, which is one bad row, not a binary.
    control = sum(head.count(bytes([code])) for code in (0, 1, 2, 3, 4, 5, 6, 14, 15, 16, 17, 18, 19, 20))
    opened = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    if control >= 16 and control * 20 > len(head) and not opened:
        raise DiapasonError("it is a binary file", where=str(path), hint=READABLE)
