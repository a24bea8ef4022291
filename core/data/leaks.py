"""Leakage between two files, or between the parts that a file names: held-out prompts that are trained on too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.findings import grouped
from core.data.near.copies import USUAL
from core.data.near.frames import Frames
from core.data.near.sample import frames_of, side_of, spread
from core.data.near.shingles import prompt_parts
from core.data.prompts import Kind, Leak, Prompts

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from core.data.example import Example

LISTED = 100
"""So many lines are given for each kind."""
_NAMED = 5
_EVERY = 500


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

    def leaks(self, stop: Callable[[], None]) -> list[Leak]:
        """The validation and test rows whose prompt is a training row's."""
        return self._held.leaks(self._train, stop)


def read_prompts(
    asked: Dataset, known: Dataset, threshold: float | None, stop: Callable[[], None] = lambda: None
) -> tuple[Prompts, Prompts]:
    """The prompts of two files, ready to be held against each other: those of `asked` still to be added.

    `stop` is called now and then and may raise to end the reading.
    """
    frames = frames_of([spread(asked), spread(known)], prompt_parts) if threshold else Frames()
    theirs = Prompts(known, frames, threshold)
    for row in known:
        if row.example is not None:
            theirs.add(row.example)
        if row.index % _EVERY == 0:
            stop()
    return Prompts(asked, frames, threshold), theirs


@dataclass(frozen=True, slots=True)
class FileLeak:
    """Rows of one file whose prompts another file has; `matches`: the first 100 lines, each beside the other's."""

    kind: Kind
    count: int
    matches: list[tuple[int, int]]
    message: str

    def to_json(self) -> dict[str, Any]:
        """As a run's spec keeps it."""
        return {"kind": self.kind, "count": self.count, "matches": [list(pair) for pair in self.matches]}


def leaks_between(
    asked: Path,
    known: Path,
    asked_format: str | None = None,
    known_format: str | None = None,
    asked_map: str | None = None,
    known_map: str | None = None,
    threshold: float | None = USUAL,
) -> list[FileLeak]:
    """The rows of `asked` whose prompt is in `known`, by kind. Raises DiapasonError where a file cannot be read."""
    from core.data.dataset import open_dataset

    one, other = open_dataset(asked, asked_format, asked_map), open_dataset(known, known_format, known_map)
    ours, theirs = read_prompts(one, other, threshold)
    for row in one:
        if row.example is not None:
            ours.add(row.example)
    return [described(leak, one, other, known.name, threshold) for leak in ours.leaks(theirs)]


def described(leak: Leak, asked: Dataset, known: Dataset, where: str, threshold: float | None) -> FileLeak:
    """A leak with its lines and one sentence on them; `where` is the other file's name, empty for the same file."""
    pairs = zip(leak.rows[:LISTED], leak.known[:LISTED], strict=True)
    matches = [(asked.line(row), known.line(other)) for row, other in pairs]
    return FileLeak(leak.kind, len(leak.rows), matches, _told(leak.kind, len(leak.rows), matches, where, threshold))


def _told(kind: Kind, count: int, matches: Sequence[tuple[int, int]], where: str, threshold: float | None) -> str:
    what = {
        "exact": "",
        "folded": ", but for case, spaces and punctuation",
        "near": f", {round(100 * (threshold or 1))} % or more of it",
    }[kind]
    rows = "1 row asks" if count == 1 else f"{grouped(count)} rows ask"
    row = f"a row of {where}" if where else "a training row"
    there = "its line" if where else "line"
    listed = ", ".join(f"line {line} = {there} {known}" for line, known in matches[:_NAMED])
    more = f" and {grouped(count - _NAMED)} more" if count > _NAMED else ""
    return f"{rows} what {row} asks{what}: {listed}{more}"
