"""The measured courses of a run as the charts of the monitor take them: fixed values, made in the reading thread."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from core.runs.course import Course
from core.runs.decimate import Bucket, Decimated, merge, smooth, span
from core.runs.machine import MachineCourse

SHOWN = ("loss", "grad_norm", "learning_rate", "tokens_per_second", "seconds")


# What a wide chart has dots for; a longer line is kept in rough too, so that to draw all of it is quick.
_ROUGH = 320


@dataclass(frozen=True)
class Line:
    """One quantity: its buckets and, beside each, its smooth value. Two are the same where as much was `taken`.

    `rough`: the whole line in fewer buckets, as a line of its own; None where it is short.
    """

    taken: int = 0
    buckets: Sequence[Bucket] = field(default=(), compare=False)
    smooth: Sequence[float] = field(default=(), compare=False)
    rough: Line | None = field(default=None, compare=False)

    def part(self, low: float, high: float, most: int) -> tuple[list[Bucket], list[float]]:
        """The buckets from `low` to `high` and their smooth values, merged to fewer than twice `most`."""
        first, last = span(self.buckets, low, high)
        if self.rough is not None and last - first == len(self.buckets):
            return self.rough.part(low, high, most)
        size = max(1, (last - first) // max(1, most))
        buckets = merge(self.buckets[first:last], size)
        ends = (min(last, first + (place + 1) * size) - 1 for place in range(len(buckets)))
        return buckets, [self.smooth[end] for end in ends]


class Lines:
    """Makes lines of what was measured: of the quantities that are wanted, again only where there is more."""

    def __init__(self) -> None:
        self._steps: dict[str, Line] = {}
        self._machine: dict[str, tuple[Line, ...]] = {}

    def of_steps(self, course: Course, wanted: Collection[str]) -> dict[str, Line]:
        """Quantity → its line against the step."""
        before, taken = self._steps, course.taken
        self._steps = {
            name: before[name]
            if name in before and before[name].taken == taken
            else _line(course.columns[name], taken, name)
            for name in SHOWN
            if name in wanted
        }
        return self._steps

    def of_machine(self, machine: MachineCourse, wanted: Collection[str]) -> dict[str, tuple[Line, ...]]:
        """Quantity → the lines of each card, or the host's, against unix time."""
        before, taken = self._machine, machine.taken
        self._machine = {
            name: before[name]
            if before.get(name) and before[name][0].taken == taken
            else tuple(_line(column, taken, name) for column in columns)
            for name, columns in machine.columns.items()
            if name in wanted
        }
        return self._machine


def _line(column: Decimated, taken: int, name: str) -> Line:
    buckets = tuple(column.buckets)
    points = sum(bucket.points for bucket in buckets)
    # The rate is exact, and the machine's figures are sparse: smoothing would show values that never were.
    length = max(2.0, points / 60) if name in SHOWN and name != "learning_rate" else 0.01
    values = tuple(value for _, value in smooth(buckets, length))
    rough = None
    if (size := len(buckets) // _ROUGH) > 1:
        few = merge(buckets, size)
        ends = (min(len(buckets), (place + 1) * size) - 1 for place in range(len(few)))
        rough = Line(taken, few, tuple(values[end] for end in ends))
    return Line(taken, buckets, values, rough)
