"""Which texts are near copies: candidate pairs compared exactly, and put together into clusters."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from core.data.near.frames import Frames
from core.data.near.shingles import Hashes, Places, as_text, jaccard, number_jaccard, numbers, shingle_hashes

USUAL = 0.85
"""The threshold unless one is given."""
_KEPT_SHINGLES = 2_000_000
Fetch = Callable[[int], Sequence[str]]
"""The parts of the text with a number, folded."""
Part = tuple[Hashes, Counter[str]]
_NOTHING: Part = (np.zeros(1, np.uint64), Counter())


class Texts:
    """The texts by number as sets of shingles, the last used ones kept (16 MB of them)."""

    def __init__(self, fetch: Fetch, frames: Frames) -> None:
        self._fetch = fetch
        self._frames = frames
        self._kept: OrderedDict[int, list[Part]] = OrderedDict()
        self._held = 0

    def parts(self, number: int) -> list[Part]:
        """The shingles and the numbers of each part."""
        kept = self._kept.get(number)
        if kept is None:
            kept = self._kept[number] = [self._part(text) for text in self._fetch(number)]
            self._held += sum(len(hashes) for hashes, _ in kept)
            while self._held > _KEPT_SHINGLES and len(self._kept) > 2:
                _, old = self._kept.popitem(last=False)
                self._held -= sum(len(hashes) for hashes, _ in old)
        else:
            self._kept.move_to_end(number)
        return kept

    def _part(self, text: str) -> Part:
        if not text:
            return _NOTHING
        own = self._frames.own(text)
        return np.unique(shingle_hashes(own)), numbers(as_text(own) if self._frames else text)


def alike(one: Sequence[Part], other: Sequence[Part], threshold: float) -> bool:
    """Whether each part of one text shares at least `threshold` of its shingles and numbers with the other's."""
    if len(one) != len(other):
        return False
    for (ours, our_numbers), (theirs, their_numbers) in zip(one, other, strict=True):
        if min(len(ours), len(theirs)) < threshold * max(len(ours), len(theirs)):
            return False
        if number_jaccard(our_numbers, their_numbers) < threshold or jaccard(ours, theirs) < threshold:
            return False
    return True


def clusters(
    pairs: Places, count: int, texts: Texts, threshold: float, stop: Callable[[], None] = lambda: None
) -> Places:
    """The lowest number of the cluster of each of `count` texts, by union-find over the pairs that are alike.

    `stop` is called for each pair compared and may raise to end the search.
    """
    parent = list(range(count))
    for one, other in pairs.tolist():
        low, high = sorted((find(parent, one), find(parent, other)))
        if low != high:
            stop()
            if alike(texts.parts(one), texts.parts(other), threshold):
                parent[high] = low
    return np.asarray([find(parent, number) for number in range(count)], np.int64)


def find(parent: list[int], number: int) -> int:
    """The root of a number, with the way to it halved."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number
