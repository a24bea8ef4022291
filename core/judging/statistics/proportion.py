"""Shares with their intervals, and the exact sign test. Plain arithmetic, no numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

# Longer sums of whole numbers take seconds.
_WHOLE = 2000


@dataclass(frozen=True, slots=True)
class Share:
    """A share between 0 and 1 with its interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """``{"value", "low", "high"}``."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson(successes: float, trials: float, confidence: float = 0.95) -> Share | None:
    """The score interval of a proportion, or None where there were no trials.

    With p = successes / trials, n = trials and z the normal quantile of the confidence, the bounds are
    ``(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)``: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", JASA 22 (1927) 209–212; without continuity correction, method 3
    of R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872.

    Half successes (ties at ½) are allowed: a score in {0, ½, 1} varies less than a coin of the same mean,
    so that the interval is then on the safe side.

    Raises:
        ValueError: where successes is not between 0 and trials, or confidence not between 0 and 1.
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"not a proportion: {successes} of {trials} at {confidence}")
    if trials == 0:
        return None
    share = successes / trials
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    shrink = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / shrink
    # At the ends the bound is exactly 0 or 1; rounding must not step over it.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Share(share, low, high)


def sign_test(wins: int, losses: int) -> float:
    """The two-sided p-value of the exact sign test (a binomial test against ½); ties are left out before.

    ``p = min(1, 2 · Σ_{k ≤ min(wins, losses)} C(n, k) / 2ⁿ)`` with n = wins + losses; up to 2,000 in whole
    numbers until the last division, beyond in floating point (nine digits): J. Arbuthnot (1710); W. J. Dixon and
    A. M. Mood, "The statistical sign test", JASA 41 (1946) 557–566. Without any decisive vote p is 1.

    Raises:
        ValueError: where a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"counts cannot be negative: {wins}, {losses}")
    trials, fewer = wins + losses, min(wins, losses)
    if trials > _WHOLE:
        return min(1.0, 2 * _tail(trials, fewer))
    term = tail = 1
    for k in range(fewer):
        term = term * (trials - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << trials))


def _tail(trials: int, fewer: int) -> float:
    """Σ_{k ≤ fewer} C(n, k) / 2ⁿ, from the largest term down until nothing is added."""
    log = math.lgamma(trials + 1) - math.lgamma(fewer + 1) - math.lgamma(trials - fewer + 1) - trials * math.log(2)
    term = tail = 1.0
    for k in range(fewer, 0, -1):
        term *= k / (trials - k + 1)
        tail += term
        if term < tail * 1e-17:
            break
    return math.exp(log) * tail


def percent(share: float) -> str:
    """`share` in whole percent, without a sign: 0.816 → ``82``; never 0 or 100 where it is not."""
    rounded = round(share * 100)
    if rounded == 0 and share > 0:
        return "<1"
    if rounded == 100 and share < 1:
        return ">99"
    return str(rounded)


def p_value(p: float) -> str:
    """`p` as it is written after a "p": ``= 0.03``, ``= 0.0001``, ``< 0.0001``."""
    if p < 0.0001:
        return "< 0.0001"
    return f"= {p:.1g}" if p < 0.01 else f"= {p:.2f}"
