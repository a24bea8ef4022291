"""New files beside data whose folder has a name that must not reach the terminal: they land in that very folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.endpoint import completion, serve, variants
from tests.tui.screen_text import assert_inert, sees, until
from tui.app import DiapasonApp
from tui.screens.augment import AugmentScreen
from tui.screens.browse import BrowseScreen
from tui.screens.convert import ConvertScreen
from tui.screens.split import SplitScreen
from tui.widgets.dialogs import AskDialog, ConfirmDialog


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    folder = tmp_path / "a\x1b[2Jb\u202ec"
    folder.mkdir()
    path = folder / "data.jsonl"
    rows = [{"prompt": f"Where is parcel number {n}?", "completion": f"On its way, {n}."} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def browse(pilot: Pilot[Any]) -> None:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)


async def test_parts_land_beside_the_source(data: Path) -> None:
    app = DiapasonApp("browse", path=data)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await browse(pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SplitScreen) and app.screen.query("#out"))
        assert_inert(app)
        assert "\x1b" not in app.screen.query_one("#out", Input).value
        await pilot.press("ctrl+s")
        await sees(pilot, "written")
    assert (data.parent / "data.parts" / "train.jsonl").is_file()


async def test_a_path_that_was_edited_is_taken_as_it_stands(data: Path, tmp_path: Path) -> None:
    app = DiapasonApp("browse", path=data)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await browse(pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SplitScreen) and app.screen.query("#out"))
        app.screen.query_one("#out", Input).value = str(tmp_path / "mine")
        await pilot.press("ctrl+s")
        await sees(pilot, "written")
    assert (tmp_path / "mine" / "train.jsonl").is_file() and not (data.parent / "data.parts").exists()


async def test_variants_land_beside_the_source(data: Path) -> None:
    answer = lambda body, before: completion(variants(body["messages"][0]["content"], 2))  # noqa: E731
    with serve(answer) as endpoint:
        app = DiapasonApp("browse", path=data)
        async with app.run_test(size=(160, 45), notifications=True) as pilot:
            await browse(pilot)
            await pilot.press("a")
            await until(pilot, lambda: isinstance(app.screen, AugmentScreen) and app.screen.query("#out"))
            screen = app.screen
            for name, value in {"endpoint": endpoint.url, "model": "tiny", "n": "2", "rows": "1"}.items():
                screen.query_one(f"#{name}", Input).value = value
            await pilot.press("ctrl+s")
            await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
            assert_inert(app)
            await pilot.press("right", "enter")
            await sees(pilot, "Review 2 variants now?")
    assert (data.parent / "data.variants.jsonl").is_file()


async def test_a_converted_file_lands_beside_the_source(data: Path) -> None:
    app = DiapasonApp("browse", path=data)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await browse(pilot)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, ConvertScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        assert_inert(app)
        await pilot.press("enter")
        await sees(pilot, "written")
    assert (data.parent / "data.alpaca.jsonl").is_file()
