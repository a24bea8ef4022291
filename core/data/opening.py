"""From what a person names to its text: unpacked, decoded, joined, in a file that is read by byte offset."""

from __future__ import annotations

import os
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import orjson

from core.data import arrow, encodings
from core.data.encodings import Encoding
from core.data.findings import RowFinding, grouped
from core.data.folder import Split, choose_split, read_folder
from core.data.foreign import refuse_foreign
from core.data.place import PACKED_SUFFIXES, Place, open_failed
from core.data.spool import Spool, Tell
from core.data.unpack import packing, unpack
from core.data.unreadable import EmptyFile, Unreadable
from core.errors import DiapasonError

if TYPE_CHECKING:
    from core.data.source import Source

HEAD = 64 << 10
_BLANK = b"\xef\xbb\xbf \t\r\n\x0b\x0c"
_CHUNK = 4 << 20
Note = tuple[RowFinding, int, list[int]]
"""A finding of the file, how many times, and the lines to show."""
_stdin_lock = threading.Lock()
_stdin: list[IO[bytes]] = []


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the files that a folder's rows come from: its rows begin on line `line` of the joined text."""

    path: Path
    line: int


@dataclass(slots=True)
class Text:
    """The text of a data set, from byte `start` of `file` on: UTF-8, or what `encoding` says.

    suffix: as the name has it, without that of the packing. notes: findings of the file as a whole. copied: whether
    `file` is a temporary copy. legacy: the encoding of rows that are not UTF-8, where it is not copied; False while
    nobody has looked for it. cr_only: whether carriage returns alone end the lines. by_row: whether lines are
    those of a copy that has one row a line, because the original has no lines.
    """

    file: IO[bytes]
    size: int
    suffix: str
    encoding: Encoding = field(default_factory=lambda: Encoding("utf-8"))
    notes: list[Note] = field(default_factory=list[Note])
    copied: bool = False
    legacy: str | bool | None = False
    cr_only: bool = False
    by_row: bool = False
    shards: tuple[Shard, ...] = ()

    @property
    def start(self) -> int:
        """Where the text begins, behind the byte-order mark."""
        return 0 if self.encoding.wide else self.encoding.mark

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the text; fewer where the file is shorter."""
        parts: list[bytes] = []
        number = self.file.fileno()
        while start < end:
            part = _read_at(number, end - start, start, self.file.name)
            if not part:
                break
            parts.append(part)
            start += len(part)
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        # Byte for byte the same length, so that offsets hold.
        return whole.replace(b"\r", b"\n") if self.cr_only else whole


@dataclass(frozen=True, slots=True)
class Opened:
    """A place, opened: `file` is the file itself, None where there is a folder."""

    place: Place
    file: IO[bytes] | None
    size: int
    mtime_ns: int


def locate(shards: Sequence[Shard], line: int) -> tuple[Path, int] | None:
    """The file of a folder on which line `line` of the joined text lies, and its line there; None without files."""
    place = bisect_right(shards, line, key=lambda shard: shard.line) - 1
    return (shards[place].path, line - shards[place].line + 1) if place >= 0 else None


def open_place(place: Place) -> Opened:
    """Open what `place` names, so that a change of its name does not matter any more.

    Raises:
        Unreadable: it cannot be opened.
    """
    try:
        if place.kind == "stdin":
            file = _read_stdin()
        elif place.kind == "file":
            file = place.path.open("rb", buffering=0)
        else:
            return Opened(place, None, _folder_size(place.path) if place.kind == "folder" else 0, 0)
    except (OSError, ValueError) as error:
        raise open_failed(error, place.path) from error
    status = os.fstat(file.fileno())
    return Opened(place, file, status.st_size, status.st_mtime_ns)


def _read_at(number: int, size: int, start: int, name: Path | str | int) -> bytes:
    """Up to `size` bytes from `start` on of an open file. Raises Unreadable where the disk fails."""
    try:
        return os.pread(number, size, start)
    except OSError as error:
        where = "a temporary copy" if isinstance(name, int) else str(name)
        reason = (error.strerror or str(error)).lower()
        raise Unreadable("read_error", f"cannot be read at byte {start}: {reason}", where=where) from error


def needs_copy(opened: Opened) -> bool:
    """Whether the text is read through a copy that takes time to write."""
    if opened.file is None:
        return True
    head = _read_at(opened.file.fileno(), HEAD, 0, opened.place.path)
    return bool(packing(head)) or head.startswith(arrow.PARQUET) or encodings.sniff_encoding(head).wide


def read_text(opened: Opened, tell: Tell | None = None) -> Text:
    """The text of what was opened.

    Raises:
        Unreadable: it holds no text that could be rows.
        DiapasonError: there is no room for the copy that is needed.
    """
    place = opened.place
    if place.kind == "hub":
        from core.data.hub import load_hub

        return _folder_text(load_hub(place), place, tell)
    if opened.file is None:
        return _folder_text(place.path, place, tell)
    return _file_text(Text(opened.file, opened.size, _suffix(place.path)), str(place.path), tell)


def _file_text(text: Text, where: str, tell: Tell | None) -> Text:
    head = text.read(0, HEAD)
    for _ in range(2):
        kind = packing(head)
        if kind is None:
            break
        text.file.seek(0)
        unpacked = unpack(text.file, kind, where, text.size, tell)
        text.notes.append((unpacked.finding, 1, []))
        if unpacked.damage:
            text.notes.append((unpacked.damage, 1, []))
        _replace(text, unpacked.file)
        head = text.read(0, HEAD)
    if not head.strip(_BLANK):
        _require_rows(text, where)
    if head.startswith(arrow.PARQUET):
        return _parquet(text, where, tell)
    refuse_foreign(where, head)
    text.encoding = encodings.sniff_encoding(head)
    if text.encoding.name == "utf-8" and not encodings.is_utf8(head[text.encoding.mark :]):
        name = encodings.legacy_encoding(text.read, text.start, text.size)
        if name in encodings.MULTIBYTE:
            text.encoding = Encoding(name, 0, True)
        else:
            text.legacy = name
    if text.encoding.wide:
        _decode(text, where, tell)
    text.cr_only = _ends_lines_by_cr(text)
    return text


def _replace(text: Text, file: IO[bytes]) -> None:
    text.file = file
    text.size = os.fstat(file.fileno()).st_size
    text.copied = True


def _require_rows(text: Text, where: str) -> None:
    """Raise where the whole file is white space: there is nothing to open."""
    for position in range(0, text.size, _CHUNK):
        if text.read(position, position + _CHUNK).strip(_BLANK):
            return
    raise EmptyFile("the file holds only white space" if text.size else "the file is empty", where=where)


def _parquet(text: Text, where: str, tell: Tell | None) -> Text:
    spool = Spool(where, text.size)
    with os.fdopen(os.dup(text.file.fileno()), "rb") as file:
        file.seek(0)
        doubled = doubled_names(arrow.column_names(file))
        file.seek(0)
        damage = arrow.parquet_rows(file, spool, tell)
    text.notes.append((RowFinding("columnar", "a Parquet file, read row by row", detail="parquet"), 1, []))
    if damage:
        text.notes.append((RowFinding("bad_parquet", damage, detail="damaged", level="error"), 1, []))
    if doubled:
        text.notes.append((duplicate_columns(doubled), 1, []))
    _replace(text, spool.finish())
    text.by_row = True
    if not text.size:
        raise EmptyFile("the table has no rows", where=where)
    return text


def doubled_names(names: list[str]) -> list[str]:
    """The names that come more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def duplicate_columns(names: list[str]) -> RowFinding:
    """The finding that columns share a name."""
    listed = ", ".join(f"`{name[:40]}`" for name in names[:5])
    return RowFinding(
        "duplicate_column", f"{listed}: the first is read under the name, the next as `{names[0][:40]}_2`"
    )


