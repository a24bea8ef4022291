"""Judging statistics against published numbers, scipy, and their own definitions."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.judging.statistics import p_value, percent, sign_test, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_newcombes_table(successes: int, trials: int, low: float, high: float) -> None:
    share = wilson(successes, trials)
    assert share is not None
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)
    assert share.value == successes / trials


def test_sign_test_gives_zars_deer() -> None:
    # J. H. Zar, Biostatistical Analysis (4th ed., 1999): hind leg longer in 8 of 10 deer, two-sided P = 0.10938
    assert round(sign_test(8, 2), 5) == 0.10938


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_sign_test_is_the_binomial_tail(wins: int, losses: int) -> None:
    n, fewer = wins + losses, min(wins, losses)
    tail = Fraction(sum(comb(n, k) for k in range(fewer + 1)), 2**n)
    assert sign_test(wins, losses) == float(min(Fraction(1), 2 * tail))
    assert sign_test(wins, losses) == sign_test(losses, wins)


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(1, 3000), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_and_sign_test_equal_scipy(successes: int, trials: int, confidence: float) -> None:
    successes = min(successes, trials)
    theirs = binomtest(successes, trials)
    interval = theirs.proportion_ci(confidence, "wilson")
    share = wilson(successes, trials, confidence)
    assert share is not None
    assert share.low == pytest.approx(interval.low, abs=1e-12)
    assert share.high == pytest.approx(interval.high, abs=1e-12)
    assert sign_test(successes, trials - successes) == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-290)


def test_the_ends_are_exact_and_nothing_is_no_interval() -> None:
    nothing, everything = wilson(0, 7), wilson(7, 7)
    assert nothing is not None and nothing.low == 0.0 and 0 < nothing.high < 1
    assert everything is not None and everything.high == 1.0 and 0 < everything.low < 1
    assert wilson(0, 0) is None
    assert sign_test(0, 0) == 1.0


def test_ten_thousand_votes_take_no_time() -> None:
    assert 0 < sign_test(4800, 5200) < 0.0001
    assert sign_test(0, 10_000) == 0.0 or sign_test(0, 10_000) < 1e-300


@pytest.mark.parametrize("bad", [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0)])
def test_wilson_refuses_what_is_no_proportion(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(*bad)


def test_sign_test_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        sign_test(-1, 2)


def test_numbers_in_words_never_claim_certainty() -> None:
    assert [percent(x) for x in (0.0, 0.001, 31 / 38, 0.999, 1.0)] == ["0", "<1", "82", ">99", "100"]
    assert [p_value(p) for p in (1.0, 0.04, 0.0034, 0.00012, 1e-9)] == [
        "= 1.00",
        "= 0.04",
        "= 0.003",
        "= 0.0001",
        "< 0.0001",
    ]


@pytest.mark.parametrize(("wins", "losses"), [(1100, 1000), (4_700, 5_300), (2_911, 2_549)])
def test_long_sign_tests_keep_their_digits(wins: int, losses: int) -> None:
    tail = Fraction(0)
    term = 1
    for k in range(min(wins, losses) + 1):
        tail += term
        term = term * (wins + losses - k) // (k + 1)
    exact = float(min(Fraction(1), 2 * tail / 2 ** (wins + losses)))
    assert sign_test(wins, losses) == pytest.approx(exact, rel=1e-9)
