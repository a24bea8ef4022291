"""Where the rows of a file start and end: byte offsets, found chunk by chunk, never the whole file in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CHUNK = 4 << 20
Offsets = np.ndarray[Any, np.dtype[np.int64]]
ReadAt = Callable[[int, int], bytes]
Progress = Callable[[int], None]
"""``read(start, end)`` gives the bytes of that range, fewer at the end of the file."""

_SPACE = np.zeros(256, bool)
_SPACE[[0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = True


@dataclass(slots=True)
class Index:
    """Row boundaries: `starts` and `ends` in bytes, `lines` from 1; and what was odd about the file's frame.

    `problems` are (code, line, message) of things that belong to no row; `bad` marks rows that the scanner
    could only cut out, not close.
    """

    starts: Offsets
    ends: Offsets
    lines: Offsets
    blank_lines: list[int] = field(default_factory=list[int])
    blank_count: int = 0
    crlf_lines: int = 0
    ends_with_newline: bool = True
    problems: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    bad: dict[int, str] = field(default_factory=dict[int, str])

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that lie one after the other: the first one's number, their bytes, and where in these each one lies."""

    first: int
    data: bytes
    starts: Offsets
    ends: Offsets
    lines: Offsets

    def rows(self) -> Iterator[tuple[int, int, bytes]]:
        """(row, line, bytes without the line end) of each."""
        places = zip(self.starts.tolist(), self.ends.tolist(), self.lines.tolist(), strict=True)
        for number, (start, end, line) in enumerate(places, self.first):
            raw = self.data[start:end]
            yield number, line, raw[:-1] if raw.endswith(b"\r") else raw


def numbers(values: list[int] | list[Offsets]) -> Offsets:
    """One int64 array out of numbers, or out of arrays."""
    if values and isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    return np.asarray(values, np.int64)


def chunks(read: ReadAt, start: int, size: int, *, length: int = CHUNK) -> Iterator[tuple[int, bytes]]:
    """The bytes from `start` to `size` as (offset, chunk)."""
    while start < size:
        chunk = read(start, min(size, start + length))
        if not chunk:
            return
        yield start, chunk
        start += len(chunk)


@dataclass(slots=True)
class Lines:
    """All lines of a text: where each starts and ends (before its ``\\n``), and what its first byte is.

    `crlf` counts those that end in CRLF; `closed` says whether the last one is ended.
    """

    starts: Offsets
    ends: Offsets
    first: np.ndarray[Any, np.dtype[np.uint8]]
    crlf: int
    closed: bool

    def blank(self, read: ReadAt) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which lines hold nothing but white space."""
        blank = self.ends <= self.starts
        # A line can only be blank if its first byte is white space; those few are looked at one by one.
        for row in np.flatnonzero(_SPACE[self.first] & ~blank):
            blank[row] = _is_blank(read, int(self.starts[row]), int(self.ends[row]))
        return blank


def find_lines(read: ReadAt, start: int, size: int, progress: Progress | None = None) -> Lines:
    """The lines from byte `start` to `size`, found in one pass."""
    found: list[Offsets] = []
    first: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    crlf, last = 0, b"\n"
    for offset, chunk in chunks(read, start, size):
        data = np.frombuffer(chunk, np.uint8)
        if last == b"\n":
            first.append(data[:1])
        breaks = np.flatnonzero(data == 10)
        if len(breaks):
            # A break at the chunk's start has the byte before it in the chunk before.
            crlf += int(np.count_nonzero(data[breaks - 1] == 13)) - int(breaks[0] == 0 and data[-1] == 13)
            crlf += int(breaks[0] == 0 and last == b"\r")
            begin = breaks[:-1] + 1 if breaks[-1] == len(data) - 1 else breaks + 1
            first.append(data[begin])
            found.append(breaks + offset)
        last = chunk[-1:]
        if progress:
            progress(offset + len(chunk) - start)
    ends = np.concatenate(found) if found else np.zeros(0, np.int64)
    starts = np.concatenate([np.asarray([start], np.int64), ends + 1])
    closed = last == b"\n"
    if closed:
        starts = starts[:-1]
    else:
        ends = np.append(ends, size)
    heads = np.concatenate(first) if first else np.zeros(0, np.uint8)
    return Lines(starts, ends, heads, crlf, closed)


def _is_blank(read: ReadAt, begin: int, end: int) -> bool:
    """Whether a range holds white space only; a long one is read piece by piece."""
    return all(not chunk.strip() for _, chunk in chunks(read, begin, end, length=65536))


def index_lines(read: ReadAt, start: int, size: int, progress: Progress | None = None) -> Index:
    """One row a line; blank lines are no rows (JSONL)."""
    found = find_lines(read, start, size, progress)
    blank = found.blank(read)
    starts, ends = found.starts, found.ends
    lines = np.arange(1, len(starts) + 1, dtype=np.int64)
    if not blank.any():
        return Index(starts, ends, lines, crlf_lines=found.crlf, ends_with_newline=found.closed)
    keep = ~blank
    return Index(
        starts[keep],
        ends[keep],
        lines[keep],
        blank_lines=[int(line) for line in lines[blank][:100]],
        blank_count=int(np.count_nonzero(blank)),
        crlf_lines=found.crlf,
        ends_with_newline=found.closed,
    )


def index_text(read: ReadAt, start: int, size: int, progress: Progress | None = None) -> tuple[Index, str]:
    """Plain text: a row a paragraph where blank lines part the text, else a row a line; says which."""
    found = find_lines(read, start, size, progress)
    starts, ends, crlf, closed = found.starts, found.ends, found.crlf, found.closed
    blank = found.blank(read)
    filled = np.flatnonzero(~blank)
    lines = np.arange(1, len(starts) + 1, dtype=np.int64)
    if not len(filled):
        return Index(starts[:0], ends[:0], lines[:0], crlf_lines=crlf, ends_with_newline=closed), "line"
    breaks = np.flatnonzero(np.diff(filled) > 1)
    if not len(breaks):
        index = Index(starts[filled], ends[filled], lines[filled], crlf_lines=crlf, ends_with_newline=closed)
        return index, "line"
    first = filled[np.concatenate([np.asarray([0]), breaks + 1])]
    last = filled[np.concatenate([breaks, np.asarray([len(filled) - 1])])]
    return Index(starts[first], ends[last], lines[first], crlf_lines=crlf, ends_with_newline=closed), "paragraph"
