"""The frame of a file's texts: what many rows share word for word, such as an instruction before every prompt."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from core.data.near.shingles import SEPARATOR, Codes, Hashes, Places, codes

LEAST_ROWS, LEAST_SHARE = 10, 0.01
"""A run of characters that so many different rows of the sample share is a frame, not a copy."""
_WIDTH = 32
_LEAST = 10
_BATCH = 1 << 18
# Of all places one in eight is looked at, chosen by what is there, so the same everywhere (Schleimer, Wilkerson
# and Aiken 2003, "Winnowing").
_EVERY = np.uint64(1 << 61)
_BASE = 0x5851F42D4C957F2D
_INVERSE = pow(_BASE, -1, 1 << 64)


class Frames:
    """Knows the runs of characters that belong to nobody's row, and takes them out of a text."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Learn from a sample of a file's texts; equal ones count once."""
        found: list[Hashes] = []
        batch: list[str] = []
        waiting = count = 0
        for text in set(texts):
            count += 1
            if len(text) >= _WIDTH:
                batch.append(text)
                waiting += len(text)
            if waiting >= _BATCH:
                found.append(_distinct(batch))
                batch, waiting = [], 0
        if batch:
            found.append(_distinct(batch))
        every, counts = np.unique(np.concatenate(found), return_counts=True) if found else (_none(), _none())
        self._known: Hashes = every[counts >= max(LEAST_ROWS, LEAST_SHARE * count)]

    def __bool__(self) -> bool:
        return bool(len(self._known))

    def strip(self, characters: Codes, starts: Places, ends: Places) -> tuple[Codes, Places, Places]:
        """The texts (from `starts` to `ends` in `characters`) without their frames; a mark stands for each.

        A text of which next to nothing would be left stays whole.
        """
        if not self or len(characters) < _WIDTH:
            return characters, starts, ends
        hashes, places = _windows(characters)
        places = places[self._holds(hashes[places])]
        if not len(places):
            return characters, starts, ends
        change = np.zeros(len(characters) + 1, np.int32)
        change[places] += 1
        np.subtract.at(change, places + _WIDTH, 1)
        covered = np.cumsum(change[:-1]) > 0
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(~covered, dtype=np.int64)])
        left = before[ends] - before[starts]
        for row in np.flatnonzero((left < _LEAST) & (left < ends - starts)).tolist():
            covered[starts[row] : ends[row]] = False
        first = covered.copy()
        first[1:] &= ~covered[:-1]
        kept = ~covered | first
        stripped = np.where(first, np.asarray(ord(SEPARATOR), characters.dtype), characters)[kept]
        moved = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])
        return stripped, moved[starts], moved[ends]

    def _holds(self, hashes: Hashes) -> np.ndarray:
        found = np.minimum(np.searchsorted(self._known, hashes), len(self._known) - 1)
        return self._known[found] == hashes


def _none() -> Hashes:
    return np.zeros(0, np.uint64)


def _distinct(texts: list[str]) -> Hashes:
    """The hashes of the runs looked at in the texts, each as often as there are texts that have it."""
    characters, starts, ends = codes(texts)
    if len(characters) < _WIDTH:
        return _none()
    hashes, places = _windows(characters)
    row = np.minimum(np.searchsorted(ends, places, side="right"), len(ends) - 1)
    # A run that begins in the gap before a text would be known after another text only.
    inside = (places >= starts[row]) & (places + _WIDTH <= ends[row])
    hashes, row = hashes[places[inside]], row[inside]
    order = np.lexsort((row, hashes))
    hashes, row = hashes[order], row[order]
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (row[1:] != row[:-1])
    return hashes[new]


def _windows(characters: Codes) -> tuple[Hashes, Places]:
    """The hash of the run of characters from each place on, and the places that are looked at."""
    up, down = _powers(1 << len(characters).bit_length())
    sums = np.zeros(len(characters) + 1, np.uint64)
    np.cumsum(characters * up[: len(characters)], out=sums[1:])
    hashes = (sums[_WIDTH:] - sums[:-_WIDTH]) * down[: len(characters) - _WIDTH + 1]
    # Of a product modulo 2^64 the high bits depend on all characters.
    return hashes, np.flatnonzero(hashes < _EVERY)


@lru_cache(maxsize=32)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """The powers of the base and of its inverse modulo 2^64, with which any run's hash is two sums apart."""
    made: list[Hashes] = []
    for base in (_BASE, _INVERSE):
        powers = np.full(count, base, np.uint64)
        powers[0] = 1
        made.append(np.cumprod(powers, dtype=np.uint64))
    return made[0], made[1]
