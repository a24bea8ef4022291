"""Where the items of a JSON array, or objects written one after the other, start and end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.data.index import CHUNK, Index, Offsets, Progress, ReadAt, chunks, numbers

_SPECIAL = np.zeros(256, bool)
_SPECIAL[[ord(char) for char in '"\\{}[]\n']] = True
_WITH_COMMAS = _SPECIAL.copy()
_WITH_COMMAS[ord(",")] = True
_STEP = np.zeros(256, np.int64)
_STEP[[ord("{"), ord("[")]] = 1
_STEP[[ord("}"), ord("]")]] = -1
_LONGEST_RUN = 64 << 20
_GAP = b" \t\r\n,"
_FIRST_KEY = re.compile(rb'\s*\{\s*("(?:[^"\\]|\\.){1,200}")\s*:')


@dataclass(slots=True)
class _State:
    """What the scanner carries from one chunk into the next."""

    depth: int
    quotes: int = 0
    lines: int = 0
    starts: list[Offsets] = field(default_factory=list[Offsets])
    ends: list[Offsets] = field(default_factory=list[Offsets])
    start_lines: list[Offsets] = field(default_factory=list[Offsets])
    closed_at: int | None = None
    commas: list[Offsets] | None = None


@dataclass(frozen=True, slots=True)
class Brackets:
    """The inside of one bracket: where the values in brackets within it start and end, and where it closes itself."""

    starts: Offsets
    ends: Offsets
    closed_at: int
    commas: Offsets


def inside(
    read: ReadAt, start: int, size: int, *, commas: bool = False, tell: Progress | None = None
) -> Brackets | None:
    """What lies in the bracket that opens before byte `start`; None where it never closes.

    With `commas` also where the commas between its items are.
    """
    state = _State(depth=1, commas=[] if commas else None)
    _scan_on(read, start, size, state, 1, tell)
    if state.closed_at is None:
        return None
    starts, ends = numbers(state.starts), numbers(state.ends)
    between = numbers(state.commas) if state.commas else np.zeros(0, np.int64)
    return Brackets(starts, ends, state.closed_at, between[between < state.closed_at])


def first_items(read: ReadAt, start: int, stop: int, *, base: int, first_line: int = 1) -> Index:
    """The items that lie whole between `start` and `stop`, found at once; none where anything else is among them."""
    state = _State(depth=base)
    _scan_on(read, start, stop, state, base, None)
    starts, ends, lines = (numbers(part) for part in (state.starts, state.ends, state.start_lines))
    count = min(len(starts), len(ends))
    starts, ends, lines = starts[:count], ends[:count], lines[:count] + first_line
    text = read(start, stop)
    before = np.concatenate([np.asarray([start], np.int64), ends[:-1]])
    for number, (left, right) in enumerate(zip(before.tolist(), starts.tolist())):
        if text[left - start : right - start].strip(_GAP):
            return Index(starts[:number], ends[:number], lines[:number])
    return Index(starts, ends, lines)


def _scan_on(read: ReadAt, start: int, size: int, state: _State, base: int, progress: Progress | None) -> None:
    position = start
    while position < size and state.closed_at is None:
        length, chunk, kept = CHUNK, b"", b""
        # A chunk must not end inside a run of backslashes: whether the next quote counts hangs on it.
        while not kept and position + len(chunk) < size and length <= _LONGEST_RUN:
            chunk = read(position, min(size, position + length))
            kept = chunk.rstrip(b"\\") if position + len(chunk) < size else chunk
            length *= 2
            if not chunk:
                return
        chunk = kept or chunk
        _scan(chunk, position, state, base)
        position += len(chunk)
        if progress:
            progress(position - start)


def index_items(
    read: ReadAt,
    start: int,
    size: int,
    *,
    base: int,
    wrapped: bool = False,
    first_line: int = 1,
    progress: Progress | None = None,
) -> Index:
    """Cut a JSON array (`base` 1, `start` behind its bracket) or objects in a row (`base` 0) into items.

    Strings are respected. JSON allows no line break inside a string, so every line starts outside of one:
    a quote too many spoils one line, not the rest of the file. Where brackets do not balance the items are
    found by their first key instead. Commas and scalars between items are looked at afterwards. `wrapped` says
    that the array is a field of an object, so that more may follow it.
    """
    state = _State(depth=base)
    _scan_on(read, start, size, state, base, progress)
    starts, ends, lines = (numbers(part) for part in (state.starts, state.ends, state.start_lines))
    lines = lines + first_line
    finish = state.closed_at if state.closed_at is not None else size
    balanced = len(starts) == len(ends) and (state.depth == 0 if base == 0 else state.closed_at is not None)
    if balanced and base == 1:
        tail = read(finish + 1, min(size, finish + 1 + 65536))
        if not wrapped and tail.lstrip(b" \t\r\n,").startswith((b"{", b"]", b"}")):
            balanced = False
    if not balanced:
        recovered = _by_first_key(read, start, size, first_line)
        if recovered is not None and len(recovered) >= len(ends):
            return recovered
    index = _with_gaps(read, start, finish, starts, ends, lines, first_line)
    if base == 1 and state.closed_at is None:
        index.problems.append(("bad_json", first_line, "the array is never closed: the file may be cut off"))
    elif base == 1 and not wrapped and read(finish + 1, min(size, finish + 65537)).strip():
        index.problems.append(("bad_json", first_line + state.lines, "there is text after the array's end"))
    return index


def _scan(chunk: bytes, offset: int, state: _State, base: int) -> None:
    data = np.frombuffer(chunk, np.uint8)
    where = np.flatnonzero((_SPECIAL if state.commas is None else _WITH_COMMAS)[data])
    byte = data[where]
    breaks = byte == 10
    quote = (byte == 34) & ~_escaped(where, byte)
    count = np.cumsum(quote)
    # Quotes seen before the line began; the carried count stands for the part of the line in earlier chunks.
    before = np.maximum.accumulate(np.where(breaks, count, -state.quotes)) if len(where) else count
    outside = ((count - before) & 1) == 0
    step = np.where(outside, _STEP[byte], 0)
    depth = np.cumsum(step) + state.depth
    opens = (step == 1) & (depth == base + 1)
    closes = (step == -1) & (depth == base)
    if base == 1:
        over = np.flatnonzero((step == -1) & (depth < base))
        if len(over):
            stop = int(over[0])
            state.closed_at = offset + int(where[stop])
            opens[stop:] = closes[stop:] = False
            breaks = breaks.copy()
            breaks[stop:] = False
    if state.commas is not None:
        state.commas.append(where[(byte == 44) & outside & (depth == base)].astype(np.int64) + offset)
    line_of = np.cumsum(breaks) + state.lines
    state.starts.append(where[opens].astype(np.int64) + offset)
    state.ends.append(where[closes].astype(np.int64) + offset + 1)
    state.start_lines.append(line_of[opens].astype(np.int64))
    if len(where):
        state.depth = int(depth[-1])
        state.quotes = int(count[-1] - before[-1]) & 1
        state.lines = int(line_of[-1])


def _escaped(where: Any, byte: Any) -> Any:
    """Which special bytes follow an odd run of backslashes."""
    slash = byte == 92
    if not slash.any():
        return slash
    adjacent = np.zeros(len(where), bool)
    adjacent[1:] = (where[1:] - where[:-1] == 1) & slash[:-1]
    run_start = np.where(slash & ~adjacent, where, -1)
    run_start = np.maximum.accumulate(run_start)
    return adjacent & (((where - run_start) & 1) == 1)


def _with_gaps(
    read: ReadAt, start: int, finish: int, starts: Offsets, ends: Offsets, lines: Offsets, first_line: int
) -> Index:
    """The index, with scalars and stray text between the bracketed items added as rows of their own."""
    if len(starts) > len(ends):
        ends = np.append(ends, finish)
    ends = ends[: len(starts)]
    lefts = np.concatenate([np.asarray([start], np.int64), ends])
    rights = np.concatenate([starts, np.asarray([finish], np.int64)])
    rights = np.maximum(lefts, rights)
    sizes = rights - lefts
    extra: list[tuple[int, int, int]] = []
    for number in np.flatnonzero(sizes > 0):
        left, right = int(lefts[number]), int(rights[number])
        gap = read(left, min(right, left + 65536))
        line = int(lines[number - 1]) if number else first_line
        if gap.strip(_GAP):
            if number:
                line += read(int(starts[number - 1]), left).count(b"\n")
            extra += _scalars(gap, left, line)
    if not extra:
        return Index(starts, ends, lines)
    add = np.asarray(extra, np.int64)
    starts, ends = np.concatenate([starts, add[:, 0]]), np.concatenate([ends, add[:, 1]])
    lines = np.concatenate([lines, add[:, 2]])
    order = np.argsort(starts, kind="stable")
    return Index(starts[order], ends[order], lines[order])


def _scalars(gap: bytes, offset: int, line: int) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for match in re.finditer(rb'(?:"(?:[^"\\\n]|\\.)*"|[^,"\s])+(?:[ \t]+(?:"(?:[^"\\\n]|\\.)*"|[^,"\s])+)*|"', gap):
        here = line + gap.count(b"\n", 0, match.start())
        found.append((offset + match.start(), offset + match.end(), here))
    return found


def _by_first_key(read: ReadAt, start: int, size: int, first_line: int) -> Index | None:
    """Items found by the key that the first one begins with, or None where there is no such key."""
    key = _FIRST_KEY.match(read(start, min(size, start + 65536)))
    if not key:
        return None
    pattern = re.compile(rb"\{\s*" + re.escape(key.group(1)) + rb"\s*:")
    found: list[int] = []
    lines: list[int] = []
    line = first_line
    overlap = len(key.group(1)) + 64
    counted = start
    for offset, _ in chunks(read, start, size):
        chunk = read(offset, min(size, offset + CHUNK + overlap))
        for match in pattern.finditer(chunk):
            place = offset + match.start()
            if match.start() < CHUNK and (not found or place > found[-1]):
                line += chunk.count(b"\n", counted - offset, match.start())
                counted = place
                found.append(place)
                lines.append(line)
        line += chunk.count(b"\n", max(0, counted - offset), CHUNK)
        counted = max(counted, min(size, offset + CHUNK))
    stops = [*found[1:], size]
    ends = [_trimmed(read, begin, stop) for begin, stop in zip(found, stops, strict=True)]
    index = Index(numbers(found), numbers(ends), numbers(lines))
    index.problems.append(("bad_json", first_line, "the brackets do not balance; rows are cut by their first key"))
    return index


def _trimmed(read: ReadAt, begin: int, stop: int) -> int:
    """The end of an item that ends before `stop`: white space, commas and a last bracket are not part of it."""
    tail = read(max(begin, stop - 4096), stop)
    kept = tail.rstrip(b" \t\r\n,")
    if kept.endswith((b"}]", b"]")) and kept[:-1].rstrip().endswith(b"}"):
        kept = kept[:-1].rstrip(b" \t\r\n,")
    return stop - len(tail) + len(kept)
