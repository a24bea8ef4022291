"""How alike two prompts are, and whether a list of prompts holds near duplicates.

Three Jaccard similarities are used side by side, and the highest counts: word sets, shingles of 3 words,
and shingles of 5 characters, all on lower-cased text. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

NEAR = 0.6
"""From this similarity on, two prompts count as near duplicates."""

_WORD = re.compile(r"\w+")

_CACHED = 4096

Grams = tuple[frozenset[str], frozenset[str], frozenset[str]]


@lru_cache(maxsize=_CACHED)
def grams(text: str) -> Grams:
    """The three sets compared for `text`: words, word 3-grams, character 5-grams.

    A text too short for a shingle is one shingle of its own.
    """
    words = _WORD.findall(text.lower())
    flat = " ".join(words)
    triples = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
    fives = [flat[i : i + 5] for i in range(max(1, len(flat) - 4))]
    return frozenset(words), frozenset(triples), frozenset(fives)


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """|a ∩ b| / |a ∪ b|; 0 for two empty sets."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def similarity(a: str, b: str) -> float:
    """The highest of the three similarities between two texts, from 0 to 1."""
    return max(jaccard(x, y) for x, y in zip(grams(a), grams(b), strict=True))


class Index:
    """An inverted index over texts, to find the most similar one without comparing all pairs.

    Exact for every similarity that is above 0, in all three measures.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = []
        self._sizes: list[tuple[int, int, int]] = []
        self._posts: tuple[dict[str, list[int]], ...] = (
            defaultdict(list),
            defaultdict(list),
            defaultdict(list),
        )
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add one text."""
        sets = grams(text)
        number = len(self.texts)
        self.texts.append(text)
        self._sizes.append((len(sets[0]), len(sets[1]), len(sets[2])))
        for posts, items in zip(self._posts, sets, strict=True):
            for item in items:
                posts[item].append(number)

    def nearest(self, text: str) -> tuple[float, int]:
        """(highest similarity, number of that text); (0.0, -1) where nothing is shared."""
        best, where = 0.0, -1
        for kind, items in enumerate(grams(text)):
            shared: Counter[int] = Counter()
            posts = self._posts[kind]
            for item in items:
                if item in posts:
                    shared.update(posts[item])
            for number, common in shared.items():
                value = common / (len(items) + self._sizes[number][kind] - common)
                if value > best:
                    best, where = value, number
        return best, where

    def holds_near(self, text: str, limit: float = NEAR) -> bool:
        """Whether some text here is at or above `limit`: as `nearest`, but quicker.

        Two sets of similarity s share at least s of either's items, so one of the rarest n - ceil(s n) + 1
        items must be shared: only texts that hold one of those are compared (prefix filtering).
        """
        for kind, items in enumerate(grams(text)):
            posts = self._posts[kind]
            rare = sorted((len(posts[item]) if item in posts else 0, item) for item in items)
            kept = rare[: len(rare) - math.ceil(limit * len(rare)) + 1]
            near = {number for count, item in kept if count for number in posts[item]}
            for number in near:
                size = self._sizes[number][kind]
                if min(size, len(items)) >= limit * max(size, len(items)):
                    value = jaccard(items, grams(self.texts[number])[kind])
                    if value >= limit:
                        return True
        return False


def near_pairs(texts: Sequence[str], limit: float = NEAR) -> list[tuple[float, str, str]]:
    """All texts whose nearest earlier text is at or above `limit`: (similarity, earlier, later)."""
    index = Index()
    found: list[tuple[float, str, str]] = []
    for text in texts:
        value, number = index.nearest(text)
        if value >= limit:
            found.append((value, index.texts[number], text))
        index.add(text)
    return found
