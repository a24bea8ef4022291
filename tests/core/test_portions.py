"""Where the time of the steps went, in bounded room."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from core.runs.portions import MOST, Portions
from core.runs.series import Series

_SECONDS = st.one_of(st.floats(0.01, 100), st.just(math.nan), st.just(math.inf))


def event(step: int, **values: Any) -> dict[str, Any]:
    return {"event": "step", "step": step, "loss": 1.0, **values}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_SECONDS, _SECONDS, _SECONDS), max_size=60), st.integers(1, 40), st.integers(0, 2500))
def test_sums_stay_whatever_is_put_together(rows: list[tuple[float, float, float]], times: int, back: int) -> None:
    portions, kept = Portions(), list[tuple[float, ...]]()
    for step, (seconds, data, mfu) in enumerate(rows * times, 1):
        portions.add(float(step), seconds, (data, 0.1, 0.2, 0.3), mfu)
        kept.append((seconds, data, mfu))
    assert len(portions.rows) <= MOST
    if portions.rows:
        assert [row[2] for row in portions.rows[:-1]] == [portions.rows[0][2]] * (len(portions.rows) - 1)
    timed = [row for row in kept if math.isfinite(row[0]) and math.isfinite(row[1])]
    assert sum(one.seconds for one in portions.now()) == approx(sum(row[0] for row in timed))
    assert sum(one.data for one in portions.now()) == approx(sum(row[1] for row in timed))
    known = [row for row in kept if math.isfinite(row[0]) and math.isfinite(row[2])]
    assert sum(one.worked for one in portions.now()) == approx(sum(row[0] * row[2] for row in known))
    again = Portions()
    again.restore([value for row in portions.rows for value in row])
    for one in (portions, again):
        one.cut(float(back))
        assert all(row[1] <= back for row in one.rows)
        one.add(back + 1.0, 1.0, (0.25, 0.25, 0.25, 0.0), 0.5)
    assert again.now() == portions.now()


def test_shares_add_up_and_old_runs_have_none() -> None:
    portions, series = Portions(), Series()
    for step in range(1, 5):
        split = {"data": 0.1, "forward": 0.2, "backward": 0.5, "optimizer": 0.1, "other": 0.1}
        portions.add(step, 1.0, (0.1, 0.2, 0.5, 0.1), 0.4)
        series.add(event(step, seconds=1.0, split=split, mfu=0.4))
    (one, *_) = portions.now()
    wanted = {"data": 10.0, "forward": 20.0, "backward": 50.0, "optimizer": 10.0, "other": 10.0}
    assert one.shares == approx(wanted) and one.mfu == approx(40)
    assert {name: 100 * share for name, share in series.shares().items()} == approx(wanted)
    # Steps count by their time.
    series.add(event(5, seconds=4.0, split={**split, "data": 3.1}, mfu=None))
    assert series.shares()["data"] == approx(3.5 / 8) and series.mean_mfu() == approx(0.4)
    old, before = Series(), Portions()
    for step, odd in enumerate((None, [], {"data": "x"}, 3), 1):
        old.add(event(step, seconds=1.0, split=odd))
        before.add(step, 1.0, (math.nan,) * 4, math.nan)
    assert old.shares() == {} and math.isnan(old.mean_mfu()) and len(old.data) == 4
    assert all(math.isnan(one.mfu) and math.isnan(one.shares["other"]) for one in before.now())
