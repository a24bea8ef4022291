"""Held-out rows that ask what a training row asks: inside a file that names its splits, or against another file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.data.dataset import Dataset, Row, open_dataset
from core.data.leaks import FileLeak, Sides, described, read_prompts
from core.data.near.sample import side_of
from core.data.prompts import Leak

_EVERY = 500


def find_leaks(
    dataset: Dataset,
    sample: Sequence[Row],
    threshold: float | None,
    against: Path | str | None,
    stop: Callable[[], None],
) -> list[tuple[Leak, FileLeak]]:
    """The rows found on the other side, by kind, and what to say of them; a pass of its own, where one is needed.

    Args:
        sample: some rows of the file, which tell whether its rows name their splits.
        against: the file whose prompts must not be in this one.
        stop: called now and then; may raise to end the search.
    """
    if against is None:
        if len({side_of(row.value) for row in sample} - {None}) < 2:
            return []
        sides = Sides(dataset, sample, threshold)
        for row in dataset:
            if row.example is not None:
                sides.add(row.example, row.value)
            if row.index % _EVERY == 0:
                stop()
        return [(leak, described(leak, dataset, dataset, "", threshold)) for leak in sides.leaks(stop)]
    known = open_dataset(against)
    if known.format is None and dataset.mapping:
        known = open_dataset(against, map=str(dataset.mapping))
    asked, theirs = read_prompts(dataset, known, threshold, stop)
    for row in dataset:
        if row.example is not None:
            asked.add(row.example)
        if row.index % _EVERY == 0:
            stop()
    name = Path(against).name
    return [(leak, described(leak, dataset, known, name, threshold)) for leak in asked.leaks(theirs, stop)]
