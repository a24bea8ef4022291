"""The table of runs, by its keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input

from core.files import JsonlWriter, write_json
from core.runs.folder import RunFolder, list_runs
from core.runs.glimpse import LONG_BYTES
from core.runs.pins import pinned
from tests.fake_run import make_run
from tests.runs_help import wait
from tests.tui.screen_text import assert_inert, sees, shown, until
from tui.app import DiapasonApp
from tui.screens.monitor import MonitorScreen
from tui.screens.runs import RunsScreen
from tui.screens.runs_state import RunLine, RunsReader, chosen
from tui.widgets.dialogs import AskDialog, ConfirmDialog
from tui.widgets.rows import RowList


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return [
        make_run(name="contracts"),
        make_run(name="support \x1b]0;x\x07[red]voice", steps=20, status="stopped"),
        make_run(name="letters", steps=30, status="failed", reason="the disk is full"),
    ]


def order(app: DiapasonApp) -> list[str]:
    text = shown(app)
    return sorted(("contracts", "support", "letters"), key=lambda name: text.find(name) % 10**6)


def with_card(run: RunFolder) -> None:
    """The run had a card for an hour, at 360 W."""
    events = [json.loads(line) for line in run.events.read_text().splitlines()]
    events[0] |= {"device": "NVIDIA H200", "world_size": 1}
    for event in events:
        event["m"] = 0.0 if event is not events[-1] else 3600.0
    run.events.write_text("".join(json.dumps(event) + "\n" for event in events))
    write_json(run.state_file, run.state() | {"slot": "GPU-1"})
    writer = JsonlWriter(run.gpu)
    for minute in range(61):
        cards = [{"uuid": "GPU-1", "power_w": 360.0}, {"uuid": "GPU-2", "power_w": 700.0}]
        writer.write({"t": minute * 60.0, "m": minute * 60.0, "gpus": cards})


def test_what_each_run_used_is_counted_once(runs: list[RunFolder]) -> None:
    with_card(runs[0])
    reader = RunsReader()
    for _ in range(2):
        line = next(line for line in reader.read() if line.id == runs[0].id)
        assert line.gpu_hours == pytest.approx(1.0) and line.energy == pytest.approx(0.36)
    JsonlWriter(runs[0].gpu).write({"t": 3660.0, "m": 3660.0, "gpus": [{"uuid": "GPU-1", "power_w": 360.0}]})
    line = next(line for line in reader.read() if line.id == runs[0].id)
    assert line.energy == pytest.approx(0.366)
    other = next(line for line in reader.read() if line.id == runs[1].id)
    assert other.gpu_hours is None and other.energy is None


def test_orders_put_pins_first_and_what_is_unknown_last(runs: list[RunFolder]) -> None:
    make_run(name="empty", steps=0, total_steps=40, status="failed")
    lines = RunsReader().read()
    assert [line.name for line in chosen(lines, "", "newest")][0] == "empty"
    assert [line.name for line in chosen(lines, "", "best eval")][-1] == "empty"
    assert [line.name for line in chosen(lines, "FAILED lora", "name")] == ["empty", "letters"]
    assert chosen(lines, "nothing like it", "name") == []


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_sort_filter_pin_and_compare(runs: list[RunFolder], size: tuple[int, int]) -> None:
    with_card(runs[0])
    app = DiapasonApp("home")
    async with app.run_test(size=size, notifications=True) as pilot:
        await sees(pilot, "contracts")
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "3 runs" in shown(app))
        assert_inert(app)
        assert order(app) == ["letters", "support", "contracts"]
        assert ("0.360" in shown(app) and "1.00" in shown(app)) == (size[0] == 200)
        app.screen.query_one(RowList).go(runs[0].id)
        await pilot.press("c")
        await sees(pilot, "no other run is pinned")
        await pilot.press("space")
        await until(pilot, lambda: pinned() == (runs[0].id,) and order(app)[0] == "contracts")
        await pilot.press("o", "o", "o")
        await sees(pilot, "by name")
        app.screen.query_one(RowList).go(runs[1].id)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        await sees(pilot, "━ contracts")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = "stopped"
        await pilot.press("enter")
        await until(pilot, lambda: "1 of 3 runs" in shown(app) and "letters" not in shown(app))
        await pilot.press("escape")
        await sees(pilot, "3 runs")
        app.screen.query_one(RowList).go(runs[0].id)
        await pilot.press("space")
        await until(pilot, lambda: pinned() == ())


async def test_report_and_clean_up(runs: list[RunFolder], tmp_path: Path) -> None:
    app = DiapasonApp("runs")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await sees(pilot, "3 runs")
        app.screen.query_one(RowList).go(runs[0].id)
        for _ in range(2):
            await pilot.press("w")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            app.screen.query_one(Input).value = str(tmp_path / "report.html")
            await pilot.press("enter")
            if _:
                await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Replace" in shown(app))
                await pilot.press("right", "enter")
            await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "wrote" in shown(app))
        assert "contracts" in (tmp_path / "report.html").read_text()
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        before = sorted(runs[0].checkpoints.iterdir())
        await pilot.press("escape")
        assert sorted(runs[0].checkpoints.iterdir()) == before
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("right", "enter")
        await sees(pilot, "removed")
        assert len(list(runs[0].checkpoints.iterdir())) == 1


async def test_a_fork_is_asked_for_and_its_errors_are_told(runs: list[RunFolder]) -> None:
    app = DiapasonApp("runs")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await sees(pilot, "3 runs")
        app.screen.query_one(RowList).go(runs[1].id)
        for text, said in (
            ("lora.r=4", "cannot change"),
            ("from=soon", "takes a step"),
            ("'open", "cannot be read"),
            ("from=7", "has no whole checkpoint of step 7"),
        ):
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            app.screen.query_one(Input).value = text
            await pilot.press("enter")
            await sees(pilot, said)
        assert len(list_runs()) == 3


async def test_resume_asks_about_what_differs(runs: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("core.worker.recover.resume", lambda run, force=False: asked.append(force))
    recipe = "name: x\nmodel: starter\nmethod: lora\ndata:\n  train: train.jsonl\ntrain:\n  learning_rate: 0.5\n"
    runs[1].recipe_file.write_text(recipe)
    app = DiapasonApp("runs")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await sees(pilot, "3 runs")
        app.screen.query_one(RowList).go(runs[0].id)
        await pilot.press("r")
        await sees(pilot, "needs no resuming")
        app.screen.query_one(RowList).go(runs[1].id)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "learning_rate" in shown(app))
        assert asked == []
        await pilot.press("right", "enter")
        await until(pilot, lambda: asked == [True])


def test_of_a_long_run_no_figure_is_shown_that_a_sample_cannot_know(runs: list[RunFolder]) -> None:
    writer, last = JsonlWriter(runs[0].events), 3000
    for step in range(41, last + 1):
        writer.write({"event": "step", "step": step, "loss": 1.0, "m": step * 1.0, "padding": "x" * 1500})
    assert runs[0].events.stat().st_size > LONG_BYTES
    reader = RunsReader()

    def line() -> RunLine:
        return next(one for one in reader.read() if one.id == runs[0].id)

    first = line()
    assert first.step == last and (first.best, first.worked, first.gpu_hours) == (None, None, None)
    wait(lambda: line().best is not None, 60, "the process that reads all of it")
    assert line().worked is not None
    reader.looks.close()
