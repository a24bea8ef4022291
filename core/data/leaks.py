"""Prompts that are in two sets of rows: what is tested or chosen by must not have been trained on."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.data.checks.repeats import fold, group_ids
from core.data.near.copies import USUAL, Texts, alike
from core.data.near.frames import Frames
from core.data.near.sample import frames_of, side_of, spread
from core.data.near.shingles import Places, prompt_parts
from core.data.near.sketches import Sketches

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
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


class Prompts:
    """The prompts of some rows of a file: two hashes and, with a threshold, a sketch of each."""

    def __init__(self, dataset: Dataset, frames: Frames, threshold: float | None) -> None:
        self.dataset = dataset
        self.threshold = threshold
        self.frames = frames
        self.rows: array[int] = array("q")
        self._exact, self._folded = bytearray(), bytearray()
        self._sketches = Sketches(threshold, frames) if threshold else None

    def add(self, example: Example) -> None:
        """Remember the prompt of an example; one that asks nothing is no prompt."""
        prompt = example.prompt_text
        same = fold(prompt)
        if not same:
            return
        self.rows.append(example.row)
        self._exact += _hash(prompt.encode("utf-8", "surrogatepass"))
        self._folded += _hash(same)
        if self._sketches is not None:
            self._sketches.add(prompt_parts(example)[:1])

    def leaks(self, known: Prompts, stop: Callable[[], None] = lambda: None) -> list[Leak]:
        """What of these prompts is among the `known` ones; each row counts once, as the closest kind.

        `stop` is called for each pair compared and may raise to end the search.
        """
        found: list[Leak] = []
        left = np.arange(len(self.rows), dtype=np.int64)
        pairs: tuple[tuple[Kind, bytearray, bytearray], ...] = (
            ("exact", self._exact, known._exact),
            ("folded", self._folded, known._folded),
        )
        for kind, ours, theirs in pairs:
            where = _lookup(ours, theirs)[left]
            here = where >= 0
            if here.any():
                found.append(self._leak(kind, left[here], where[here], known))
            left = left[~here]
        if self._sketches is not None and known._sketches is not None:
            places, where = self._near(left, known, stop)
            if len(places):
                found.append(self._leak("near", places, where, known))
        return found

    def _near(self, left: Places, known: Prompts, stop: Callable[[], None]) -> tuple[Places, Places]:
        assert self._sketches is not None and known._sketches is not None and self.threshold is not None
        _, first = np.unique(group_ids(known._folded), return_index=True)
        ours, theirs = Texts(self._parts, self.frames), Texts(known._parts, known.frames)
        match: dict[int, int] = {}
        for one, other in self._sketches.matches(left, known._sketches, np.sort(first)).tolist():
            if one not in match:
                stop()
                if alike(ours.parts(one), theirs.parts(other), self.threshold):
                    match[one] = other
        return np.asarray(list(match), np.int64), np.asarray(list(match.values()), np.int64)

    def _parts(self, place: int) -> Sequence[str]:
        example = self.dataset.row(self.rows[place]).example
        return () if example is None else prompt_parts(example)

    def _leak(self, kind: Kind, places: Places, where: Places, known: Prompts) -> Leak:
        return Leak(kind, array("q", (self.rows[place] for place in places.tolist())),
                    array("q", (known.rows[place] for place in where.tolist())))  # fmt: skip


class Sides:
    """The leaks inside a file whose rows name the part that they belong to (`split: test`)."""

    def __init__(self, dataset: Dataset, sample: Iterable[Row], threshold: float | None) -> None:
        frames = frames_of([sample], prompt_parts) if threshold else Frames()
        self._train, self._held = Prompts(dataset, frames, threshold), Prompts(dataset, frames, threshold)

    def add(self, example: Example, value: Any) -> None:
        """Remember an example on the side that its row names."""
        side = side_of(value)
        if side is not None:
            (self._train if side == "train" else self._held).add(example)

    def leaks(self, stop: Callable[[], None] = lambda: None) -> list[Leak]:
        """The validation and test rows whose prompt is a training row's."""
        return self._held.leaks(self._train, stop)


def read_prompts(
    asked: Dataset, known: Dataset, threshold: float | None, tell: Callable[[int], None] = lambda rows: None
) -> tuple[Prompts, Prompts]:
    """The prompts of two files, ready to be held against each other: those of `asked` still to be added.

    `tell` is called with the rows read of `known`, every 500, and may raise to end the reading.
    """
    frames = frames_of([spread(asked), spread(known)], prompt_parts) if threshold else Frames()
    theirs = Prompts(known, frames, threshold)
    for row in known:
        if row.example is not None:
            theirs.add(row.example)
        if row.index % 500 == 0:
            tell(row.index)
    return Prompts(asked, frames, threshold), theirs


def leaks(
    asked: Path | str,
    known: Path | str,
    *,
    asked_format: str | None = None,
    known_format: str | None = None,
    threshold: float | None = USUAL,
) -> tuple[list[Leak], Dataset, Dataset]:
    """The rows of `asked` whose prompt is in `known`, with both data sets opened.

    Raises:
        DiapasonError: where a file cannot be read.
    """
    from core.data.dataset import open_dataset

    one, other = open_dataset(asked, asked_format), open_dataset(known, known_format)
    ours, theirs = read_prompts(one, other, threshold)
    for row in one:
        if row.example is not None:
            ours.add(row.example)
    return ours.leaks(theirs), one, other


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_SIZE).digest()


def _lookup(wanted: bytearray, known: bytearray) -> Places:
    """The first place of each wanted hash among the known ones, -1 where it is not there."""
    ids = group_ids(known + wanted)
    count = len(known) // _SIZE
    first = np.full(len(ids), -1, np.int64)
    # Of what is written to one place several times the last stays, here the first row.
    first[ids[:count][::-1]] = np.arange(count)[::-1]
    return first[ids[count:]]
