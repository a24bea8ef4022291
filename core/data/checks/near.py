"""Rows that are nearly the same as an earlier one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from core.data.checks.repeats import Ids, Repeated
from core.data.dataset import Dataset, Row
from core.data.example import Example
from core.data.near.copies import Texts, clusters
from core.data.near.sample import frames_of
from core.data.near.shingles import main_parts, row_parts
from core.data.near.sketches import Sketches


class NearRows:
    """Takes examples one by one, then tells which are near copies of an earlier one."""

    def __init__(self, dataset: Dataset, sample: Iterable[Row], threshold: float) -> None:
        self._dataset = dataset
        self._threshold = threshold
        self._frames = frames_of([sample], row_parts)
        self._sketches = Sketches(threshold, self._frames, 1 if dataset.format in ("text", "classification") else 2)
        self._rows: array[int] = array("q")

    def add(self, example: Example) -> None:
        """Remember an example by a sketch of what is trained on."""
        self._rows.append(example.row)
        self._sketches.add(main_parts(example))

    def found(self, heads: Ids, stop: Callable[[], None]) -> Repeated:
        """The near copies of an earlier row; `heads` has the place of the first row of the same words for each."""
        among = np.unique(heads)
        texts = Texts(self._parts, self._frames)
        first = clusters(self._sketches.pairs(among), len(heads), texts, self._threshold, stop)
        places = among[first[among] != among]
        rows = np.frombuffer(self._rows, np.int64) if self._rows else np.zeros(0, np.int64)
        firsts = first[places]
        return Repeated(_array(rows[places]), _array(rows[firsts]), len(np.unique(firsts)))

    def _parts(self, place: int) -> Sequence[str]:
        example = self._dataset.row(self._rows[place]).example
        # A file that changes meanwhile has no near copies there.
        return (str(place),) if example is None else row_parts(example)


def _array(numbers: Ids) -> array[int]:
    return array("q", np.ascontiguousarray(numbers, np.int64).tobytes())
