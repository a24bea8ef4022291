"""Rows spread over a file, looked at before it is read through: what its frame is, whether it names its splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.data.columns import PART_FIELDS
from core.data.near.frames import Frames

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from core.data.example import Example

SAMPLE = 1024
_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
_SIDES = {name: side for side, names in _NAMES.items() for name in names}
Parts = Callable[["Example"], Sequence[str]]


def spread(dataset: Dataset) -> list[Row]:
    """At most `SAMPLE` rows, at even distances; nobody has looked for what is odd about their text."""
    count = len(dataset)
    step = max(1.0, count / SAMPLE)
    return [dataset.row(int(number * step), look=False) for number in range(min(count, SAMPLE))]


def frames_of(samples: Iterable[Iterable[Row]], parts: Parts) -> Frames:
    """The frames of the texts that `parts` takes from the usable rows of the samples."""
    return Frames(_texts(samples, parts))


def _texts(samples: Iterable[Iterable[Row]], parts: Parts) -> Iterator[str]:
    for sample in samples:
        for row in sample:
            if row.example is not None:
                yield from parts(row.example)


def side_of(value: Any) -> str | None:
    """The part of the data that a row says it belongs to: train, validation or test; None where it says nothing."""
    if isinstance(value, dict):
        for field in PART_FIELDS:
            name = value.get(field)
            if isinstance(name, str) and (side := _SIDES.get(name.strip().casefold())):
                return side
    return None
