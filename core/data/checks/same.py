"""Copies and contradictions among the rows of a file, found by looking again at those that may be some."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from core.data.checks.repeats import Ids, Repeats
from core.data.example import Example

Again = Callable[[int], Example]
"""The example of a row."""
_EVERY = 500


def find_same(
    rows: array[int], prompts: array[int], again: Again, stop: Callable[[], None]
) -> tuple[Repeats, Callable[[], Ids]]:
    """The copies among usable `rows`, of which those are read again that share their prompt's hash.

    Args:
        prompts: a hash of each row's prompt, the same for prompts that fold to the same.
        stop: called now and then; may raise to end the search.

    Returns:
        The repeats, and a function that gives for each of `rows` the place of the first one with the same words.
    """
    hashes = np.frombuffer(prompts, np.uint64) if prompts else np.zeros(0, np.uint64)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    shared = np.zeros(len(hashes), bool)
    shared[order[1:][same]] = shared[order[:-1][same]] = True
    places = np.flatnonzero(shared)
    repeats = Repeats()
    for number, place in enumerate(places.tolist()):
        example = again(rows[place])
        repeats.add(example, example.verdict)
        if number % _EVERY == 0:
            stop()

    def heads() -> Ids:
        first = np.arange(len(hashes), dtype=np.int64)
        first[places] = places[repeats.heads()]
        return first

    return repeats, heads
