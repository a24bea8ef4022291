"""The monitor's charts: the value read-out, zoom and pan, other axes, panels, marks."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.files import JsonlWriter, Lock, write_json
from core.runs.course import FINE, Course
from core.runs.course_cache import cache_file
from core.runs.folder import RunFolder
from tests.fake_run import make_run, write_events
from tests.tui.screen_text import shown, until
from tui.app import DiapasonApp
from tui.screens.monitor import MonitorScreen
from tui.screens.monitor_axis import Axis, Knots, knots
from tui.screens.monitor_parts import mfu_text, split_text
from tui.screens.monitor_plots import PANELS, loss_plot, side_plot
from tui.screens.monitor_state import MonitorReader
from tui.widgets.chart import Chart, Curve, Plot, draw


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@pytest.fixture
def training() -> Iterator[RunFolder]:
    run = make_run(name="contracts-v2", status="running", steps=412, total_steps=1200, every=50)
    lock = Lock(run.lock_file)
    assert lock.acquire()
    yield run
    lock.release()


def below(app: DiapasonApp, name: str) -> str:
    """What the frame of a chart says below it."""
    found = app.screen.query_one(f"#{name}", Chart)._border_subtitle
    return found.plain if found is not None else ""


def screen_of(app: DiapasonApp) -> MonitorScreen:
    screen = app.screen
    assert isinstance(screen, MonitorScreen)
    return screen


async def test_the_cursor_reads_every_chart(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 44)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        assert "checkpoint" in below(app, "loss")
        await pilot.press("left")
        loss = 0.8 + 2.4 * math.exp(-412 / 15) + 0.05 * math.sin(412 * 1.7)
        await until(pilot, lambda: "step 412  raw " in below(app, "loss"))
        assert f"raw {loss:.3f}" in below(app, "loss") and "of step 400" in below(app, "loss")
        assert f"raw {1.5 + math.sin(412):.3g}" in below(app, "grad_norm") and "smooth" in below(app, "grad_norm")
        assert "raw 4 200" in below(app, "tokens_per_second") and "smooth" not in below(app, "learning_rate")
        assert "raw 0.8" in shown(app) and "┊" in shown(app)
        await pilot.press("shift+left", "left")
        await until(pilot, lambda: "step 412" not in below(app, "loss"))
        await pilot.press("tab", "tab", "shift+right", "shift+right")
        await until(pilot, lambda: "step 412" in below(app, "loss"))
        await pilot.press("escape")
        await until(pilot, lambda: "checkpoint" in below(app, "loss") and "┊" not in shown(app))
        assert not below(app, "grad_norm")


async def test_zoom_pan_and_back(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 44)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("plus")
        await until(pilot, lambda: screen_of(app).axis.window == pytest.approx((208, 416)))
        await until(pilot, lambda: shown(app).count("208 ─") == 4)
        await pilot.press("less_than_sign")
        await until(pilot, lambda: screen_of(app).axis.window == pytest.approx((104, 312)))
        await pilot.press("right", "plus")
        await until(pilot, lambda: screen_of(app).axis.window == pytest.approx((104, 208)))
        await pilot.press("greater_than_sign", "minus", "minus")
        await pilot.press("0")
        await until(pilot, lambda: screen_of(app).axis.window is None)
        for _ in range(12):
            await pilot.press("plus")
        low, high = screen_of(app).axis.window or (0, 0)
        assert 3 <= high - low < 7


async def test_the_axis_counts_steps_tokens_or_time(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 44)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("left", "x")
        await until(pilot, lambda: "loss by tokens" in shown(app) and " 865 200" in shown(app))
        assert "step 412  tokens 865 200" in below(app, "loss")
        await pilot.press("x")
        await until(pilot, lambda: "loss by time" in shown(app) and " 3 m 26 s" in shown(app))
        await pilot.press("x", "y")
        await until(pilot, lambda: "loss, log scale" in shown(app))


def sampled(run: RunFolder, cards: int = 1, every: float = 5.0, count: int = 40) -> None:
    """Samples of the hardware over the run's time."""
    begin = json.loads(run.events.read_text().splitlines()[0])["t"]
    writer = JsonlWriter(run.gpu)
    for place in range(count):
        use = 50 + place
        card = {"memory_used": (20 + place) * 10**9, "memory_total": 140 * 10**9, "utilisation": use,
                "temperature": 60, "power_w": 400.0 + place}  # fmt: skip
        writer.write({"t": begin + every * (place + 1), "m": 0.0, "gpus": [card] * cards, "ram_used": 8 * 10**9,
                      "ram_total": 16 * 10**9, "disk_free": 90 * 10**9})  # fmt: skip
    writer.close()


