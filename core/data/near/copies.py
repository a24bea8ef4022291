"""Which texts are near copies: candidate pairs compared exactly, and put together into clusters."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from core.data.near.frames import Frames
from core.data.near.shingles import (
    SHINGLE,
    Hashes,
    Places,
    as_text,
    codes,
    jaccard,
    number_jaccard,
    numbers,
    shingle_hashes,
)

USUAL = 0.85
"""The threshold unless one is given."""
_KEPT_SHINGLES = 2_000_000
_BATCH = 1 << 17
_BLOCK = 2048
# Most texts of a large group would have their closest ones far back in the file, each a read of its own.
_FETCHED = 2
Fetch = Callable[[int], Sequence[str]]
"""The parts of the text with a number, folded."""
Part = tuple[Hashes, Counter[str]]
_NO_NUMBERS: Counter[str] = Counter()
_NOTHING: Part = (np.zeros(1, np.uint64), _NO_NUMBERS)


class Texts:
    """The texts by number as sets of shingles, the last used ones kept (16 MB of them)."""

    def __init__(self, fetch: Fetch, frames: Frames) -> None:
        self._fetch = fetch
        self._frames = frames
        self._kept: OrderedDict[int, list[Part]] = OrderedDict()
        self._held = 0

    def parts(self, number: int) -> list[Part]:
        """The shingles and the numbers of each part."""
        if number not in self._kept:
            self.load([number])
        self._kept.move_to_end(number)
        return self._kept[number]

    def __contains__(self, number: int) -> bool:
        """Whether a text is at hand without being read."""
        return number in self._kept

    def load(self, numbers: Iterable[int]) -> None:
        """Make several texts at once what `parts` gives, as many as can be kept; much quicker than one by one."""
        waiting: dict[int, Sequence[str]] = {}
        size = total = 0
        for number in numbers:
            if total >= _KEPT_SHINGLES // 2:
                break
            if number not in self._kept and number not in waiting:
                waiting[number] = self._fetch(number)
                length = sum(len(text) for text in waiting[number])
                size += length
                total += length
                if size >= _BATCH:
                    self._make(waiting)
                    waiting, size = {}, 0
        self._make(waiting)

    def _make(self, waiting: dict[int, Sequence[str]]) -> None:
        texts = [text for parts in waiting.values() for text in parts if text]
        made = iter(self._sets(texts) if texts else ())
        for number, parts in waiting.items():
            kept = self._kept[number] = [next(made) if text else _NOTHING for text in parts]
            self._held += sum(len(hashes) for hashes, _ in kept)
        while self._held > _KEPT_SHINGLES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._held -= sum(len(hashes) for hashes, _ in old)

    def _sets(self, texts: list[str]) -> Iterator[Part]:
        characters, starts, ends = self._frames.strip(*codes(texts))
        hashes = shingle_hashes(characters)
        digits = np.concatenate([np.zeros(1, np.int64), np.cumsum((characters >= 48) & (characters <= 57))])
        wide = characters.dtype != np.uint8
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            own = hashes[start : max(start + 1, end - SHINGLE + 1)].copy()
            own.sort()
            new = np.empty(len(own), bool)
            new[0] = True
            np.not_equal(own[1:], own[:-1], out=new[1:])
            counted = wide or digits[end] > digits[start]
            yield own[new], numbers(as_text(characters[start:end])) if counted else _NO_NUMBERS


def alike(one: Sequence[Part], other: Sequence[Part], threshold: float) -> bool:
    """Whether each part of one text shares at least `threshold` of its shingles and numbers with the other's."""
    if len(one) != len(other):
        return False
    for (ours, our_numbers), (theirs, their_numbers) in zip(one, other, strict=True):
        if min(len(ours), len(theirs)) < threshold * max(len(ours), len(theirs)):
            return False
        if number_jaccard(our_numbers, their_numbers) < threshold:
            return False
    return all(
        ours is theirs or jaccard(ours, theirs) >= threshold
        for (ours, _), (theirs, _) in zip(one, other, strict=True)
    )


def clusters(
    pairs: Places, count: int, texts: Texts, threshold: float, stop: Callable[[], None] = lambda: None
) -> Places:
    """The lowest number of the cluster of each of `count` texts, by union-find over the pairs that are alike.

    A text is held against those others first that are at hand, in the order of the pairs, and then against the first
    `_FETCHED` of a block that have to be read again; never against one that it is in a cluster with already.
    `stop` is called for each pair compared and may raise to end the search.
    """
    parent = list(range(count))

    def compare(one: int, other: int) -> None:
        low, high = sorted((find(parent, one), find(parent, other)))
        if low != high:
            stop()
            if alike(texts.parts(one), texts.parts(other), threshold):
                parent[high] = low

    for block in blocks(pairs):
        apart = [pair for pair in block if find(parent, pair[0]) != find(parent, pair[1])]
        texts.load(one for one, _ in apart)
        away: list[list[int]] = []
        for one, other in apart:
            if other in texts:
                compare(one, other)
            else:
                away.append([one, other])
        away = _fetched(pair for pair in away if find(parent, pair[0]) != find(parent, pair[1]))
        texts.load(other for _, other in away)
        for one, other in away:
            compare(one, other)
    return np.asarray([find(parent, number) for number in range(count)], np.int64)


def _fetched(pairs: Iterable[list[int]]) -> list[list[int]]:
    """Of each text's pairs the first few."""
    seen: Counter[int] = Counter()
    kept: list[list[int]] = []
    for pair in pairs:
        seen[pair[0]] += 1
        if seen[pair[0]] <= _FETCHED:
            kept.append(pair)
    return kept


def blocks(pairs: Places) -> Iterator[list[list[int]]]:
    """The pairs, so many at a time as are loaded at once."""
    for start in range(0, len(pairs), _BLOCK):
        yield pairs[start : start + _BLOCK].tolist()


def find(parent: list[int], number: int) -> int:
    """The root of a number, with the way to it halved."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number
