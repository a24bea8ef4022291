"""The measured courses of a run as the charts of the monitor take them: fixed values, made in the reading thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.runs.course import Course
from core.runs.decimate import Bucket, Decimated, smooth
from core.runs.machine import MachineCourse

SHOWN = ("loss", "grad_norm", "learning_rate", "tokens_per_second", "seconds")


@dataclass(frozen=True)
class Line:
    """One quantity: its buckets and, beside each, its smooth value. Two are the same where as much was `taken`."""

    taken: int = 0
    buckets: Sequence[Bucket] = field(default=(), compare=False)
    smooth: Sequence[float] = field(default=(), compare=False)


class Lines:
    """Makes lines of what was measured, again only where there is more."""

    def __init__(self) -> None:
        self._steps: dict[str, Line] = {}
        self._machine: dict[str, tuple[Line, ...]] = {}
        self._taken = -1

    def of_steps(self, course: Course) -> dict[str, Line]:
        """Quantity → its line against the step."""
        if not self._steps or self._steps["loss"].taken != course.taken:
            self._steps = {name: _line(course.columns[name], course.taken, name) for name in SHOWN}
        return self._steps

    def of_machine(self, machine: MachineCourse) -> dict[str, tuple[Line, ...]]:
        """Quantity → the lines of each card, or the host's, against unix time."""
        taken = machine.taken
        if not self._machine or taken != self._taken:
            self._taken = taken
            self._machine = {
                name: tuple(_line(column, taken, name) for column in columns)
                for name, columns in machine.columns.items()
            }
        return self._machine


def _line(column: Decimated, taken: int, name: str) -> Line:
    buckets = tuple(column.buckets)
    points = sum(bucket.points for bucket in buckets)
    # The rate is exact, and the machine's figures are sparse: smoothing would show values that never were.
    span = max(2.0, points / 60) if name in SHOWN and name != "learning_rate" else 0.01
    return Line(taken, buckets, tuple(value for _, value in smooth(buckets, span)))
