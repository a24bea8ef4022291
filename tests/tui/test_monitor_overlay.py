"""Other runs beside the one that the monitor shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.files import write_json
from core.runs.folder import RunFolder
from tests.fake_run import make_run
from tests.tui.screen_text import assert_inert, shown, told, until
from tui.app import DiapasonApp
from tui.screens.monitor import MonitorScreen
from tui.screens.monitor_overlay import OverlayDialog, colours
from tui.widgets.chart import Chart


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def with_recipe(run: RunFolder, **train: object) -> RunFolder:
    spec = json.loads(run.spec_file.read_text())
    spec["recipe"]["train"].update(train)
    write_json(run.spec_file, spec)
    return run


def below(app: DiapasonApp) -> str:
    found = app.screen.query_one("#loss", Chart)._border_subtitle
    return found.plain if found is not None else ""


async def test_other_runs_are_laid_over_and_their_recipes_compared() -> None:
    with_recipe(make_run(name="older [b]", steps=80, total_steps=80), learning_rate=1e-3)
    run = make_run(name="newer")
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: "40 / 40" in shown(app))
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayDialog) and "older [b]" in shown(app))
        assert "[ ] older [b]" in shown(app)
        await pilot.press("space")
        await until(pilot, lambda: "[x] older [b]" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and "older [b]" in below(app))
        # The axis reaches as far as the longest.
        await until(pilot, lambda: "─ 80 │" in shown(app))
        await pilot.press("right", "shift+right", "shift+right")
        await until(pilot, lambda: "older [b] 0.8" in below(app) or "older [b] 1." in below(app))
        await pilot.press("x", "x", "x", "escape", "6")
        await until(pilot, lambda: "differ in" in shown(app) and "0.001" in shown(app))
        assert_inert(app)
        await pilot.press("6", "o")
        await until(pilot, lambda: isinstance(app.screen, OverlayDialog))
        await pilot.press("space", "enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and "checkpoint" in below(app))


async def test_without_another_run_it_says_so() -> None:
    app = DiapasonApp("monitor", run=make_run())
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: "40 / 40" in shown(app))
        await pilot.press("o")
        await until(pilot, lambda: "there is no other run" in told(app))


async def test_four_are_the_most() -> None:
    for number in range(5):
        make_run(name=f"run {number}", steps=10, total_steps=10)
    app = DiapasonApp("monitor", run=make_run())
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: "40 / 40" in shown(app))
        await pilot.press("o", *["space", "down"] * 5, "enter")
        await until(pilot, lambda: "4 runs at most; 5 are chosen" in told(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))


def test_a_colour_is_the_runs_own_and_stays_when_others_come() -> None:
    ids = [f"01J{number:04}" for number in range(60)]
    for id in ids:
        assert colours([id]) == colours([id])
    assert len({colours([id])[id] for id in ids}) == 4
    for start in range(50):
        some = ids[start : start + 4]
        assert len(set(colours(some).values())) == 4
        assert all(colours(some).items() >= colours(some[:count]).items() for count in range(1, 4))
