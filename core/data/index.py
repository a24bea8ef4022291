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


def line_bounds(
    read: ReadAt, start: int, size: int, progress: Progress | None = None
) -> tuple[Offsets, Offsets, int, bool]:
    """Start and end (before ``\\n``) of each line, how many end in CRLF, and whether the last one is ended."""
    found: list[Offsets] = []
    crlf, last = 0, b""
    for offset, chunk in chunks(read, start, size):
        data = np.frombuffer(chunk, np.uint8)
        breaks = np.flatnonzero(data == 10)
        if len(breaks):
            before = breaks[breaks > 0] - 1
            crlf += int(np.count_nonzero(data[before] == 13))
            crlf += int(breaks[0] == 0 and last == b"\r")
        found.append(breaks.astype(np.int64) + offset)
        last = chunk[-1:]
        if progress:
            progress(offset + len(chunk) - start)
    ends = np.concatenate(found) if found else np.zeros(0, np.int64)
    starts = np.concatenate([np.asarray([start], np.int64), ends + 1])
    if last == b"\n" or not last:
        return starts[:-1], ends, crlf, True
    return starts, np.append(ends, size), crlf, False


def blank_mask(read: ReadAt, starts: Offsets, ends: Offsets) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which lines hold nothing but white space."""
    blank = ends <= starts
    if not len(starts):
        return blank
    # A line can only be blank if its first byte is white space; those few are looked at one by one.
    first = np.zeros(len(starts), np.uint8)
    position, total = 0, int(ends[-1])
    for offset, chunk in chunks(read, int(starts[0]), total):
        data = np.frombuffer(chunk, np.uint8)
        stop = int(np.searchsorted(starts, offset + len(chunk)))
        first[position:stop] = data[starts[position:stop] - offset]
        position = stop
    for row in np.flatnonzero(_SPACE[first] & ~blank):
        begin, end = int(starts[row]), int(ends[row])
        blank[row] = _is_blank(read, begin, end)
    return blank


def _is_blank(read: ReadAt, begin: int, end: int) -> bool:
    """Whether a range holds white space only; a long one is read piece by piece."""
    return all(not chunk.strip() for _, chunk in chunks(read, begin, end, length=65536))


def index_lines(read: ReadAt, start: int, size: int, progress: Progress | None = None) -> Index:
    """One row a line; blank lines are no rows (JSONL)."""
    starts, ends, crlf, closed = line_bounds(read, start, size, progress)
    blank = blank_mask(read, starts, ends)
    lines = np.arange(1, len(starts) + 1, dtype=np.int64)
    keep = ~blank
    return Index(
        starts[keep],
        ends[keep],
        lines[keep],
        blank_lines=[int(line) for line in lines[blank][:100]],
        blank_count=int(np.count_nonzero(blank)),
        crlf_lines=crlf,
        ends_with_newline=closed,
    )


def index_text(read: ReadAt, start: int, size: int, progress: Progress | None = None) -> tuple[Index, str]:
    """Plain text: a row a paragraph where blank lines part the text, else a row a line; says which."""
    starts, ends, crlf, closed = line_bounds(read, start, size, progress)
    blank = blank_mask(read, starts, ends)
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
