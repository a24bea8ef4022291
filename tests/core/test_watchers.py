"""The watchers of a run: each on a small series, any nonsense, and restarts that repeat steps."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.validation import Validation, paired
from core.files import JsonlWriter, Lock, write_json
from core.runs.document import details
from core.runs.folder import RunFolder
from core.runs.view import RunView
from core.runs.watch import thresholds as at
from core.runs.watch.machine import Around
from core.runs.watch.watch import Watch
from tests.fake_run import make_run, write_events
from tui.follow import follow
from tui.screens.monitor_state import MonitorReader
from tui.screens.monitor_text import notes
from tui.warning_text import Told


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def steps(
    loss: Callable[[int], float | None], count: int = 300, first: int = 1, speed: Callable[[int], float] | None = None
) -> list[dict[str, Any]]:
    """The step events of a run of `count` steps."""
    chance = random.Random(first)
    found: list[dict[str, Any]] = []
    for step in range(first, count + 1):
        value = loss(step)
        noisy = value if value is None else value * (1 + chance.gauss(0, 0.03))
        pace = (speed(step) if speed else 1000.0) * (1 + chance.gauss(0, 0.05))
        found.append({"event": "step", "step": step, "loss": noisy, "tokens_per_second": pace, "m": float(step)})
    return found


def watched(events: list[dict[str, Any]], total: int = 300) -> Watch:
    watch = Watch()
    for event in [{"event": "start", "m": 0.0, "total_steps": total, "device": "cuda"}, *events]:
        watch.take(event)
    return watch


def codes(watch: Watch) -> list[tuple[str, int, int | None]]:
    return [(one.code, one.since, one.until) for one in watch.warnings]


def falling(step: int) -> float:
    return 1 + 2 * math.exp(-step / 40)


def test_a_healthy_run_is_left_alone() -> None:
    assert codes(watched(steps(falling))) == []
    assert codes(watched(steps(lambda _: 0.001))) == [], "a small loss is not 0"
    assert codes(watched(steps(lambda step: falling(step) * (3 if step == 150 else 1)))) == [], "one odd batch"


def test_a_spike_begins_and_ends() -> None:
    ((code, since, until),) = codes(watched(steps(lambda step: falling(step) + (2 if 150 <= step < 160 else 0))))
    assert (code, since, until) == ("loss_spike", 150, 162)


def test_slow_divergence_stays_until_it_has_recovered() -> None:
    def course(step: int) -> float:
        return 1.0 + max(0, min(step - 200, 800 - step)) / 300

    watch = watched(steps(course, 500), 1000)
    ((code, since, until),) = codes(watch)
    assert code == "slow_divergence" and 280 < since < 400 and until is None
    assert "the loss climbs" in watch.warnings[0].message
    for event in steps(course, 1000, first=501):
        watch.take(event)
    ((code, _, until),) = codes(watch)
    assert code == "slow_divergence" and until is not None and 750 < until < 900


def test_a_loss_that_is_no_number_and_one_of_0() -> None:
    watch = watched(steps(lambda step: None if step == 100 else 1.0))
    assert codes(watch) == [("nonfinite_loss", 100, None)] and watch.warnings[0].severity == "error"
    assert codes(watched(steps(lambda step: 0.0 if 50 <= step < 60 else 1.0)))[0] == ("zero_loss", 52, 60)
    apart = watched([{**event, "loss": 1e-7, "margin": 20.0} for event in steps(lambda _: 0.0)[:40]])
    assert codes(apart)[0][0] == "zero_loss" and "template" not in str(apart.warnings[0])
    masked = watched([{"event": "preflight", "checks": {"rows": 4, "loss_tokens": 0}}])
    assert codes(masked) == [("zero_loss", 0, None)]


def test_throughput_is_compared_with_its_own_median() -> None:
    slow = watched(steps(falling, speed=lambda step: 500 if 150 <= step < 200 else 1000))
    ((code, since, until),) = codes(slow)
    assert code == "slow_throughput" and 155 <= since <= 175 and until is not None and 200 <= until <= 220
    assert codes(watched(steps(falling, speed=lambda step: 800 if step > 150 else 1000))) == []
    shrunk = watched(steps(falling, 150), 300)
    shrunk.take({"event": "start", "resumed_from": 150, "total_steps": 300, "device": "cuda", "micro_batch": 1})
    for event in steps(falling, 300, first=151, speed=lambda _: 400):
        shrunk.take(event)
    assert codes(shrunk) == [], "a smaller micro-batch has another pace"


def evaluation(step: int, above: float | None, error: float | None = 0.01) -> dict[str, Any]:
    best = above is None or above < 0
    loss = 1.0 if best else 1.0 + (above or 0)
    return {"event": "eval", "step": step, "loss": loss, "best": best, "above_best": above, "standard_error": error}


def test_overfitting_needs_two_evaluations_and_a_training_loss_that_falls() -> None:
    rising = [evaluation(50, None, None), evaluation(100, 0.02), evaluation(150, 0.06), evaluation(200, 0.1)]
    for falls, expected in ((True, [("overfitting", 100, None)]), (False, [])):
        watch = Watch()
        watch.take({"event": "start", "total_steps": 200})
        for event in steps(lambda step: 1 - step / 300 if falls else 1.0, 200):  # noqa: B023
            watch.take(event)
            for one in rising:
                if one["step"] == event["step"]:
                    watch.take(one)
        assert codes(watch) == expected
        if falls:
            assert watch.warnings[0].checkpoint == 50 and "checkpoint-50" in watch.warnings[0].hint
            watch.take(evaluation(210, -0.1))
            assert codes(watch) == [("overfitting", 100, 210)]
    noise = watched(steps(falling) + [evaluation(10, None), *(evaluation(20 + n, 0.02, 0.05) for n in range(9))])
    assert codes(noise) == []


def test_the_machine_is_judged_only_while_the_run_works() -> None:
    watch = watched(steps(falling, 60))
    idle = [{"gpus": [{"uuid": "GPU-a", "utilisation": 2}, {"uuid": "GPU-b", "utilisation": 99}]}] * at.IDLE_SAMPLES
    watch.look(Around(silent=700.0, free=10e9, checkpoint=6e9, samples=idle, card="GPU-a"))
    assert sorted(code for code, _, _ in codes(watch)) == ["disk_low", "gpu_idle", "stalled"]
    watch.look(Around(silent=1.0, free=20e9, checkpoint=6e9, samples=idle, card="GPU-b"))
    assert all(until == 60 for _, _, until in codes(watch))
    watch.look(Around(silent=700.0))
    watch.rest()
    assert not watch.holding
    quiet = watched([])
    quiet.look(Around(silent=700.0, samples=idle, card="GPU-a"))
    assert not quiet.holding, "a model may load for long, and its card waits"


values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 400), st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=3), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
names = st.sampled_from(["start", "step", "eval", "preflight", "checkpoint", "end", "log", None])
fields = st.sampled_from(
    ["step", "loss", "tokens_per_second", "m", "best", "above_best", "standard_error", "resumed_from", "total_steps",
     "checks", "micro_batch", "device"]
)  # fmt: skip
nonsense = st.builds(lambda name, rest: {**rest, "event": name}, names, st.dictionaries(fields, values))


@settings(max_examples=150, deadline=None)
@given(st.lists(nonsense, max_size=40), st.integers(0, 120))
def test_no_event_makes_it_raise(events: list[dict[str, Any]], before: int) -> None:
    watch = watched(steps(falling, before), before)
    for event in events:
        watch.take(event)
    watch.look(Around(samples=events, card=None))
    watch.rest()
    json.dumps([one.to_json() for one in watch.warnings])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 50), min_size=30, max_size=120), st.integers(1, 200), st.integers(1, 40))
def test_what_a_restart_repeats_is_told_once(losses: list[float], back: int, ahead: int) -> None:
    events = [{"event": "step", "step": at, "loss": loss} for at, loss in enumerate(losses, 1)]
    back = min(back, len(events))
    watch = watched(events[: min(len(events), back + ahead)])
    watch.take({"event": "start", "resumed_from": back, "total_steps": 300, "device": "cuda"})
    assert all(one.since <= back for one in watch.warnings)
    for event in events[back:]:
        watch.take(event)
    found = [(one.code, one.since) for one in watch.warnings]
    assert len(found) == len(set(found))
    assert len(watch.holding) == sum(one.until is None for one in watch.warnings)


def test_a_spike_that_a_restart_takes_back_is_forgotten() -> None:
    run = make_run(status="running", steps=200, total_steps=400, every=50)
    writer = JsonlWriter(run.events)
    for step in range(201, 207):
        writer.write({"t": time.time(), "m": time.monotonic(), "event": "step", "step": step, "loss": 9.0})
    with Lock(run.lock_file):
        view = RunView(run)
        assert [(one.code, one.since) for one in view.warnings] == [("loss_spike", 201)]
        assert details(view)["watchers"][0]["code"] == "loss_spike"
        told = Told()
        assert told.lines(view)[0].startswith("warning since step 201: the loss jumped to 9")
        assert told.lines(view) == []
        write_events(run, first=201, steps=230, total_steps=400, attempt=2)
        assert view.refresh() and list(view.warnings) == []
        assert told.lines(view) == ["over: loss spike since step 201"]
    writer.close()


def overfitted(run: RunFolder) -> None:
    writer = JsonlWriter(run.events)
    for step in range(41, 81):
        clocks = {"t": time.time(), "m": time.monotonic()}
        writer.write({**clocks, "event": "step", "step": step, "loss": 0.5})
        if step in (60, 80):
            writer.write({**clocks, **evaluation(step, step / 400), "rows": 30, "tokens": 900})
    writer.close()


def test_the_monitor_offers_the_best_checkpoint() -> None:
    run = make_run(status="running", steps=40, total_steps=400, every=20)
    overfitted(run)
    with Lock(run.lock_file):
        text = "\n".join(line.plain for line in notes(MonitorReader(run).read()))
        assert "it overfits: the validation loss is 0.2 above its best (step 40" in text
        assert "s stop here and get checkpoint-40" in text


def test_follow_says_when_it_begins() -> None:
    run = make_run(status="running", steps=40, total_steps=400, every=20)
    overfitted(run)
    said: list[str] = []
    follow(run, said.append)
    assert any(line.startswith("warning since step 60: it overfits") for line in said)
    assert f"`diapason stop {run.id}` ends it here and gives you checkpoint-40" in "\n".join(said)


def test_disk_and_silence_are_seen_through_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(status="running", steps=40, total_steps=400)
    manifest = run.checkpoints / "checkpoint-40" / "MANIFEST.json"
    write_json(manifest, {"files": {"a": {"size": 6 << 30}, "b": {"size": None}}, "step": 40})
    monkeypatch.setattr("core.runs.watch.outside.free_bytes", lambda _: 10 << 30)
    with Lock(run.lock_file):
        view = RunView(run)
        assert [one.message for one in view.warnings] == [
            "the disk has room for less than 2 checkpoints: 10.0 GiB are free, one takes 6.0"
        ]
        monkeypatch.setattr("core.runs.watch.outside.free_bytes", lambda _: 20 << 30)
        old = time.time() - 900
        os.utime(run.events, (old, old))
        assert view.refresh()
        assert [one.message for one in view.warnings if one.until is None] == ["nothing was written for 15 min"]
    assert view.refresh() and view.status == "interrupted" and not any(one.until is None for one in view.warnings)


def test_the_paired_error_is_that_of_the_mean_where_rows_are_alike() -> None:
    now, best = [2.0, 4.0, 6.0, 9.0], [1.0, 4.0, 4.0, 5.0]
    above, error = paired(now, best, [1, 1, 1, 1])
    differences = [1.0, 0.0, 2.0, 4.0]
    mean = sum(differences) / 4
    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / 3)
    assert above == mean and error == pytest.approx(spread / 2)
    assert paired([3.0], [1.0], [2]) == (1.0, None)
    # A shift in proportion to the tokens is no noise.
    assert paired([2.0, 5.0], [1.0, 2.0], [1, 3]) == (1.0, 0.0)


def test_the_best_evaluation_comes_back_with_its_checkpoint(tmp_path: Path) -> None:
    first = Validation()
    assert first.take(0, [(0, 9.0, 2), (1, 9.0, 2)]) == {
        "loss": 4.5, "best": False, "above_best": None, "standard_error": None
    }  # fmt: skip
    assert first.take(10, [(1, 4.0, 2), (0, 2.0, 2)])["best"]
    worse = first.take(20, [(0, 3.0, 2), (1, 5.0, 2)])
    assert worse == {"loss": 2.0, "best": False, "above_best": 0.5, "standard_error": 0.0} and first.worse == 1
    first.save(tmp_path)
    second = Validation()
    second.load(tmp_path, {"step": 10, "loss": 1.5})
    assert second.worse == 1
    assert second.take(30, [(0, 3.0, 2), (1, 5.5, 2)]) == first.take(30, [(0, 3.0, 2), (1, 5.5, 2)])
    third = Validation()
    third.load(tmp_path / "nowhere", {"step": 10, "loss": 1.5})
    assert third.take(30, [(0, 3.0, 2), (1, 5.0, 2)])["above_best"] is None
