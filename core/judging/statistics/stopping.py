"""When to stop judging: a test that stays valid however often one looks, and what it still needs.

Under "both are equally good" each decisive judgement is a fair coin. With w wins and l losses, n = w + l, the
likelihood of a share drawn from Beta(2, 2) against that of ½ is

    M = 2ⁿ · B(w + 2, l + 2) / B(2, 2)

a non-negative martingale that begins at 1 (H. Robbins, "Statistical methods related to the law of the iterated
logarithm", Ann. Math. Statist. 41 (1970) 1397–1409). By Ville's inequality P(M ever ≥ 1/α) ≤ α (J. Ville, Étude
critique de la notion de collectif, 1939): stopping at M ≥ 20 errs in at most 5 % of judgings without a difference,
whenever and however often one looks. The mixture is symmetric, so that the test has two sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from core.judging.statistics.proportion import Share

ALPHA = 0.05
_A = 2.0
_LOG_PRIOR = 2 * math.lgamma(_A) - math.lgamma(2 * _A)
# Beyond this many further judgements a plan is no plan.
_HORIZON = 5_000


def log_evidence(wins: int, losses: int) -> float:
    """ln M of the module's formula: the evidence against "both equally good" after these decisive judgements.

    Raises:
        ValueError: where a count is negative.
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"counts cannot be negative: {wins}, {losses}")
    n = wins + losses
    return n * math.log(2) + math.lgamma(wins + _A) + math.lgamma(losses + _A) - math.lgamma(n + 2 * _A) - _LOG_PRIOR


def enough(wins: int, losses: int, alpha: float = ALPHA) -> bool:
    """Whether these decisive judgements are enough to stop: M ≥ 1/`alpha`."""
    return log_evidence(wins, losses) >= -math.log(alpha)


@lru_cache(maxsize=1 << 14)
def target(n: int, alpha: float = ALPHA) -> int | None:
    """The least count of one side among `n` decisive judgements at which one may stop; None where `n` are too few.

    9 of 9, 14 of 15, 17 of 20, 24 of 30, 30 of 40, 36 of 50, 66 of 100, 123 of 200 at the default of 5 %.
    """
    if n < 1 or not enough(n, 0, alpha):
        return None
    low, high = (n + 1) // 2, n
    while low < high:
        middle = (low + high) // 2
        if enough(middle, n - middle, alpha):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True, slots=True)
class Stopping:
    """Where a judging stands against the rule.

    Attributes:
        reached: whether the rule said stop at any time so far; it then stands, whatever came after.
        at: (count of the side ahead, decisive judgements) when it first did, or None.
        p: the always-valid p-value, 1 / the largest M so far, at most 1.
    """

    reached: bool
    at: tuple[int, int] | None
    p: float


def follow(outcomes: Iterable[bool]) -> Stopping:
    """The rule over decisive judgements in their order; True is a win."""
    wins = losses = 0
    evidence = most = 0.0
    at: tuple[int, int] | None = None
    bar = -math.log(ALPHA)
    for won in outcomes:
        # M grows by the odds that the mixture gave to what came, against ½.
        evidence += math.log(2 * ((wins if won else losses) + _A) / (wins + losses + 2 * _A))
        wins, losses = wins + won, losses + (not won)
        most = max(most, evidence)
        # The sum of logarithms may miss the bar by rounding alone.
        if at is None and evidence >= bar - 1e-9:
            at = max(wins, losses), wins + losses
    return Stopping(at is not None, at, math.exp(-most))


def needed(wins: int, losses: int, share: float = 0.6, power: float = 0.8) -> int | None:
    """Further decisive judgements by which the rule stops with probability `power`, from these counts on.

    The side ahead is taken to win each with probability `share`; the chance of having stopped is summed exactly
    over all paths. None where more than 5,000 would be needed.
    """
    import numpy as np

    ahead, behind = max(wins, losses), min(wins, losses)
    if enough(ahead, behind):
        return 0
    n = ahead + behind
    # alive[k]: chance that k of the further judgements went to the side ahead and the rule has not stopped.
    alive = np.array([1.0])
    top: int | None = None
    for more in range(1, _HORIZON + 1):
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        if top is None:
            top = target(n + more)
        # One judgement more raises the bar by one at most.
        elif not enough(top, n + more - top):
            top += 1
        if top is not None:
            alive[max(0, top - ahead) :] = 0.0
            # The other side wins where the side ahead has n − top or fewer.
            alive[: max(0, n + more - top - ahead + 1)] = 0.0
        if alive.sum() <= 1 - power:
            return more
    return None


def interval(wins: int, losses: int, alpha: float = ALPHA) -> Share | None:
    """The shares that the mixture does not rule out at any time (a confidence sequence); None without a judgement.

    All s with B(w + 2, l + 2) / B(2, 2) < sʷ(1 − s)ˡ / `alpha`: the same martingale against s instead of ½.
    """
    n = wins + losses
    if n == 0:
        return None
    mixed = log_evidence(wins, losses) - n * math.log(2)
    centre = wins / n

    def outside(s: float) -> bool:
        here = (wins * math.log(s) if wins else 0.0) + (losses * math.log1p(-s) if losses else 0.0)
        return mixed - here >= -math.log(alpha)

    low = 0.0 if wins == 0 else _edge(outside, 0.0, centre)
    high = 1.0 if losses == 0 else _edge(outside, 1.0, centre)
    return Share(centre, low, high)


def _edge(outside: Callable[[float], bool], far: float, near: float) -> float:
    for _ in range(60):
        middle = (far + near) / 2
        if outside(middle):
            far = middle
        else:
            near = middle
    return near