def _decode(text: Text, where: str, tell: Tell | None) -> None:
    """Write the UTF-8 copy of a file in another encoding."""
    spool = Spool(where)
    broken = 0
    for done, piece in text.encoding.stream(text.read, text.size):
        broken += piece.count("\ufffd")
        spool.write(piece.encode("utf-8", "replace"))
        if tell:
            tell(done)
    if broken:
        many = "1 character is" if broken == 1 else f"{grouped(broken)} characters are"
        message = f"{many} broken in {text.encoding.name} and read as U+FFFD"
        text.notes.append((RowFinding("invalid_utf8", message, text.encoding.name, level="warning"), broken, []))
    _replace(text, spool.finish())


def _ends_lines_by_cr(text: Text) -> bool:
    """Whether the file has carriage returns and not one line feed."""
    head = text.read(text.start, text.start + _CHUNK)
    if b"\n" in head or b"\r" not in head:
        return False
    for position in range(text.start + _CHUNK, text.size, _CHUNK):
        if b"\n" in text.read(position, position + _CHUNK):
            return False
    return True


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix in PACKED_SUFFIXES else suffix


def _read_stdin() -> IO[bytes]:
    """The standard input, kept in a temporary file so that it can be read again."""
    with _stdin_lock:
        if not _stdin:
            if sys.stdin is None or sys.stdin.isatty():
                raise DiapasonError(
                    "nothing is piped in", where="-", hint="For example: zcat FILE.gz | diapason data check -"
                )
            spool = Spool("-")
            while chunk := sys.stdin.buffer.read(_CHUNK):
                spool.write(chunk)
            _stdin.append(spool.finish())
        return os.fdopen(os.dup(_stdin[0].fileno()), "rb", buffering=0)


