"""A long series in bounded room: each bucket keeps its least, its greatest and its mean value."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST = 640
_LARGEST = 1e150


@dataclass(slots=True)
class Bucket:
    """Some neighbouring points; `total` and `count` of the finite ones only."""

    first: float
    last: float
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    count: int = 0
    points: int = 0

    @property
    def mean(self) -> float:
        """Mean of the finite values; NaN where there are none."""
        return self.total / self.count if self.count else math.nan

    @property
    def x(self) -> float:
        """The middle."""
        return (self.first + self.last) / 2


class Decimated:
    """Follows a growing series: only new points cost time, and never more than `most` buckets are kept.

    Values that are not finite count for nothing: a bucket of such values alone is a gap.
    """

    def __init__(self, most: int = MOST) -> None:
        self._buckets: list[Bucket] = []
        self._kept: Callable[[], list[Bucket]] | None = None
        self._most = most
        self._size = 1
        self._taken = 0
        self._last_x = -math.inf

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets by ascending x."""
        if self._kept is not None:
            self._buckets, self._kept = self._kept(), None
            self._size = max((bucket.points for bucket in self._buckets), default=1)
        return self._buckets

    def follow(self, xs: Sequence[float], ys: Sequence[float]) -> bool:
        """Take what was appended to the series since the last call; start over where it was cut. True if changed."""
        if len(xs) < self._taken or (self._taken and xs[self._taken - 1] != self._last_x):
            self._buckets, self._kept, self._size, self._taken, self._last_x = [], None, 1, 0, -math.inf
        if len(xs) == self._taken:
            return False
        for place in range(self._taken, len(xs)):
            self.add(xs[place], ys[place])
        self._taken = len(xs)
        self._last_x = xs[-1]
        return True

    def cut(self, x: float) -> None:
        """Forget what comes after `x`; a bucket that reaches across it goes as a whole."""
        while self.buckets and self.buckets[-1].last > x:
            self.buckets.pop()

    def restore(self, kept: Callable[[], list[Bucket]]) -> None:
        """Go on from the buckets of another series of the same `most`; `kept` gives them when they are needed."""
        self._kept = kept

    def add(self, x: float, y: float) -> None:
        """Take one more point; `x` never falls."""
        self.extend((x,), (y,))

    def extend(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Take more points, of ascending `xs`."""
        place, end = 0, len(xs)
        while place < end:
            buckets = self.buckets
            if not buckets or buckets[-1].points >= self._size:
                if len(buckets) >= self._most:
                    self._halve()
                    continue
                buckets.append(Bucket(xs[place], xs[place]))
            bucket = buckets[-1]
            to = min(end, place + self._size - bucket.points)
            bucket.points += to - place
            bucket.last = xs[to - 1]
            part = ys[place:to]
            # One sum tells whether all of them are finite: a million steps pass here.
            if not math.isfinite(sum(part)):
                part = [y for y in part if math.isfinite(y)]
            if part:
                bucket.low = min(bucket.low, min(part))
                bucket.high = max(bucket.high, max(part))
                bucket.total = sum(part, bucket.total)
                bucket.count += len(part)
            place = to

    def _halve(self) -> None:
        pairs = zip(self.buckets[::2], self.buckets[1::2])
        merged = [_join(a, b) for a, b in pairs]
        if len(self.buckets) % 2:
            merged.append(self.buckets[-1])
        self._buckets = merged
        self._size *= 2


def _join(a: Bucket, b: Bucket) -> Bucket:
    return Bucket(
        a.first,
        b.last,
        min(a.low, b.low),
        max(a.high, b.high),
        a.total + b.total,
        a.count + b.count,
        a.points + b.points,
    )


def smooth(buckets: Sequence[Bucket], span: float) -> list[tuple[float, float]]:
    """(x, exponential moving average of the means) with the time constant `span` in points, unbiased at the start.

    A gap stays a gap (NaN) and is passed over by the average.
    """
    found: list[tuple[float, float]] = []
    average = weight = 0.0
    for bucket in buckets:
        mean = bucket.mean
        # A single value that dwarfs all others would hide them for good.
        if not abs(mean) <= _LARGEST:
            found.append((bucket.x, math.nan))
            continue
        keep = math.exp(-bucket.points / max(span, 1e-9))
        average = keep * average + (1 - keep) * mean
        weight = keep * weight + (1 - keep)
        found.append((bucket.x, average / weight))
    return found


def merge(buckets: Sequence[Bucket], size: int) -> list[Bucket]:
    """Each `size` neighbours as one."""
    if size <= 1:
        return list(buckets)
    found: list[Bucket] = []
    into, left = None, 0
    for one in buckets:
        if into is None or not left:
            into = Bucket(one.first, one.last, one.low, one.high, one.total, one.count, one.points)
            found.append(into)
            left = size - 1
            continue
        left -= 1
        into.last = one.last
        if one.low < into.low:
            into.low = one.low
        if one.high > into.high:
            into.high = one.high
        into.total += one.total
        into.count += one.count
        into.points += one.points
    return found


def span(buckets: Sequence[Bucket], low: float, high: float) -> tuple[int, int]:
    """The places, first and past the last, of the buckets that lie within or reach into `low` to `high`."""
    first = bisect_left(buckets, low, key=lambda one: one.last)
    return first, max(first, bisect_right(buckets, high, key=lambda one: one.first))
