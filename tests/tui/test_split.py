"""Splitting in the app, by keys, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.screen_text import assert_inert, sees, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.split import SplitScreen

EVIL = "[bold]x[/] \x1b[2J"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def make(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    asked = [f"Where is parcel number {n}, and when does it come to {n * 7} Main Street?" for n in range(60)]
    rows = [{"prompt": text, "completion": f"On its way. {EVIL}"} for text in [*asked, *(f"{a}!" for a in asked)]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    return path


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_parts_by_keys(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make(tmp_path)
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SplitScreen))
        screen = app.screen
        assert isinstance(screen, SplitScreen)
        out = Path(screen.query_one("#out", Input).value)
        for name, value, said in (("test", "2", "no share"), ("seed", "x", "no seed"), ("group", "nope", "nope")):
            box = screen.query_one(f"#{name}", Input)
            kept, box.value = box.value, value
            await pilot.press("ctrl+s")
            await sees(pilot, said)
            await until(pilot, lambda: screen.why_no_split() is None)
            assert not list(out.glob("*.jsonl"))
            box.value = kept
        await pilot.press("ctrl+s")
        await sees(pilot, "written", "1 row with errors", "0 rows held out ask what a training row asks")
        assert_inert(app)
        parts = {name: (out / f"{name}.jsonl").read_text().splitlines() for name in ("train", "validation", "test")}
        assert {name: len(lines) for name, lines in parts.items()} == {"train": 84, "validation": 12, "test": 24}
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.dataset.path.parent == out)


async def test_parts_that_are_there_are_replaced_on_yes_only(tmp_path: Path) -> None:
    path = make(tmp_path)
    old = tmp_path / "parts" / "train.jsonl"
    old.parent.mkdir()
    old.write_text("mine")
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SplitScreen))
        app.screen.query_one("#out", Input).value = str(old.parent)
        await pilot.press("ctrl+s")
        await sees(pilot, "Replace the parts in")
        await pilot.press("escape")
        await sees(pilot, "is there already")
        assert old.read_text() == "mine" and [one.name for one in old.parent.iterdir()] == ["train.jsonl"]
        await pilot.press("ctrl+s")
        await sees(pilot, "Replace the parts in")
        await pilot.press("tab", "enter")
        await sees(pilot, "written")
        assert len(old.read_text().splitlines()) == 84
