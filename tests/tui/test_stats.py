"""The numbers screen, by its keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.stats import StatsScreen
from tui.widgets.dialogs import AskDialog

EVIL = "[bold]x[/] \x1b]52;c;eA==\x07"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


async def test_numbers_and_slices_by_keys(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [
        {"prompt": f"Where is {n}?", "completion": "On its way.", "topic": EVIL if n % 3 else "b"} for n in range(90)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        await pilot.press("d")
        await until(pilot, lambda: "90 usable" in shown(app) and "median 12" in shown(app))
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = "topic"
        await pilot.press("enter")
        await until(pilot, lambda: "mean characters of prompts and answers by" in shown(app))
        assert "[bold]x[/]" in shown(app)
        assert_inert(app)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = "nope"
        await pilot.press("enter")
        await until(pilot, lambda: "no row has the field" in shown(app))
        assert isinstance(app.screen, StatsScreen) and "90 usable" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))