async def test_each_panel_is_a_key_away_and_four_are_open_at_most(training: RunFolder) -> None:
    training.gpu.unlink()
    sampled(training, cards=2)
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 60)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("left")
        for panel in PANELS[3:]:
            await pilot.press(panel.key)
            await until(pilot, lambda title=panel.title: title in shown(app))
            assert len(app.screen.query(".side")) == 4
        assert "gpu0 439  gpu1 439" in below(app, "gpu_power")
        assert "now 90.0" in below(app, "disk")
        for panel in PANELS[-4:]:
            await pilot.press(panel.key)
        await until(pilot, lambda: not any(panel.title in shown(app) for panel in PANELS))


async def test_the_read_out_tells_mfu_and_where_the_time_goes() -> None:
    run = make_run(steps=60, total_steps=60, mfu=0.341)
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(150, 44)) as pilot:
        await until(pilot, lambda: "MFU 34.1 %" in below(app, "tokens_per_second"))
        assert "tok/s   MFU 34.1 %" in shown(app)
        await pilot.press("B")
        await until(pilot, lambda: below(app, "split") == "data 2 fwd 30 bwd 58 opt 8 other 2")
        assert "step time split, %" in shown(app)
        await pilot.press("left")
        await until(pilot, lambda: below(app, "split") == "step 60 data 2 fwd 30 bwd 58 opt 8 other 2")
        assert "smooth 4 200  MFU 34.1 %" in below(app, "tokens_per_second")


def test_a_run_without_these_figures_has_a_gap() -> None:
    run = make_run(status="running", steps=20)
    found = MonitorReader(run).read()
    axis = Axis(found.knots, last=40.0)
    assert found.card_known is False and mfu_text(found, axis).plain == "MFU needs a known card"
    lines = [json.loads(line) for line in run.events.read_text().splitlines()]
    for line in lines:
        for name in ("split", "mfu", "peak_flops"):
            line.pop(name, None)
    run.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_events(run, first=21, steps=40, total_steps=40, attempt=2)
    found = MonitorReader(run).read()
    curves = side_plot(found, next(panel for panel in PANELS if panel.name == "split"), axis).curves
    for curve in curves:
        assert [math.isnan(y) for _, y in curve.points] == [True] * 20 + [False] * 20
    assert sum(curve.points[-1][1] for curve in curves) == pytest.approx(100)
    early = replace(axis, cursor=5.0)
    assert split_text(found, early).plain == "not measured"
    old = replace(found, card_known=None)
    assert mfu_text(old, axis).plain == ""
    # Zoomed, only what is shown is drawn.
    (data, *_) = side_plot(found, next(p for p in PANELS if p.name == "split"), replace(axis, window=(30, 35))).curves
    assert [x for x, _ in data.points] == [30, 31, 32, 33, 34, 35]


async def test_a_narrow_terminal_shows_a_panel_alone(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("S")
        await until(pilot, lambda: "seconds a step" in shown(app) and "samples at" not in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "samples at" in shown(app))


def test_marks_and_the_clip_line_are_drawn() -> None:
    run = make_run(status="running", steps=20)
    spec = json.loads(run.spec_file.read_text())
    spec["recipe"]["train"]["max_grad_norm"] = 1.25
    write_json(run.spec_file, spec)
    begin = json.loads(run.events.read_text().splitlines()[0])["t"]
    writer = JsonlWriter(run.runner_events)
    writer.write({"t": begin + 8.0, "m": 0.0, "event": "oom_retry", "micro_batch": 2, "accumulation": 8})
    writer.close()
    write_events(run, first=11, steps=34, total_steps=40, attempt=2, started=begin + 3)
    found = MonitorReader(run).read()
    axis = Axis(found.knots, last=34.0)
    text = draw(loss_plot(found, axis, False), 80, 10)[-1].plain
    assert all(sign in text for sign in "▲▵↻✗")
    norm = side_plot(found, next(panel for panel in PANELS if panel.name == "grad_norm"), axis)
    assert norm.levels == [(1.25, "$warning")]
    assert {sign for _, sign, _ in norm.ticks} == {"↻", "✗"}


def test_a_level_far_away_does_not_press_the_values_flat() -> None:
    points = [(float(x), 0.01 + 0.001 * (x % 3)) for x in range(40)]
    with_level = [line.plain for line in draw(Plot([Curve("a", points)], levels=[(1.0, "b")]), 50, 8)]
    assert with_level == [line.plain for line in draw(Plot([Curve("a", points)]), 50, 8)]
    near = [line.plain for line in draw(Plot([Curve("a", points)], levels=[(0.0125, "b")]), 50, 8)]
    assert near != with_level


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    run = make_run(status="running", steps=20)
    writer = JsonlWriter(run.events)
    for step in range(21, 41):
        value: Any = math.nan if step <= 30 else 1.0
        writer.write({"t": time.time(), "m": time.monotonic(), "event": "step", "step": step, "loss": value})
    writer.close()
    found = MonitorReader(run).read()
    raw, smooth = loss_plot(found, Axis(found.knots, last=40.0), False).curves
    assert [x for x, _, _ in raw.band] == [*range(1, 21), *range(31, 41)]
    assert [x for x, y in smooth.points if math.isnan(y)] == list(range(21, 31))
    lines = draw(Plot([smooth], x_range=(0, 40)), 90, 8)
    margin = lines[-1].plain.index("└") + 1
    cells = {column for line in lines[:-1] for column, sign in enumerate(line.plain[margin:]) if sign != " "}
    width = len(lines[0].plain) - margin
    assert not {column for column in cells if 21.5 / 40 < column / width < 29.5 / 40}


# -- the axis and the course ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["in", "out", "left", "right", "cursor", "back", "by"]), max_size=40),
       st.integers(1, 5000))  # fmt: skip
