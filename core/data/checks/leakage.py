"""Held-out rows that ask what a training row asks: inside a file that names its splits, or against another file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.data.dataset import Dataset, Row, open_dataset
from core.data.leaks import FileLeak, Sides, described, read_prompts
from core.data.near.sample import side_of
from core.data.prompts import Leak


class Leakage:
    """Takes the rows of a file one by one, then tells which ask what the other side asks."""

    def __init__(
        self,
        dataset: Dataset,
        sample: Sequence[Row],
        threshold: float | None,
        against: Path | str | None,
        stop: Callable[[], None],
    ) -> None:
        """Read the file `against`, where one is given; `stop` is called now and then and may raise to end it."""
        self._dataset = self._known = dataset
        self._where = ""
        self._sides: Sides | None = None
        self._asked = self._theirs = None
        if against is not None:
            self._known = open_dataset(against)
            if self._known.format is None and dataset.mapping:
                self._known = open_dataset(against, map=str(dataset.mapping))
            self._where = Path(against).name
            self._asked, self._theirs = read_prompts(dataset, self._known, threshold, stop)
        elif len({side_of(row.value) for row in sample} - {None}) > 1:
            self._sides = Sides(dataset, sample, threshold)

    def add(self, row: Row) -> None:
        """Remember a usable row."""
        if row.example is None:
            return
        if self._asked is not None:
            self._asked.add(row.example)
        elif self._sides is not None:
            self._sides.add(row.example, row.value)

    def found(self, threshold: float | None, stop: Callable[[], None]) -> list[tuple[Leak, FileLeak]]:
        """The rows found on the other side, by kind, and what to say of them."""
        leaks: list[Leak] = []
        if self._asked is not None and self._theirs is not None:
            leaks = self._asked.leaks(self._theirs, stop)
        elif self._sides is not None:
            leaks = self._sides.leaks(stop)
        return [(leak, described(leak, self._dataset, self._known, self._where, threshold)) for leak in leaks]
