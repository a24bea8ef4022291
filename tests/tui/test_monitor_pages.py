"""The monitor's pages: search in the log, events, the recipe."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.files import JsonlWriter, read_json, write_json
from core.runs.tail import lines_with
from tests.fake_run import make_run
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.screens.home import HomeScreen
from tui.screens.monitor_pages import config_text, events_text, flat


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


async def test_the_log_is_searched() -> None:
    run = make_run(steps=600, total_steps=600, every=100)
    with run.attempt_log(1).open("a") as log:
        log.write("Watch [/b] OUT \x1b[2J\n")
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "600 / 600" in shown(app))
        await pilot.press("slash", *"17/600", "enter")
        await until(pilot, lambda: "lines with" in shown(app) and "517/600 loss" in shown(app))
        # Beyond the tail that is shown otherwise.
        assert "17/600 loss" in shown(app) and "518/600" not in shown(app)
        await pilot.press("slash", "ctrl+u", *"[/b] out", "enter")
        await until(pilot, lambda: "[/b]" in shown(app) and "17/600" not in shown(app))
        assert_inert(app)
        await pilot.press("slash", "ctrl+u", *"nowhere", "enter")
        await until(pilot, lambda: "no line holds it" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "600/600 loss" in shown(app) and "lines with" not in shown(app))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_events_and_recipe_have_panes() -> None:
    run = make_run()
    writer = JsonlWriter(run.runner_events)
    writer.write({"t": time.time(), "m": 1.0, "event": "oom_retry", "micro_batch": 2, "accumulation": 8})
    writer.close()
    writer = JsonlWriter(run.events)
    writer.write({"t": time.time(), "m": 1.0, "event": "log", "level": "warning", "message": "[b]odd\x1b]0;x\x07"})
    writer.close()
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "40 / 40" in shown(app))
        await pilot.press("5")
        await until(pilot, lambda: "oom_retry" in shown(app) and "micro_batch 2  accumulation 8" in shown(app))
        assert "[b]odd" in shown(app) and "raw" not in shown(app)
        assert_inert(app)
        await pilot.press("6")
        await until(pilot, lambda: "train.learning_rate" in shown(app) and "0.0002" in shown(app))
        await pilot.press("6")
        await until(pilot, lambda: "raw" in shown(app) and "train.learning_rate" not in shown(app))


async def test_a_recipe_that_is_none_is_said() -> None:
    run = make_run()
    spec = json.loads(run.spec_file.read_text())
    write_json(run.spec_file, {**spec, "recipe": ["not", "a", "mapping"]})
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "the run has no recipe" in shown(app))


def test_odd_values_read_as_text() -> None:
    assert flat({"a": {"b": None, "c": 2e-4}, "d": [1, 2], "e": True, "f": float("nan")}) == {
        "a.c": "0.0002", "d": "[1, 2]", "e": "true", "f": "NaN",
    }  # fmt: skip
    assert "unknown" in events_text([{"event": 7, "t": "soon"}]).plain
    assert config_text({}).plain and events_text([]).plain


def test_lines_are_found_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert lines_with(path, "x", 3) == []
    path.write_bytes(b"Xa\n1\rxb\r\nn\nxc\n\xffx\n")
    assert lines_with(path, "x", 3) == ["xb", "xc", "\ufffdx"]


async def test_the_rounds_that_led_to_a_run_stand_above_its_recipe() -> None:
    first = make_run(name="first [b]")
    run = make_run(name="second")
    write_json(run.spec_file, {**(read_json(run.spec_file) or {}), "start": {"run": first.id}})
    writer = JsonlWriter(run.events)
    writer.write({"t": time.time(), "m": 1.0, "event": "eval", "step": 40, "loss": 0.6, "margin": 0.25})
    writer.close()
    app = DiapasonApp("monitor", run=run)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "40 / 40" in shown(app))
        await pilot.press("6")
        assert "margin +0.250 between good and bad" in shown(app)
        await until(pilot, lambda: "1  first [b]: " in shown(app) and "2  second: " in shown(app))
        assert_inert(app)
