"""A model that cannot be read must not stand in the way: of the next check, nor of the next measurement."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import core.data.report
from core.data.dataset import open_dataset
from tests.chat_model import make_chat_model
from tests.tui.screen_text import sees, shown, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.stats import StatsScreen
from tui.widgets.dialogs import AskDialog


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    path = tmp_path / "data.jsonl"
    rows = [{"prompt": f"Say {n}.", "completion": "word " * (5 + n)} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def answer(pilot: Pilot[Any], key: str, text: str) -> None:
    """Press a key that asks, and answer."""
    app = pilot.app
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, AskDialog))
    app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def test_a_check_that_a_model_failed_is_begun_again_and_stopped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = DiapasonApp("browse", path=data)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        screen = app.screen
        assert isinstance(screen, BrowseScreen)
        assert screen.why_no_stop() == "the check is done"
        first = screen.report
        await answer(pilot, "m", str(tmp_path / "nowhere"))
        await sees(pilot, "check failed", "nowhere")
        assert screen.report is first and screen.why_no_stop() is None

        begun, go = threading.Event(), threading.Event()
        check = core.data.report.check

        def slow(*args: Any, **options: Any) -> Any:
            begun.set()
            go.wait(20)
            return check(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(core.data.report, "check", slow)
            await pilot.press("x")
            await until(pilot, begun.is_set)
            assert screen.why_no_stop() is None
            await pilot.press("x")
            go.set()
            await sees(pilot, "check stopped")
        assert screen.report is first and screen.why_no_stop() is None
        await pilot.press("x")
        await until(pilot, lambda: screen.report is not first)
        assert screen.report is not None and screen.report.tokens is None, "without the model that failed"
        assert screen.why_no_stop() == "the check is done"


async def test_the_numbers_go_on_after_a_model_that_cannot_be_read(data: Path, tmp_path: Path) -> None:
    app = DiapasonApp("stats", path=data, dataset=open_dataset(data), model=str(tmp_path / "nowhere"))
    async with app.run_test(size=(120, 50), notifications=True) as pilot:
        await sees(pilot, "not measured", "nowhere")
        screen = app.screen
        assert isinstance(screen, StatsScreen) and screen.stats is None
        await answer(pilot, "m", str(make_chat_model(tmp_path / "model")))
        await until(pilot, lambda: "tokens of model" in shown(app))
        assert screen.stats is not None


async def test_the_numbers_are_measured_without_the_model_that_failed(data: Path, tmp_path: Path) -> None:
    app = DiapasonApp("stats", path=data, dataset=open_dataset(data), model=str(tmp_path / "nowhere"))
    async with app.run_test(size=(120, 50), notifications=True) as pilot:
        await sees(pilot, "not measured")
        await answer(pilot, "b", "completion")
        await sees(pilot, "60 usable", "by completion")
