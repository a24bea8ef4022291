"""The numbers in a text, as one number: where it differs, two texts cannot be near copies."""

from __future__ import annotations

import re

import numpy as np

from core.data.near.shingles import Codes, Hashes, Places, as_text, mixed

_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_ANY = np.uint64(1)


def figures(characters: Codes, starts: Places, ends: Places, threshold: float) -> Hashes:
    """A hash of the numbers of each text (from `starts` to `ends` in `characters`), whatever their order.

    Of two texts with different hashes the numbers share less than `threshold`, counted as `number_jaccard` does. With
    n numbers in the one, n / (n + 1) is the most that another may share without having the same: a text with so many
    that this is enough has the hash 1, and so has one with digits other than 0 to 9.
    """
    count = len(starts)
    sums = np.zeros(count, np.uint64)
    found = np.flatnonzero((characters >= 48) & (characters <= 57))
    if len(found):
        new = np.ones(len(found), bool)
        new[1:] = found[1:] != found[:-1] + 1
        first = np.flatnonzero(new)
        place = found - found[first][np.cumsum(new) - 1]
        digits = mixed(characters[found].astype(np.uint64) + (place.astype(np.uint64) << np.uint64(8)))
        row = np.searchsorted(ends, found[first], side="right")
        np.add.at(sums, row, mixed(np.add.reduceat(digits, first)))
        many = np.bincount(row, minlength=count)
        sums[many / (many + 1) >= threshold] = _ANY
    if characters.dtype != np.uint8:
        others = [match.start() for match in _OTHER_DIGIT.finditer(as_text(characters))]
        sums[np.searchsorted(ends, np.asarray(others, np.int64), side="right")] = _ANY
    return sums
