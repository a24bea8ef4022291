"""An object around the rows: several lists of them (train, test …), or one list for each column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import orjson

from core.data.columns import CONVERSATIONS, KNOWN, split_name
from core.data.index import Offsets, Progress, ReadAt
from core.data.items import inside
from core.data.spool import Spool

# Objects in these lists are parts of a row, not rows.
PARTS_OF_A_ROW = frozenset(
    [*CONVERSATIONS, "prompt", "completion", "chosen", "rejected", "tools", "functions", "history"]
)
_KEY = re.compile(rb'("(?:[^"\\]|\\.){0,200}")\s*:\s*$')
_TURN = re.compile(rb'\[\s*\{\s*"(?:role|from)"\s*:')
_NUMBERED = re.compile(rb'\s*\{\s*"0"\s*:')
_ITEM_KEY = re.compile(rb'\s*"(?:[^"\\]|\\.)*"\s*:')
# An object that begins with a list, or with scalars and then a list, or with pandas' numbered columns.
_CANDIDATE = re.compile(
    rb'\{\s*(?:"[^"\\]*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|true|false|null)\s*,\s*)*'
    rb'"[^"\\]+"\s*:\s*(?:\[|\{\s*"0"\s*:|\{\s*\})'
)
_HOLDERS = ("data", "rows", "examples", "instances", "items", "records", "samples", "dataset")
_MOST_MEMBERS = 10_000
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Member:
    """One field of the object whose value is in brackets: its key and the bytes of its value."""

    key: str
    start: int
    end: int
    opening: bytes
    """The first bytes of the value."""

    @property
    def inner(self) -> bytes:
        """What the value's first item begins with; nothing where the value is empty."""
        return self.opening[1:].lstrip()[:1].strip(b"]}")


def may_hold_rows(text: bytes) -> bool:
    """Whether an object that begins so may be one around its rows."""
    return _CANDIDATE.match(text) is not None


def read_members(read: ReadAt, start: int, size: int, tell: Progress | None = None) -> tuple[list[Member], int]:
    """The bracketed fields of the object that opens at byte `start`, and the byte behind its end.

    There are none where its brackets do not balance.
    """
    found = inside(read, start + 1, size, tell=tell)
    if found is None or not 0 < len(found.starts) == len(found.ends) <= _MOST_MEMBERS:
        return [], start
    members: list[Member] = []
    before = start + 1
    for begin, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
        key = _KEY.search(read(max(before, begin - 1000), begin))
        if key is None:
            return [], start
        members.append(Member(_text(key.group(1)), begin, end, read(begin, min(end, begin + 400))))
        before = end
    return members, found.closed_at + 1


def row_lists(members: list[Member]) -> list[Member]:
    """Those members that are lists of rows; none where one of them shows that the object is a row itself."""
    lists = [member for member in members if member.opening[:1] == b"[" and member.inner == b"{"]
    if any(member.key in PARTS_OF_A_ROW or _TURN.match(member.opening) for member in lists):
        return []
    return lists


def choose_list(lists: list[Member], part: str) -> Member | None:
    """The list to read: the one asked for; else the training rows, else what is called data, else the first."""
    if part:
        return next((item for item in lists if item.key == part), None) or next(
            (item for item in lists if split_name(item.key) == split_name(part) != ""), None
        )
    by_split = next((item for item in lists if split_name(item.key) == "train"), None)
    by_name = next((item for item in lists if item.key.casefold() in _HOLDERS), None)
    return by_split or by_name or lists[0]


def are_columns(members: list[Member], scalars: bool) -> bool:
    """Whether the members are columns: lists of values of rows, or pandas' objects by row number.

    `scalars`: whether the object has other fields too, which columns have not.
    """
    if scalars or not members:
        return False
    if all(_NUMBERED.match(member.opening) for member in members):
        return True
    if not all(member.opening[:1] == b"[" and member.inner for member in members):
        return False
    if any(
        member.inner == b"{" and (member.key in PARTS_OF_A_ROW or _TURN.match(member.opening)) for member in members
    ):
        return False
    keys = {member.key.strip().casefold() for member in members}
    return len(keys) > 1 or bool(keys & KNOWN)


def has_scalars(read: ReadAt, start: int, members: list[Member], size: int) -> bool:
    """Whether the object has fields without brackets, as far as the gaps around the members tell."""
    before = start + 1
    for member in members:
        gap = read(max(before, member.start - 4000), member.start)
        if gap.count(b'":') + gap.count(b'" :') > 1:
            return True
        before = member.end
    return b":" in read(before, min(size, before + 4000)).partition(b"}")[0]


def columns_to_rows(
    read: ReadAt, members: list[Member], spool: Spool, tell: Progress | None = None
) -> tuple[dict[str, int], int]:
    """Append the rows that the columns make to `spool`, one JSON object a line, each value byte for byte.

    Where columns are of different lengths the missing values are left out of the row.

    Returns: how many values each column has, and how many rows were written.
    """
    tables = [_Column(read, member, tell) for member in members]
    rows = max((len(table) for table in tables), default=0)
    for first in range(0, rows, _ROWS_AT_ONCE):
        parts = [table.values(first, min(rows, first + _ROWS_AT_ONCE)) for table in tables]
        lines = [
            b"{"
            + b", ".join(key + b": " + value for key, value in zip(_keys(tables), row) if value is not None)
            + b"}"
            for row in zip_longest(*parts)
        ]
        lines.append(b"")
        spool.write(b"\n".join(lines))
        if tell:
            tell(members[-1].end)
    return {table.name: len(table) for table in tables}, rows


def _keys(tables: list[_Column]) -> Iterator[bytes]:
    return (table.key for table in tables)


class _Column:
    """The values of one column by number."""

    def __init__(self, read: ReadAt, member: Member, tell: Progress | None) -> None:
        self.name = member.key
        self.key = orjson.dumps(member.key)
        self._read = read
        self._keyed = member.opening[:1] == b"{"
        found = inside(read, member.start + 1, member.end, commas=True, tell=tell)
        commas = found.commas if found else np.zeros(0, np.int64)
        self._starts: Offsets = np.concatenate([np.asarray([member.start + 1], np.int64), commas + 1])
        self._ends: Offsets = np.append(commas, member.end - 1)
        if len(self._starts) == 1 and not read(member.start + 1, member.end - 1).strip():
            self._starts = self._ends = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def values(self, first: int, last: int) -> list[bytes]:
        last = min(last, len(self))
        if first >= last:
            return []
        origin = int(self._starts[first])
        block = self._read(origin, int(self._ends[last - 1]))
        starts, ends = (self._starts[first:last] - origin).tolist(), (self._ends[first:last] - origin).tolist()
        return [self._value(block[begin:end]) for begin, end in zip(starts, ends, strict=True)]

    def _value(self, raw: bytes) -> bytes:
        if self._keyed:
            match = _ITEM_KEY.match(raw)
            raw = raw[match.end() :] if match else raw
        raw = raw.strip()
        # No string holds a line break; between the parts of a nested value it is as good as a space.
        return raw.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in raw or b"\r" in raw else raw


def _text(key: bytes) -> str:
    try:
        return orjson.loads(key)
    except ValueError:
        return key.strip(b'"').decode("utf-8", "replace")
