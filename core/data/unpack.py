"""Compressed files, unpacked into a temporary copy; what can be read of a damaged one is kept."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol

from core.data.findings import RowFinding
from core.data.spool import Spool, Tell

_READ = 1 << 20
_WRITE = 4 << 20
MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_TOOLS = {"gzip": "gunzip -k", "bzip2": "bunzip2 -k", "xz": "unxz -k", "zstd": "unzstd"}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others: input not used yet is kept inside."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self.broken = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._inner.unconsumed_tail + data
        before = self._inner.copy()
        try:
            return self._inner.decompress(data, max_length)
        except zlib.error:
            # All that this call had unpacked is lost with its error: do it again in small steps up to the damage.
            self.broken = True
            return _salvage(before, data)


def _salvage(inner: Any, data: bytes) -> bytes:
    parts: list[bytes] = []
    try:
        while data and not inner.eof:
            parts.append(inner.decompress(data, 256))
            data = inner.unconsumed_tail
    except zlib.error:
        pass
    return b"".join(parts)


_MAKERS: dict[str, Callable[[], Any]] = {"gzip": _Gzip, "bzip2": bz2.BZ2Decompressor, "xz": lzma.LZMADecompressor}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The text of a packed file, and what to say about it."""

    file: IO[bytes]
    finding: RowFinding
    damage: RowFinding | None


def packing(head: bytes) -> str | None:
    """gzip, bzip2, xz or zstd, by the first bytes; None where the file is not packed."""
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), None)


def unpack(file: IO[bytes], kind: str, where: str, size: int, tell: Tell | None = None) -> Unpacked:
    """Unpack `file`, open at its start, into a temporary copy.

    Where it ends too early or is damaged, all that comes before is kept, up to the last whole line.

    Raises:
        Unreadable: it unpacks to far more than its size (a bomb).
        DiapasonError: there is no room for the copy.
    """
    spool = Spool(where, size)
    problem = unpack_into(spool, file, kind, tell)
    copy = spool.finish()
    damage = None
    if problem:
        _cut_to_line(copy, spool)
        reason = "ends too early" if problem == "truncated" else "is damaged inside"
        damage = RowFinding(
            "truncated_gzip", f"the {kind} file {reason}; the rows before that are read", detail=problem
        )
    return Unpacked(
        copy, RowFinding("compressed", f"packed with {kind} ({_TOOLS[kind]} unpacks it)", detail=kind), damage
    )


def unpack_into(spool: Spool, file: IO[bytes], kind: str, tell: Tell | None = None) -> str:
    """Append the text of `file`, open at its start, to `spool`; return ``truncated``, ``damaged`` or nothing."""
    return _zstd(file, spool, tell) if kind == "zstd" else _stream(file, _MAKERS[kind], spool, tell)


def _stream(file: IO[bytes], make: Callable[[], Any], spool: Spool, tell: Tell | None) -> str:
    """Unpack member after member; return what is wrong: nothing, truncated or damaged."""
    inner: _Decompressor = make()
    done, members, data = 0, 0, b""
    while True:
        ended = False
        if inner.needs_input and not data:
            data = file.read(_READ)
            done += len(data)
            ended = not data
            if tell:
                tell(done)
        try:
            text = inner.decompress(data, _WRITE)
            broken = getattr(inner, "broken", False)
        except (OSError, EOFError, lzma.LZMAError, ValueError):
            text, broken = b"", True
        spool.write(text)
        if broken:
            # What follows the last member and is no member itself is padding or a signature.
            return "damaged" if text or not members or packing(data) else ""
        data = b""
        if inner.eof:
            members += 1
            data = inner.unused_data.lstrip(b"\0") or file.read(_READ).lstrip(b"\0")
            if not data:
                return ""
            inner = make()
        elif ended and not text:
            return "truncated"


def _zstd(file: IO[bytes], spool: Spool, tell: Tell | None) -> str:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
        while True:
            try:
                text = stream.read(_WRITE)
            except OSError:
                return "damaged"
            if not text:
                return ""
            spool.write(text)
            if tell:
                tell(file.tell())


def _cut_to_line(copy: IO[bytes], spool: Spool) -> None:
    """Drop the line that the damage cut in two, where there is more than one line."""
    for back in (1 << 16, 16 << 20):
        start = max(0, spool.size - back)
        copy.seek(start)
        place = copy.read(spool.size - start).rfind(b"\n")
        if place >= 0:
            spool.cut(start + place + 1)
            return
        if not start:
            return
