"""Metrics as figures of every row, added up, and a formula over the sums.

That form gives a score for any resample of the rows at the cost of a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
References = Sequence[str | Sequence[str]]
"""Of each row the accepted answer, or all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One metric over the rows of one arm.

    rows: (rows, k) figures that add up. combine: from sums, shape (resamples, k), to scores, shape (resamples,).
    binary: the score is the share of rows whose figure is 1, all others being 0. resamples: so many at most, for a
    formula that is slow; None: as many as wanted.
    """

    rows: Floats
    combine: Callable[[Floats], Floats]
    binary: bool = False
    resamples: int | None = None

    @property
    def value(self) -> float:
        """The score over all rows."""
        return float(self.combine(self.rows.sum(0, keepdims=True))[0])


def all_references(references: References) -> list[list[str]]:
    """Of each row all accepted answers."""
    return [[one] if isinstance(one, str) else list(one) for one in references]


def ratio_table(over: Sequence[float], under: Sequence[float]) -> Table:
    """The sum of one figure over the sum of another."""
    return Table(np.stack([np.asarray(over, np.float64), np.asarray(under, np.float64)], 1), ratio)


def ratio(sums: Floats) -> Floats:
    """The first column over the second; 0 where both are 0."""
    return sums[:, 0] / np.maximum(sums[:, 1], 1e-300)


def mean_table(values: Sequence[float]) -> Table:
    """The mean of one figure a row."""
    return ratio_table(values, [1.0] * len(values))


def binary_table(values: Sequence[bool]) -> Table:
    """The share of rows that are right."""
    rows = mean_table([float(value) for value in values]).rows
    return Table(rows, ratio, binary=True)


def loss_table(nll: Sequence[float], tokens: Sequence[int]) -> Table:
    """Mean negative log-likelihood of an answer token, in nats: all nats of all rows over all their tokens.

    Args:
        nll: of each row the summed negative log-likelihood, in nats, of the reference's tokens, the end of the turn
            among them.
        tokens: how many these are.
    """
    return ratio_table(nll, tokens)


def perplexity_table(nll: Sequence[float], tokens: Sequence[int]) -> Table:
    """exp of the mean negative log-likelihood of an answer token; of one tokenizer only comparable with itself."""
    return Table(loss_table(nll, tokens).rows, lambda sums: np.exp(np.minimum(ratio(sums), 700.0)))


def bits_per_byte_table(nll: Sequence[float], size: Sequence[int]) -> Table:
    """All nats of all rows, in bits, over the UTF-8 bytes of all references: comparable across tokenizers.

    The bits are those of every token that `loss_table` counts, the end of the turn among them, which has no bytes:
    L. Gao et al., "The Pile" (2020), section 3.1, has the same quotient without that token.

    Args:
        nll: as in `loss_table`.
        size: UTF-8 bytes of each reference.
    """
    return ratio_table([nats / math.log(2) for nats in nll], size)
