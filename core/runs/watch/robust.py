"""Medians and the scale about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: The standard error of a median, in standard errors of a mean, for normal noise: √(π/2) (Kenney and Keeping,
#: Mathematics of Statistics, 1962, p. 211).
_MEDIAN = math.sqrt(math.pi / 2)


def median(values: Sequence[float]) -> float:
    """The median of one or more finite values."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def scale(values: Sequence[float]) -> float:
    """1.4826 × the median absolute deviation from the median: the standard deviation of normal noise (Rousseeuw and
    Croux, JASA 88 (1993) 1273), whatever up to half of the values are."""
    centre = median(values)
    return 1.4826 * median([abs(value - centre) for value in values])


def residuals(values: Sequence[float]) -> tuple[float, list[float]]:
    """The median of the later half, and all values' distances from the line through the medians of both halves."""
    half = len(values) // 2
    early, late = median(values[:half]), median(values[half:])
    slope = (late - early) / (len(values) / 2)
    start = early - slope * (half - 1) / 2
    return late, [value - start - slope * at for at, value in enumerate(values)]


def median_error(noise: float, *counts: int) -> float:
    """The standard error of the difference of medians of so many values each with noise of the scale `noise`."""
    return _MEDIAN * noise * math.sqrt(sum(1 / count for count in counts))
