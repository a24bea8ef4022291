"""The pairs of texts worth comparing: those whose sketches share a band, for each text the closest few."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.data.near.shingles import Places
from core.data.near.sketches import Sketches

CLOSEST = 6
"""With so many others a text is compared. In a file of templates thousands of rows share a band with each other."""
_PARTNERS = 12
"""Of the texts of a band so many next to a text are looked at, if need be."""
# So many pairs are judged at once; 160 bytes of sketches each.
_PAIRS = 1 << 15
Keys = np.ndarray[Any, np.dtype[np.uint32]]


def pairs(sketches: Sketches, among: Places) -> Places:
    """The pairs of texts, out of those with the numbers `among` (sorted), that may reach the threshold: (n, 2).

    First the later text, then the earlier. Texts that hang together follow each other, so that one that is read is
    needed soon again; of one text's pairs the closest is the first.
    """
    found = _Closest(sketches, sketches)
    shared = [_shared(sketches.keys(band)[among], among) for band in range(sketches.bands)]
    for step in range(1, _PARTNERS + 1):
        for keys, texts in shared:
            same = np.flatnonzero(keys[step:] == keys[:-step])
            found.add(texts[same + step], texts[same])
        if not found.settle():
            break
    later, earlier, closeness = found.all()
    return np.stack([later, earlier], axis=1)[
        np.lexsort((-earlier, -closeness, later, _roots(later, earlier)[later]))
    ]


def matches(sketches: Sketches, wanted: Places, other: Sketches, among: Places) -> Places:
    """Pairs of a text with a number in `wanted` and one of `other` in `among` that may reach the threshold: (n, 2).

    They are sorted by both numbers.
    """
    found = _Closest(sketches, other)
    shared: list[tuple[Places, Places, Places, Places]] = []
    for band in range(sketches.bands):
        keys, theirs = sketches.keys(band)[wanted], other.keys(band)[among]
        kept = np.isin(theirs, keys)
        theirs, texts = theirs[kept], among[kept]
        order = np.argsort(theirs, kind="stable")
        first, end = (np.searchsorted(theirs[order], keys, side=side) for side in ("left", "right"))
        have = np.flatnonzero(first < end)
        shared.append((wanted[have], first[have], end[have], texts[order]))
    for step in range(_PARTNERS):
        for ours, first, end, texts in shared:
            have = np.flatnonzero(first + step < end)
            found.add(ours[have], texts[first[have] + step])
        if not found.settle():
            break
    one, two, _ = found.all()
    return np.stack([one, two], axis=1)


def _shared(keys: Keys, texts: Places) -> tuple[Keys, Places]:
    """The keys that more than one text has, sorted, and beside each the text."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    twin = np.zeros(len(keys) + 1, bool)
    twin[1:-1] = keys[1:] == keys[:-1]
    kept = twin[1:] | twin[:-1]
    return keys[kept], texts[order[kept]]


def _roots(later: Places, earlier: Places) -> Places:
    """For each number up to the last where it leads, going on from each to its first partner."""
    parent = np.arange(int(later.max(initial=-1)) + 1)
    np.minimum.at(parent, later, earlier)
    while not np.array_equal(further := parent[parent], parent):
        parent = further
    return parent


class _Closest:
    """Pairs of a text and another one; a text that has enough takes no more."""

    def __init__(self, one: Sketches, other: Sketches) -> None:
        self._shares, self._bands, self._threshold = one.shares, one.bands, one.threshold
        self._one, self._other = one.bytes(), other.bytes()
        self._full = np.zeros(len(self._one), bool)
        self._known = np.zeros(0, np.int64)
        self._closeness = np.zeros(0, np.int64)
        self._new: list[Places] = []

    def add(self, texts: Places, others: Places) -> None:
        """Offer pairs, each as often as there are bands that propose it."""
        open_ = ~self._full[texts]
        self._new.append((texts[open_] << 32) | others[open_])

    def settle(self) -> bool:
        """Judge what was offered since the last time; False where that was nothing."""
        # np.unique sorts as well, but first puts all into a hash table.
        new = np.sort(np.concatenate(self._new))
        new = new[np.diff(new, prepend=-1) != 0]
        self._new = []
        if len(self._known):
            at = np.minimum(np.searchsorted(self._known, new), len(self._known) - 1)
            new = new[self._known[at] != new]
        if not len(new):
            return False
        closeness = self._agreeing(new)
        new, closeness = new[closeness >= 0], closeness[closeness >= 0]
        every = np.concatenate([self._known, new])
        closeness = np.concatenate([self._closeness, closeness])
        # Of equals the nearest one, which was read last.
        order = np.lexsort((-every, -closeness, every >> 32))
        texts = every[order] >> 32
        first = np.searchsorted(texts, texts)
        order = np.sort(order[np.arange(len(order)) - first < CLOSEST])
        order = order[np.argsort(every[order])]
        self._known, self._closeness = every[order], closeness[order]
        self._full = np.bincount(self._known >> 32, minlength=len(self._full)) >= CLOSEST
        return True

    def all(self) -> tuple[Places, Places, Places]:
        """All pairs in order: the one, the other, in how many places their sketches agree."""
        return self._known >> 32, self._known & 0xFFFFFFFF, self._closeness

    def _agreeing(self, new: Places) -> Places:
        """In how many places the sketches agree; -1 where in too few of a part.

        Three standard deviations below the threshold are allowed.
        """
        made: list[Places] = []
        for start in range(0, len(new), _PAIRS):
            one, two = new[start : start + _PAIRS] >> 32, new[start : start + _PAIRS] & 0xFFFFFFFF
            agree = self._one[one] == self._other[two]
            total = np.zeros(len(agree), np.int64)
            good = np.ones(len(agree), bool)
            for columns in self._columns():
                count = len(columns)
                slack = 3 * math.sqrt(self._threshold * (1 - self._threshold) / count)
                own = agree[:, columns].sum(axis=1)
                good &= own >= (self._threshold - slack) * count
                total += own
            made.append(np.where(good, total, -1))
        return np.concatenate(made)

    def _columns(self) -> list[Places]:
        """For each part the places of its hashes."""
        width = sum(self._shares)
        first = np.cumsum(self._shares) - self._shares
        return [
            (np.arange(self._bands)[:, None] * width + np.arange(start, start + rows)).ravel()
            for start, rows in zip(first.tolist(), self._shares, strict=True)
        ]
