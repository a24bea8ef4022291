"""The x axis that all charts of the monitor share: by step, tokens or time; a part of it; a cursor on it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from core.runs.course import Course
from core.runs.decimate import Bucket
from tui.format import count, duration

MODES = ("step", "tokens", "time")
_LEAST = 1e-6


@dataclass(frozen=True)
class Knots:
    """Where step, tokens, time worked (seconds) and the clock (unix seconds) meet; all ascend."""

    step: tuple[float, ...] = (0.0,)
    tokens: tuple[float, ...] = (0.0,)
    time: tuple[float, ...] = (0.0,)
    clock: tuple[float, ...] = (0.0,)


def knots(course: Course) -> Knots:
    """The knots of a training, from its start on."""
    steps = [0.0]
    for bucket in course.columns["loss"].buckets:
        steps += [bucket.first, bucket.last] if bucket.points > 1 else [bucket.last]
    clock = _ends(course.columns["t"].buckets)
    seconds = course.columns["seconds"].buckets
    before = seconds[0].mean if seconds and seconds[0].count else 0.0
    return Knots(
        tuple(steps),
        _rising([0.0, *_ends(course.columns["tokens"].buckets)]),
        _rising([0.0, *_ends(course.columns["worked"].buckets)]),
        _rising([clock[0] - before if clock else 0.0, *clock]),
    )


def _ends(buckets: Sequence[Bucket]) -> list[float]:
    found: list[float] = []
    for bucket in buckets:
        found += [bucket.low, bucket.high] if bucket.points > 1 else [bucket.high]
    return found


def _rising(values: Sequence[float]) -> tuple[float, ...]:
    """`values`, each no less than those before it; what was not measured stands still."""
    first = next((value for value in values if math.isfinite(value)), 0.0)
    finite = (value if math.isfinite(value) else -math.inf for value in values)
    return tuple(accumulate(finite, max, initial=first))[1:]


def between(value: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """`ys` at `value` of `xs`, on the straight line between its neighbours; the ends beyond them."""
    place = bisect_left(xs, value)
    if place == 0:
        return ys[0]
    if place == len(xs):
        return ys[-1]
    x0, x1 = xs[place - 1], xs[place]
    return ys[place - 1] + (ys[place] - ys[place - 1]) * (value - x0) / (x1 - x0)


@dataclass(frozen=True)
class Axis:
    """`window`: the part shown, `cursor`: the place read; both in steps, None: all, none. `far`: how far the
    whole reaches at least, as a place."""

    knots: Knots = field(default_factory=Knots)
    by: str = "step"
    last: float = 1.0
    far: float = 0.0
    window: tuple[float, float] | None = None
    cursor: float | None = None

    @property
    def _values(self) -> tuple[float, ...]:
        return getattr(self.knots, self.by)

    def at(self, step: float) -> float:
        """Where `step` is on the axis."""
        return step if self.by == "step" else between(step, self.knots.step, self._values)

    def step(self, x: float) -> float:
        """The step at the place `x`."""
        return x if self.by == "step" else between(x, self._values, self.knots.step)

    def step_of(self, moment: float) -> float:
        """The step that was being done at the unix time `moment`."""
        return between(moment, self.knots.clock, self.knots.step)

    def moment(self, step: float) -> float:
        """The unix time at which `step` was done."""
        return between(step, self.knots.step, self.knots.clock)

    @property
    def steps(self) -> tuple[float, float]:
        """First and last step shown."""
        return self.window or (0.0, self.last)

    @property
    def range(self) -> tuple[float, float]:
        """First and last place shown."""
        low, high = (self.at(step) for step in self.steps)
        if self.window is None:
            high = max(high, self.far)
        return (low, high) if high > low else (low, low + 1.0)

    def text(self, x: float) -> str:
        """The place `x` for a person."""
        return duration(x) if self.by == "time" else count(x)

    # -- moving -------------------------------------------------------------------------------------------

    def zoomed(self, factor: float) -> Axis:
        """Show `factor` times as much, with the cursor where it is, else with the end where it is."""
        low, high = self.range
        hold = min(high, max(low, self.at(self.cursor))) if self.cursor is not None else high
        return self._shown(hold - (hold - low) * factor, hold + (high - hold) * factor)

    def panned(self, share: float) -> Axis:
        """Move what is shown by a `share` of it."""
        low, high = self.range
        least, most = self.at(0.0), max(self.at(self.last), self.far, self.at(0.0) + _LEAST)
        by = min(most - high, max(least - low, (high - low) * share))
        return self._shown(low + by, high + by)

    def _shown(self, low: float, high: float) -> Axis:
        least, most = self.at(0.0), max(self.at(self.last), self.far if self.by == "step" else 0.0)
        low, high = max(least, low), min(most, high)
        if low <= least and high >= most:
            return replace(self, window=None)
        steps = self.step(low), self.step(high)
        # Closer than three steps there is nothing more to see.
        if steps[1] - steps[0] < 3:
            return self
        seen = self.cursor is not None and steps[0] <= self.cursor <= steps[1]
        return replace(self, window=steps, cursor=self.cursor if seen else None)

    def clamped(self) -> Axis:
        """What is shown and read, within the steps that there are: a restart takes some back."""
        most = max(self.last, self.far if self.by == "step" else 0.0)
        if self.window is None or self.window[1] <= most:
            return self
        width = self.window[1] - self.window[0]
        window = (self.last - width, self.last) if width < self.last else None
        return replace(self, window=window, cursor=None if self.cursor is None else min(self.cursor, self.last))

    def moved(self, columns: int, width: int) -> Axis:
        """Put the cursor `columns` of a chart `width` columns wide further; from none to the end or the start."""
        low, high = self.range
        if self.cursor is None:
            end = max(low, min(high, self.at(self.last)))
            return replace(self, cursor=self.step(end if columns < 0 else low))
        unit = (high - low) / max(1, width - 1)
        column = round((min(high, max(low, self.at(self.cursor))) - low) / unit)
        place = low + min(max(1, width - 1), max(0, column + columns)) * unit
        return replace(self, cursor=self.step(place))
