"""Intervals and differences by resampling rows: every arm and metric sees the same draws, so they stay paired.

The percentile bootstrap of Efron and Tibshirani (An Introduction to the Bootstrap, 1993, chapters 13 and 16).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.evaluation.metrics import Floats, Table

RESAMPLES = 10_000
"""So many that the smallest p, 2 / 10,001, is still small after Holm over 200 comparisons."""
_CHUNK_CELLS = 2_000_000

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one score lies above another: the difference, its 95 % interval, and a two-sided p-value."""

    value: float
    low: float
    high: float
    p: float


def draws(tables: Mapping[Key, Table], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[Key, Floats]:
    """The score of each table over `resamples` draws of its rows with replacement, the same draws for all.

    A table that says how many resamples it takes at most gets the first of them. All tables must have the same
    number of rows, at least one.
    """
    count = {len(table.rows) for table in tables.values()}
    if len(count) > 1 or 0 in count:
        raise ValueError(f"tables of {sorted(count)} rows cannot be paired")
    if not tables:
        return {}
    rows = count.pop()
    generator = np.random.default_rng(seed)
    parts: dict[Key, list[Floats]] = {key: [] for key in tables}
    chunk = max(1, min(resamples, _CHUNK_CELLS // rows))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        weights: NDArray[np.float64] = generator.multinomial(rows, np.full(rows, 1 / rows), size).astype(np.float64)
        for key, table in tables.items():
            taken = weights if table.resamples is None else weights[: max(0, table.resamples - start)]
            if len(taken):
                parts[key].append(table.combine(taken @ table.rows))
    return {key: np.concatenate(values) for key, values in parts.items()}


def interval(scores: Floats) -> tuple[float, float]:
    """The middle 95 % of the scores; draws for which a metric has no number are passed over."""
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return math.nan, math.nan
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def difference(value: float, against: float, scores: Floats, against_scores: Floats) -> Difference:
    """`value` minus `against`, with interval and p-value from paired draws.

    p: twice the smaller share of draws on one side of zero, one draw added to each count so that it is never 0; 1
    where no draw has a number.
    """
    gaps = scores - against_scores
    gaps = gaps[np.isfinite(gaps)]
    low, high = interval(gaps)
    below, above = int((gaps <= 0).sum()), int((gaps >= 0).sum())
    p = min(1.0, 2 * (min(below, above) + 1) / (len(gaps) + 1))
    return Difference(value - against, low, high, p)
