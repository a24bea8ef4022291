"""The prompts of a set of rows: which are the same, which are near copies, and which another set has too."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.data.checks.repeats import fold, group_ids
from core.data.near.candidates import matches, pairs
from core.data.near.copies import Texts, alike, blocks, clusters
from core.data.near.frames import Frames
from core.data.near.shingles import Places, dialogue, prompt_parts
from core.data.near.sketches import Sketches

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.example import Example

Kind = Literal["exact", "folded", "near"]
KINDS: tuple[Kind, ...] = ("exact", "folded", "near")
_SIZE = 16


@dataclass(frozen=True, slots=True)
class Leak:
    """Rows whose prompt is one of the known rows': in order, each beside the first known row that has it."""

    kind: Kind
    rows: array[int]
    known: array[int]


def _go_on() -> None:
    pass


class Prompts:
    """The prompts of some rows of a file: two hashes and, with a threshold, a sketch of each."""

    def __init__(self, dataset: Dataset, frames: Frames, threshold: float | None) -> None:
        self._dataset = dataset
        self._threshold = threshold
        self._frames = frames
        self._rows: array[int] = array("q")
        self._exact, self._folded = bytearray(), bytearray()
        self._sketches = Sketches(threshold, frames) if threshold else None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, example: Example, blank: bool = False) -> None:
        """Remember the prompt of an example; one that asks nothing only where `blank` says so."""
        prompt = example.prompt_text
        same = fold(prompt)
        if not same and not blank:
            return
        whole = prompt.encode("utf-8", "surrogatepass")
        self._rows.append(example.row)
        self._exact += _hash(whole)
        self._folded += _hash(same or whole)
        if self._sketches is not None:
            self._sketches.add((dialogue(example),))

    def same(self) -> Places:
        """A number from 0 for each prompt, the same for those that are equal but for case, spacing and marks."""
        return group_ids(self._folded)

    def groups(self) -> Places:
        """A number from 0 for each prompt, the same for those that are equal, folded, or near copies in a chain."""
        ids = group_ids(self._folded)
        if self._sketches is not None and self._threshold is not None and len(ids):
            first = np.unique(ids, return_index=True)[1].astype(np.int64)
            near = pairs(self._sketches, np.sort(first))
            ids = clusters(near, len(ids), self._texts(), self._threshold)[first[ids]]
        return np.unique(ids, return_inverse=True)[1].astype(np.int64)

    def leaks(
        self,
        known: Prompts,
        stop: Callable[[], None] = _go_on,
        *,
        ours: Places | None = None,
        theirs: Places | None = None,
    ) -> list[Leak]:
        """What of these prompts is among the `known` ones; each row counts once, as the closest kind.

        Args:
            stop: is called for each pair compared and may raise to end the search.
            ours, theirs: only the prompts with these places among all that were added, in order.
        """
        left = np.arange(len(self), dtype=np.int64) if ours is None else ours
        among = np.arange(len(known), dtype=np.int64) if theirs is None else theirs
        found: list[Leak] = []
        hashes: tuple[tuple[Kind, bytearray, bytearray], ...] = (
            ("exact", self._exact, known._exact),
            ("folded", self._folded, known._folded),
        )
        for kind, wanted, there in hashes:
            where = _lookup(wanted, left, there, among)
            found.append(self._leak(kind, left[where >= 0], where[where >= 0], known))
            left = left[where < 0]
        found.append(self._near(left, known, among, stop))
        return [leak for leak in found if leak.rows]

    def _near(self, left: Places, known: Prompts, among: Places, stop: Callable[[], None]) -> Leak:
        match: dict[int, int] = {}
        if self._sketches is not None and known._sketches is not None and self._threshold is not None:
            first = np.unique(group_ids(known._folded)[among], return_index=True)[1]
            ours, theirs = self._texts(), known._texts()
            for block in blocks(matches(self._sketches, left, known._sketches, np.sort(among[first]))):
                open_pairs = [pair for pair in block if pair[0] not in match]
                ours.load(one for one, _ in open_pairs)
                theirs.load(other for _, other in open_pairs)
                for one, other in open_pairs:
                    if one not in match:
                        stop()
                        if alike(ours.parts(one), theirs.parts(other), self._threshold):
                            match[one] = other
        return self._leak(
            "near", np.asarray(list(match), np.int64), np.asarray(list(match.values()), np.int64), known
        )

    def _texts(self) -> Texts:
        return Texts(self._parts, self._frames)

    def _parts(self, place: int) -> Sequence[str]:
        example = self._dataset.row(self._rows[place], look=False).example
        # A file that changes meanwhile: nothing is like nothing.
        return () if example is None else prompt_parts(example)

    def _leak(self, kind: Kind, places: Places, where: Places, known: Prompts) -> Leak:
        rows = array("q", (self._rows[place] for place in places.tolist()))
        return Leak(kind, rows, array("q", (known._rows[place] for place in where.tolist())))


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SIZE).digest()


def _lookup(wanted: bytearray, left: Places, known: bytearray, among: Places) -> Places:
    """For each hash at the places `left` the first of the places `among` with the same; -1 where there is none."""
    ids = group_ids(known + wanted)
    first = np.full(len(ids), -1, np.int64)
    # Of what is written to one place several times the last stays, here the first row.
    first[ids[among[::-1]]] = among[::-1]
    return first[ids[len(known) // _SIZE + left]]
