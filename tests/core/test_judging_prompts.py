"""One score a prompt, intervals over prompts, and what is left of a preference at equal length."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.optimize import minimize

from core.judging.judgement import Judgement
from core.judging.results import Results, results_of
from core.judging.statistics import wilson
from core.judging.statistics.length import adjusted
from core.judging.statistics.prompts import clustered, habit, majority, standing

_KEYS = {"t": "left", "b": "right", "=": "tie", "x": "both_bad", "s": "skip"}


def said(judge: str, plan: str, left: str = "tuned", right: str = "base") -> list[Judgement]:
    """A judge's verdicts on prompts 0, 1, 2 …; "." for none."""
    return [Judgement(judge, str(n), left, right, _KEYS[key]) for n, key in enumerate(plan) if key != "."]


def test_a_prompt_has_the_verdict_of_most_and_the_mean_of_all_scores() -> None:
    found = standing(said("a", "tt=xst") + said("b", "tb=xst") + said("c", "bbtxs."), "tuned", "base")
    assert list(found.verdicts.values()) == ["win", "loss", "tie", "both_bad", "win"]
    assert list(found.scores.values()) == pytest.approx([2 / 3, 1 / 3, 2 / 3, 1 / 2, 1])
    assert found.score is not None and found.score.value == pytest.approx((2 / 3 + 1 / 3 + 2 / 3 + 1 / 2 + 1) / 5)
    assert majority(["a", "tie"], "a", "b") == "a" and majority(["a", "b", "tie"], "a", "b") == "tie"
    assert majority(["both_bad", "tie"], "a", "b") == "tie"


def test_the_side_on_the_screen_and_repeats_change_nothing() -> None:
    votes = said("a", "ttb=x")
    other_way = {"left": "right", "right": "left"}
    swapped = [Judgement(v.judge, v.prompt, v.right, v.left, other_way.get(v.verdict, v.verdict)) for v in votes]
    again = [Judgement("a", str(n), "base", "tuned", "left", repeat=True) for n in range(5)]
    one, other = results_of(votes), results_of(swapped + again)
    assert (one.wins, one.losses, one.ties, one.both_bad) == (2, 1, 1, 1) == (
        other.wins, other.losses, other.ties, other.both_bad)  # fmt: skip
    assert other.first_slot.count == 1 and one.first_slot.count == 2
    assert other.consistency["a"].trials == 5 and other.consistency["a"].count == 1


def test_pandalm_majority_of_three_annotators() -> None:
    # PandaLM's test set (Apache-2.0): how often its three annotators said what together; 0 is a tie.
    counts = {"222": 426, "111": 368, "000": 85, "122": 36, "112": 33, "011": 21, "002": 13, "022": 10}
    counts["001"] = 7
    verdict = {"0": "tie", "1": "left", "2": "right"}
    votes = [
        Judgement(judge, f"{kind} {number}", "one", "two", verdict[digit])
        for kind, count in counts.items()
        for number in range(count)
        for judge, digit in zip("abc", kind)
    ]
    found = Results(votes, ("two", "one"))
    assert (found.ties, found.wins, found.losses) == (105, 422, 472)
    # Three votes a prompt are no three prompts.
    assert found.decisive == 894 and found.share == wilson(422, 894)


def test_one_vote_a_prompt_is_wilson_and_more_are_wider() -> None:
    single = habit((str(n), n < 30) for n in range(40))
    assert single.share == wilson(30, 40) and (single.count, single.trials) == (30, 40)
    # The same 40 verdicts from 10 prompts with 4 judges who always agree are worth 10 at most.
    often = habit((str(n // 4), n < 30) for n in range(40))
    alone = wilson(7.5, 10)
    assert often.share is not None and alone is not None and often.share.value == 0.75
    assert often.share.high - often.share.low >= alone.high - alone.low
    assert clustered([(3, 4)]) is not None and clustered([]) is None


def test_the_clustered_interval_covers_the_truth() -> None:
    draw = random.Random(11)
    held = 0
    for _ in range(300):
        groups: list[tuple[float, float]] = []
        for _ in range(25):
            own, size = draw.betavariate(3, 2), draw.randint(1, 6)
            groups.append((sum(draw.random() < own for _ in range(size)), size))
        share = clustered(groups)
        assert share is not None
        held += share.low <= 0.6 <= share.high
    assert held >= 300 * 0.92


# -- length ---------------------------------------------------------------------------------------------------


def drawn(n: int, theta: float, phi: float, mean: float, seed: int = 4) -> tuple[dict[str, str], dict[str, float]]:
    random = np.random.default_rng(seed)
    gaps = random.normal(mean, 100, n)
    chance = 1 / (1 + np.exp(-(theta + phi * np.tanh(gaps / gaps.std()))))
    wins = random.random(n) < chance
    verdicts = {str(k): "win" if won else "loss" for k, won in enumerate(wins)}
    return verdicts, {str(k): float(gap) for k, gap in enumerate(gaps)}


def test_a_preference_that_is_length_alone_vanishes_at_equal_length() -> None:
    verdicts, lengths = drawn(2000, 0.0, 2.0, 80)
    raw = sum(each == "win" for each in verdicts.values()) / 2000
    found = adjusted(verdicts, lengths)
    assert raw > 0.65 and found is not None
    assert found.share.low < 0.5 < found.share.high and found.slope > 1
    assert found.share.high - found.share.low < 0.12


def test_the_fit_is_the_penalised_maximum_and_covers_the_truth() -> None:
    verdicts, lengths = drawn(60, 0.8, 1.0, 40)
    found = adjusted(verdicts, lengths)
    assert found is not None
    gaps = np.array(list(lengths.values()))
    x = np.column_stack([np.ones(60), np.tanh(gaps / gaps.std())])
    y = np.array([each == "win" for each in verdicts.values()], dtype=float)

    def loss(beta: np.ndarray) -> float:
        at = x @ beta
        chance = 1 / (1 + np.exp(-at))
        information = x.T @ (x * (chance * (1 - chance))[:, None])
        return float(np.logaddexp(0, np.where(y == 1, -at, at)).sum() - 0.5 * np.linalg.slogdet(information)[1])

    best = minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-10})
    assert math.log(found.share.value / (1 - found.share.value)) == pytest.approx(best.x[0], abs=1e-4)
    assert found.slope == pytest.approx(best.x[1], abs=1e-4)
    held = 0
    for seed in range(60):
        again = adjusted(*drawn(60, 0.8, 1.0, 40, seed))
        assert again is not None
        held += again.share.low <= 1 / (1 + math.exp(-0.8)) <= again.share.high
    assert held >= 60 * 0.88


def test_nothing_is_said_of_length_on_little_or_nothing() -> None:
    verdicts, lengths = drawn(39, 0.0, 1.0, 0)
    assert adjusted(verdicts, lengths) is None
    verdicts, lengths = drawn(60, 0.0, 1.0, 0)
    assert adjusted(verdicts, dict.fromkeys(lengths, 12.0)) is None
    assert adjusted(verdicts, {}) is None
    # Longer always, and always won: length and side cannot be told apart, which the interval says.
    certain = adjusted(dict.fromkeys(verdicts, "win"), {key: 50.0 + k for k, key in enumerate(verdicts)})
    assert certain is not None and certain.share.low < 0.6 and 0 < certain.share.high <= 1
