"""Bradley-Terry: equal to evalica without the order, true strengths found again, degenerate data told."""

from __future__ import annotations

import random

import numpy as np
import pytest
from evalica import Winner, bradley_terry
from scipy.optimize import minimize

from core.judging.judgement import Judgement
from core.judging.results import results_of
from core.judging.statistics.ranking import fit, ranking

STRENGTHS = {"a": 1.0, "b": 0.4, "c": -0.2, "d": -1.2}


def simulated(
    count: int, order: float = 0.0, *, ties: float = 0.15, prompts: int = 200, seed: int = 1
) -> list[Judgement]:
    draw = random.Random(seed)
    found: list[Judgement] = []
    for n in range(count):
        left, right = draw.sample(list(STRENGTHS), 2)
        chance = 1 / (1 + np.exp(-(STRENGTHS[left] - STRENGTHS[right] + order)))
        verdict = "tie" if draw.random() < ties else "left" if draw.random() < chance else "right"
        found.append(Judgement("j", str(n % prompts), left, right, verdict))
    return found


def tables(votes: list[Judgement]) -> tuple[list[str], np.ndarray, np.ndarray]:
    sides = sorted({side for each in votes for side in (each.left, each.right)})
    score, count = np.zeros((1, len(sides), len(sides))), np.zeros((1, len(sides), len(sides)))
    for each in votes:
        place = 0, sides.index(each.left), sides.index(each.right)
        count[place] += 1
        score[place] += {"left": 1.0, "right": 0.0}.get(each.verdict, 0.5)
    return sides, score, count


def test_without_the_order_it_is_evalicas() -> None:
    votes = simulated(800)
    sides, score, count = tables(votes)
    winner = {"left": Winner.X, "right": Winner.Y, "tie": Winner.Draw}
    theirs = bradley_terry(
        [each.left for each in votes], [each.right for each in votes], [winner[each.verdict] for each in votes],
        tolerance=1e-12, limit=10_000,
    ).scores  # fmt: skip
    ours = fit(score, count, order=False)[0]
    assert ours[-1] == 0.0 and ours[:-1].sum() == pytest.approx(0, abs=1e-12)
    # evalica adds its tolerance to every cell of its win matrix, 1e-12 here, so that what is left is rounding.
    assert np.log(theirs[sides].to_numpy()) == pytest.approx(ours[:-1], abs=1e-6)


def test_with_the_order_it_is_the_maximum_of_the_likelihood() -> None:
    sides, score, count = tables(simulated(600, 0.5))
    ours = fit(score, count, order=True)[0]

    def loss(free: np.ndarray) -> float:
        beta = np.append(free[:3], -free[:3].sum())
        at = beta[:, None] - beta[None, :] + free[3]
        return float((score[0] * np.logaddexp(0, -at) + (count[0] - score[0]) * np.logaddexp(0, at)).sum())

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    assert ours[:3] == pytest.approx(best[:3], abs=1e-5) and ours[4] == pytest.approx(best[3], abs=1e-5)


def test_strengths_and_order_are_found_again_with_intervals_that_hold() -> None:
    held = total = 0
    for seed in range(12):
        found = ranking(simulated(1500, 0.4, ties=0.0, seed=seed), resamples=200)
        assert not found.problems and found.order is not None
        assert list(found.strengths)[0] == "a" and list(found.strengths)[-1] == "d"
        for value, bound in [(STRENGTHS[side], bound) for side, bound in found.strengths.items()] + [
            (0.4, found.order)
        ]:
            assert bound.low is not None and bound.high is not None and bound.low < bound.value < bound.high
            assert abs(bound.value - value) < 0.35
            held += bound.low <= value <= bound.high
            total += 1
    assert held >= total * 0.85


def test_votes_of_one_prompt_are_resampled_together() -> None:
    votes = simulated(400, prompts=400)
    # The same verdicts, given ten times on each prompt, tell no more than once.
    often = [each for each in votes for _ in range(10)]
    one, ten = ranking(votes, resamples=300), ranking(often, resamples=300)
    for side, bound in one.strengths.items():
        assert ten.strengths[side].value == pytest.approx(bound.value, abs=1e-6)
        assert ten.strengths[side].low == pytest.approx(bound.low, abs=1e-6)


def test_the_table_of_rates() -> None:
    votes = [Judgement("j", str(n), "a", "b", verdict) for n, verdict in enumerate(["left", "left", "tie", "right"])]
    votes += [Judgement("j", "9", "c", "a", "both_bad"), Judgement("j", "9", "c", "b", "left", repeat=True)]
    found = ranking(votes, resamples=0)
    assert found.rates["a", "b"] == (0.625, 4) and found.rates["b", "a"] == (0.375, 4)
    assert found.rates["a", "c"] == (0.5, 1) and ("b", "c") not in found.rates


def test_a_side_that_never_lost_is_told_and_finite() -> None:
    votes = [Judgement("j", str(n), *pair, "left") for n in range(15) for pair in (("a", "b"), ("a", "c"))]
    votes += [Judgement("j", str(n), *pair, "left") for n in range(15) for pair in (("b", "c"), ("c", "b"))]
    found = ranking(votes, resamples=50)
    assert list(found.strengths)[0] == "a" and found.strengths["a"].value < 10
    assert any("a won every judgement" in problem for problem in found.problems)
    assert any("one further tie" in problem for problem in found.problems)


def test_groups_that_never_met_have_no_common_order() -> None:
    votes = [Judgement("j", str(n), *pair, "tie") for n in range(12) for pair in (("a", "b"), ("c", "d"))]
    found = results_of(votes)
    assert found.ranking is not None and not found.ranking.strengths
    assert any("never met" in caution and "a, b; c, d" in caution for caution in found.cautions())
    assert "without a common order" in found.verdict() and found.to_json()["ranking"] == []


def test_an_order_that_never_varied_and_few_prompts_are_told() -> None:
    votes = [
        Judgement("j", str(n), *pair, verdict)
        for n, verdict in enumerate(["left", "right", "left", "left", "right", "right", "left", "tie"])
        for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    found = ranking(votes)
    assert found.order is not None  # a–b, b–c and a–c close a circle: the order shows
    straight = ranking([each for each in votes if (each.left, each.right) != ("a", "c")])
    assert straight.order is None and any("same way round" in problem for problem in straight.problems)
    assert any("too few for intervals" in problem for problem in straight.problems)
    assert all(bound.low is None for bound in straight.strengths.values())


def test_left_that_always_won_is_told() -> None:
    draw = random.Random(8)
    votes = [Judgement("j", str(n), *draw.sample("abc", 2), "left") for n in range(60)]
    found = ranking(votes, resamples=20)
    assert found.order is not None and 0 < found.order.value < 12 and found.problems