def data_files(place: Place) -> list[Path]:
    """The files that the rows of a place come from. Raises DiapasonError where there are none."""
    if place.kind == "file":
        return [place.path]
    if place.kind == "stdin":
        raise DiapasonError("the standard input cannot be read again later", where="-", hint="Save it to a file.")
    folder = place.path
    if place.kind == "hub":
        from core.data.hub import load_hub

        folder = load_hub(place)
    return list(choose_split(read_folder(folder), place.part, str(place.path)).files)


# -- folders ----------------------------------------------------------------------------------------------


def _folder_size(folder: Path) -> int:
    from core.data.folder import folder_files

    return sum(path.stat().st_size for path in folder_files(folder))


def _folder_text(folder: Path, place: Place, tell: Tell | None) -> Text:
    splits = read_folder(folder)
    split = choose_split(splits, place.part, str(place.path))
    spool = Spool(str(place.path))
    shards: list[Shard] = []
    if split.arrow:
        arrow.stream_rows(split.files, spool)
    else:
        line = 1
        for path in split.files:
            shards.append(Shard(path, line))
            line += _append(path, spool, tell)
    text = Text(spool.finish(), spool.size, ".jsonl", copied=True, by_row=split.arrow, shards=tuple(shards))
    text.notes.append((_about(splits, split, place), 1, []))
    if not text.size:
        raise EmptyFile("the files hold no rows", where=str(place.path))
    return text


def _append(path: Path, spool: Spool, tell: Tell | None) -> int:
    """Append the rows of a file, one a line, and blank lines as they are; return how many lines these are."""
    from core.data.parse import parse_record
    from core.data.source import Source

    before = spool.size
    source = Source(path)
    try:
        if source.layout == "jsonl" and source.legacy is None and not source.cr_only:
            lines, chunk = 0, b""
            for position in range(source.start, source.text_size, _CHUNK):
                chunk = source.read(position, min(source.text_size, position + _CHUNK))
                lines += chunk.count(b"\n")
                spool.write(chunk)
                if tell:
                    tell(spool.size)
            if spool.size > before and not chunk.endswith(b"\n"):
                spool.write(b"\n")
                lines += 1
            return lines
        for count, (row, _, raw) in enumerate(source.rows(), 1):
            value = None
            if source.layout == "csv":
                value = parse_record(raw, source, source.index().bad.get(row), [])
            elif source.layout == "text":
                value = {"text": source.decode(raw)}
            # What is JSON already, or cannot be read, stays byte for byte but for its line breaks.
            line = (
                _utf8(raw, source).replace(b"\r", b" ").replace(b"\n", b" ") if value is None else orjson.dumps(value)
            )
            spool.write(line + b"\n")
            if tell and count % 1000 == 0:
                tell(spool.size)
        return len(source)
    finally:
        source.close()


def _utf8(raw: bytes, source: Source) -> bytes:
    return raw if source.legacy is None else source.decode(raw).encode("utf-8")


def _about(splits: list[Split], split: Split, place: Place) -> RowFinding:
    """What a folder holds, and which part of it is read."""
    kind = "a folder that datasets saved" if split.arrow else "a folder"
    if place.kind == "hub":
        kind = f"the hub's data set {place.hub_id}"
    if len(splits) == 1:
        files = f"{len(split.files)} file{'s' if len(split.files) > 1 else ''}"
        return RowFinding("parts", f"{kind}: {files} read in order", detail="folder")
    rest = ", ".join(f"{place.path.name or place.path}#{other.name}" for other in splits if other is not split)
    return RowFinding("parts", f"{kind}: `{split.name}` is read; the others: {rest}", detail="folder")
