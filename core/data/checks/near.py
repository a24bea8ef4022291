"""Rows that are nearly the same as an earlier one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import numpy as np

from core.data.checks.repeats import Ids, Repeated
from core.data.dataset import Dataset, Row
from core.data.near.candidates import pairs
from core.data.near.copies import Texts, clusters
from core.data.near.frames import Frames
from core.data.near.shingles import main_parts, row_parts
from core.data.near.sketches import Sketches


class NearRows:
    """A tally that keeps a sketch of each usable row, then tells which are near copies of an earlier one.

    Args:
        parts: in how many parts a row is sketched (`sketched_parts`).
    """

    def __init__(self, threshold: float, frames: Frames, parts: int) -> None:
        self._threshold = threshold
        self._frames = frames
        self._sketches = Sketches(threshold, frames, parts)
        self._rows: array[int] = array("q")

    def add(self, row: Row) -> None:
        """Remember what is trained on."""
        if row.example is not None:
            self._rows.append(row.index)
            self._sketches.add(main_parts(row.example))

    def merge(self, later: NearRows) -> None:
        """Take the sketches of the rows that follow."""
        self._rows.extend(later._rows)
        self._sketches.merge(later._sketches)

    def found(self, dataset: Dataset, heads: Ids, stop: Callable[[], None]) -> Repeated:
        """The near copies of an earlier row; `heads` has the place of the first row of the same words for each."""

        def parts(place: int) -> Sequence[str]:
            example = dataset.row(self._rows[place], look=False).example
            # A file that changes meanwhile has no near copies there.
            return (str(place),) if example is None else row_parts(example)

        among = np.unique(heads)
        texts = Texts(parts, self._frames)
        first = clusters(pairs(self._sketches, among), len(heads), texts, self._threshold, stop)
        places = among[first[among] != among]
        rows = np.frombuffer(self._rows, np.int64) if self._rows else np.zeros(0, np.int64)
        firsts = first[places]
        return Repeated(_array(rows[places]), _array(rows[firsts]), len(np.unique(firsts)))


def sketched_parts(format: str | None) -> int:
    """In how many parts a row of `format` is sketched: what is asked, and the answer where it is compared too."""
    return 1 if format in ("text", "classification") else 2


def _array(numbers: Ids) -> array[int]:
    return array("q", np.ascontiguousarray(numbers, np.int64).tobytes())