def test_the_window_stays_within_the_course(keys: list[str], last: int) -> None:
    places = tuple(float(x) for x in range(last + 1))
    axis = Axis(Knots(places, tuple(x * 7 for x in places), tuple(x / 3 for x in places), places), last=float(last))
    for key in keys:
        if key == "by":
            axis = replace(axis, by="tokens" if axis.by == "step" else "step")
        else:
            axis = {
                "in": lambda a: a.zoomed(0.5),
                "out": lambda a: a.zoomed(2.0),
                "left": lambda a: a.panned(-0.5),
                "right": lambda a: a.panned(0.5),
                "cursor": lambda a: a.moved(-10, 80),
                "back": lambda a: a.moved(1, 80),
            }[key](axis)
        low, high = axis.steps
        assert -1e-6 <= low < high <= last + 1e-6
        assert axis.cursor is None or -1e-6 <= axis.cursor <= last + 1e-6


def test_a_second_look_goes_on_from_the_first() -> None:
    run = make_run(status="stopped", steps=6000, total_steps=6000, every=1000)
    first = MonitorReader(run).read()
    assert cache_file(run).exists()
    again = MonitorReader(run).read()
    for name, line in first.lines.items():
        assert list(line.buckets) == list(again.lines[name].buckets) and line.smooth == again.lines[name].smooth
    assert (again.step, again.evals, again.best, again.tokens) == (6000, first.evals, first.best, first.tokens)
    assert again.knots == first.knots and again.portions == first.portions and len(first.portions) > 100


def event(step: int, **values: Any) -> dict[str, Any]:
    return {"event": "step", "step": step, "loss": 1.0, "m": float(step), "t": 1e9 + step, "tokens": step * 10.0,
            "seconds": 1.0, **values}  # fmt: skip


def test_a_long_course_is_kept_in_bounded_room() -> None:
    course = Course()
    for step in range(1, 20_001):
        course.add(event(step))
    assert len(course) <= 1024 and course.step[-1] == 20_000
    assert all(len(column.buckets) <= FINE for column in course.columns.values())
    course.cut(10_000)
    for step in range(10_001, 20_001):
        course.add(event(step, loss=math.nan))
    assert course.columns["loss"].buckets[-1].last == 20_000
    found = knots(course)
    assert len(found.step) == len(found.tokens) == len(found.time) == len(found.clock)
    assert list(found.step) == sorted(found.step) and list(found.time) == sorted(found.time)


async def test_a_long_run_is_shown_as_a_sample_first(training: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.course_cache.LONG_BYTES", 1000)
    monkeypatch.setattr("core.runs.course_cache.SAVE_EVERY", 10)
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 44)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        assert "a sample of its steps" in shown(app)
        # The process beside keeps nothing of so short a run: the app then reads it itself.
        await until(pilot, lambda: "a sample of its steps" not in shown(app))
        assert "best 0.853  at step 350" in shown(app)


async def test_a_restart_takes_back_what_is_zoomed(training: RunFolder) -> None:
    app = DiapasonApp("monitor", run=training)
    async with app.run_test(size=(130, 44)) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        await pilot.press("plus", "plus", "left")
        await until(pilot, lambda: screen_of(app).axis.window == pytest.approx((312, 416)))
        write_events(training, first=101, steps=150, total_steps=1200, every=50, attempt=2)
        await until(pilot, lambda: "step 150 / 1 200" in shown(app))
        await until(pilot, lambda: screen_of(app).axis.steps[1] <= 160)
        assert (screen_of(app).axis.cursor or 0) <= 150
        await pilot.press("0")
        await until(pilot, lambda: screen_of(app).axis.window is None)


async def test_a_damaged_spec_hides_nothing_of_the_course(training: RunFolder) -> None:
    other = make_run(name="bad spec", steps=30, status="stopped")
    other.spec_file.write_text("{")
    app = DiapasonApp("monitor", run=training, beside=[other])
    async with app.run_test(size=(130, 44), notifications=True) as pilot:
        await until(pilot, lambda: "step 412 / 1 200" in shown(app))
        assert not app._notifications
