"""Held-out rows that ask what a training row asks: inside a file that names its splits, or against another file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.data.dataset import Dataset, Row, open_dataset
from core.data.findings import grouped
from core.data.leaks import Kind, Leak, Sides, read_prompts
from core.data.near.sample import side_of

_NAMED = 5


class Leakage:
    """Takes the rows of a file one by one, then tells which ask what the other side asks."""

    def __init__(
        self,
        dataset: Dataset,
        sample: Sequence[Row],
        threshold: float | None,
        against: Path | str | None,
        tell: Callable[[int], None],
    ) -> None:
        """Read the file `against`, where one is given, telling `tell` the rows now and then."""
        self._known = dataset
        self.where = ""
        self._sides: Sides | None = None
        self._asked = self._theirs = None
        if against is not None:
            self._known = open_dataset(against)
            self.where = Path(against).name
            self._asked, self._theirs = read_prompts(dataset, self._known, threshold, lambda rows: tell(0))
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

    def found(self, stop: Callable[[], None]) -> list[Leak]:
        """The rows found on the other side, by kind."""
        if self._asked is not None and self._theirs is not None:
            return self._asked.leaks(self._theirs, stop)
        return [] if self._sides is None else self._sides.leaks(stop)

    def line(self, row: int) -> int:
        """The line on which a row of the other side starts, from 1."""
        return self._known.line(row)


def told(kind: Kind, count: int, matches: Sequence[tuple[int, int]], where: str, threshold: float | None) -> str:
    """One sentence: how many prompts are found again, and where the first ones are."""
    what = {
        "exact": "a prompt",
        "folded": "a prompt, but for case, spaces and punctuation,",
        "near": f"nearly ({threshold or 1:.0%} or more) a prompt",
    }[kind]
    rows = "1 row has" if count == 1 else f"{grouped(count)} rows have"
    other = f"of {where}" if where else "of a training row"
    there = "its line" if where else "line"
    listed = [f"line {line} is {there} {known}" for line, known in matches[:_NAMED]]
    more = f" and {grouped(count - len(listed))} more" if count > len(listed) else ""
    return f"{rows} {what} {other}: {', '.join(listed)}{more}"
