"""The monitor: its charts, what it says, its keys, and that it follows a run that grows."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.files import JsonlWriter, Lock, write_json
from core.runs.decimate import MOST, Decimated, smooth
from core.runs.folder import RunFolder
from core.runs.view import RunView
from tests.fake_run import make_run, write_events
from tests.tui.screen_text import shown, until
from tui.app import DiapasonApp
from tui.screens.evaluation import EvaluationScreen
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.monitor_state import MonitorReader
from tui.screens.monitor_text import facts_line, headline, notes
from tui.widgets.chart import Curve, Marks, Plot, draw, round_values
from tui.widgets.dialogs import ConfirmDialog


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@pytest.fixture
def training() -> Iterator[RunFolder]:
    make_run(name="older")
    run = make_run(name="contracts-v2", status="running", steps=412, total_steps=1200, every=50)
    lock = Lock(run.lock_file)
    assert lock.acquire()
    yield run
    lock.release()


# -- charts -------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, max_size=200), st.integers(0, 90), st.integers(0, 30), st.booleans())
@example([1.7e308], 12, 2, False)
@example([6e307], 12, 2, True)
@example([2.2250738585072014e-308], 12, 2, False)
@example([5e-324, 1e-300], 12, 2, False)
def test_any_values_draw_within_the_size(values: list[float], width: int, height: int, log: bool) -> None:
    series = Decimated()
    series.follow([float(x) for x in range(len(values))], values)
    band = [(b.x, b.low, b.high) for b in series.buckets if b.count]
    points = [(float(x), y) for x, y in enumerate(values)]
    plot = Plot([Curve("a", band=band), Curve("b", points)], [Marks("c", points[:5])], [(0.0, "▵", "d")], log=log)
    lines = draw(plot, width, height)
    assert len(lines) <= max(1, height)
    assert all(line.cell_length <= max(width, 0) for line in lines)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6000), st.integers(1, 900))
def test_a_long_series_keeps_its_extremes(count: int, step: int) -> None:
    ys = [math.sin(x * 0.7) * (x % 97) for x in range(count)]
    series = Decimated()
    for end in range(0, count + step, step):
        series.follow([float(x) for x in range(min(end, count))], ys[: min(end, count)])
    assert len(series.buckets) <= MOST
    assert sum(bucket.points for bucket in series.buckets) == count
    if count:
        assert min(bucket.low for bucket in series.buckets) == min(ys)
        assert max(bucket.high for bucket in series.buckets) == max(ys)


def test_a_series_that_was_cut_starts_over() -> None:
    series = Decimated()
    series.follow([1.0, 2.0, 3.0], [5.0, 6.0, 9.0])
    series.follow([1.0, 2.0], [5.0, 6.0])
    assert [bucket.mean for bucket in series.buckets] == [5.0, 6.0]
    series.follow([1.0, 2.5, 3.0], [5.0, 7.0, 8.0])
    assert [bucket.mean for bucket in series.buckets] == [5.0, 7.0, 8.0]


def test_nan_is_a_gap_and_smoothing_passes_over_it() -> None:
    series = Decimated()
    series.follow([1.0, 2.0, 3.0], [2.0, math.nan, 2.0])
    means = [y for _, y in smooth(series.buckets, 5)]
    assert means[0] == pytest.approx(2.0) and math.isnan(means[1]) and means[2] == pytest.approx(2.0)


def test_a_constant_series_and_one_point_are_drawn() -> None:
    for points in ([(1.0, 5.0)], [(float(x), 5.0) for x in range(9)]):
        text = "\n".join(line.plain for line in draw(Plot([Curve("a", points)]), 30, 6))
        assert any("⠀" < char <= "⣿" for char in text)


def test_labels_are_round() -> None:
    assert round_values(0.61, 3.05, 4) == [1.0, 2.0, 3.0]
    assert round_values(0, 0.0002, 3) == pytest.approx([0, 0.0001, 0.0002])
    assert round_values(-3, 2, 6, log=True) == [-3, -2, -1, 0, 1, 2]


def test_the_loss_falls_from_the_upper_left() -> None:
    points = [(float(x), 3 * math.exp(-x / 20)) for x in range(100)]
    lines = [line.plain for line in draw(Plot([Curve("a", points)]), 60, 12)]
    first, last = lines[-1].index("└") + 1, len(lines[-2])
    assert lines[0][first:].strip()[:1]
    assert not lines[0][last // 2 :].strip()
    assert lines[-2][last // 2 :].strip()


def test_drawing_10_000_steps_at_full_screen_is_quick() -> None:
    xs = [float(x) for x in range(10_000)]
    ys = [2 * math.exp(-x / 900) + 0.1 * math.sin(x * 1.3) for x in xs]
    series = Decimated()
    series.follow(xs, ys)
    plot = Plot(
        [Curve("a", band=[(b.x, b.low, b.high) for b in series.buckets]), Curve("b", smooth(series.buckets, 50))]
    )
    used = []
    for _ in range(5):
        begin = time.process_time()
        draw(plot, 200, 50)
        used.append(time.process_time() - begin)
    # 20 ms is the aim on a quiet core; shared cores with hyper-threads are up to several times slower.
    assert min(used) < 0.1


# -- words --------------------------------------------------------------------------------------------------


def words_of(run: RunFolder) -> str:
    found = MonitorReader(run).read()
    return "\n".join(line.plain for line in notes(found))


def test_it_says_what_happened_and_what_is_next() -> None:
    assert "Trained to the end" in (text := words_of(make_run())) and "e evaluate" in text
    stopped = words_of(make_run(status="stopped", steps=20))
    assert "Was stopped at step 20 of 40" in stopped and "r resume" in stopped
    failed = words_of(make_run(status="failed", steps=12, reason="out of memory", hint="Use qlora."))
    assert "Failed at step 12 of 40: out of memory" in failed and "Use qlora." in failed
    assert "Was cut off at step 12 of 40" in words_of(make_run(status="running", steps=12))


def test_it_says_that_a_loss_is_no_number_and_that_it_was_restarted() -> None:
    run = make_run(status="running", steps=20)
    writer = JsonlWriter(run.events)
    writer.write(
        {"t": time.time(), "m": time.monotonic(), "event": "step", "step": 21, "epoch": 1.5, "loss": math.nan}
    )
    writer.close()
    assert "the loss at step 21 is not a number" in words_of(run)
    write_events(run, first=11, steps=15, total_steps=40, attempt=2)
    text = words_of(run)
    assert "was restarted once, the last time from the checkpoint of step 10" in text
    assert "not a number" not in text


def test_a_mirror_is_told_of() -> None:
    run = make_run()
    write_json(
        run.state_file, {**run.state(), "mirror": {"status": "failing", "step": 40, "at": 1.0, "reason": "\x1b[2J"}}
    )
    assert notes(MonitorReader(run).read())[0].plain == "! the mirror fails: ␛[2J"
    write_json(run.state_file, {**run.state(), "mirror": {"status": "ok", "step": 40, "at": 1.0, "reason": None}})
    assert "mirror copied 40" in facts_line(MonitorReader(run).read(), False).plain


def test_silence_is_noticed(training: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    old = time.time() - 900
    os.utime(training.events, (old, old))
    assert "nothing was written for 15 m" in words_of(training)


def test_the_top_line_keeps_what_matters_most(training: RunFolder) -> None:
    found = MonitorReader(training).read()
    for width in (40, 60, 78, 120, 198):
        left, right = headline(found, width)
        assert left.cell_length + right.cell_length + 2 <= width or width < 60
        assert "contracts-v2" in left.plain and "training" in left.plain
        assert right.plain.endswith("left")
    assert "best 0.853  at step 350" in headline(found, 198)[0].plain


# -- the screen ---------------------------------------------------------------------------------------------


async def test_it_follows_a_run_that_grows(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 40), notifications=True) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await until(pilot, lambda: "thank you for writing! (after 400 steps)" in shown(app))
        await until(pilot, lambda: "412/1200 loss" in shown(app))
        event = {"t": time.time(), "m": time.monotonic(), "event": "step", "step": 413, "epoch": 1.1, "loss": 0.5,
                 "grad_norm": 1.0, "learning_rate": 1e-4, "tokens": 9e5, "tokens_per_second": 4000.0}  # fmt: skip
        writer = JsonlWriter(training.events)
        writer.write(event)
        await until(pilot, lambda: "step 413 / 1 200" in shown(app))
        writer.write({"t": time.time(), "m": time.monotonic(), "event": "end", "status": "completed", "step": 413})
        writer.close()
        state = json.loads(training.state_file.read_text())
        write_json(training.state_file, {**state, "status": "completed", "ended": time.time()})
        await until(pilot, lambda: "Stopped early at step 413 of 1 200" in shown(app))
        await until(pilot, lambda: "contracts-v2 is done" in shown(app))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EvaluationScreen))


async def test_an_evaluation_at_work_is_shown() -> None:
    run = make_run(name="support-fr")
    job = make_run(name="evaluate", parent=run.jobs_folder, status="running", steps=0)
    spec = json.loads(job.spec_file.read_text())
    write_json(job.spec_file, {**spec, "kind": "evaluate"})
    writer = JsonlWriter(job.events)
    writer.write(
        {"t": time.time(), "m": time.monotonic(), "event": "progress", "phase": "tuned", "done": 40, "total": 200}
    )
    writer.close()
    lock = Lock(job.lock_file)
    assert lock.acquire()
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "evaluation: tuned 40 / 200" in shown(app))
    lock.release()


async def test_panes_log_scale_and_back(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("l")
        await until(pilot, lambda: "412/1200 loss" in shown(app) and "samples at" not in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: "gradient norm" in shown(app) and "raw" not in shown(app))
        await pilot.press("3")
        await until(pilot, lambda: "Puis-je être remboursé" in shown(app))
        await pilot.press("comma")
        await until(pilot, lambda: "samples at step 350" in shown(app))
        await pilot.press("escape", "y")
        await until(pilot, lambda: "loss, log scale" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_stop_and_checkpoint_reach_the_runner(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "training" in shown(app))
        await pilot.press("c")
        await until(pilot, lambda: len(list(training.control.glob("*.json"))) == 1)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Stop contracts-v2?" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        commands = [json.loads(path.read_text())["command"] for path in training.control.glob("*.json")]
        assert commands == ["checkpoint"]


async def test_switching_between_runs(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "contracts-v2" in shown(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "older  done" in shown(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: any("this is the oldest run" in notice.message for notice in app._notifications))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "contracts-v2  training" in shown(app))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_looks(
    snap_compare: Any, training: RunFolder, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(RunView, "elapsed_seconds", property(lambda _: 215.0))

    async def settled(pilot: Any) -> None:
        await until(pilot, lambda: "step 412 / 1 200" in shown(pilot.app) and "after 400 steps" in shown(pilot.app))
        # What depends on the room there is comes with the second paint.
        log = pilot.app.screen.query_one("#log")
        await until(pilot, lambda: not log.is_on_screen or not log.show_vertical_scrollbar)

    assert snap_compare(DiapasonApp("monitor", run=training), terminal_size=size, run_before=settled)
