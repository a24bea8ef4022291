"""Conversion by the keys: what would be lost is shown, and nothing is written unless told."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.data.dataset import open_dataset
from tests.tui.screen_text import assert_inert, sees, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.convert import FORMS, ConvertScreen
from tui.widgets.dialogs import AskDialog
from tui.widgets.rows import RowList

EVIL = "a\x1b[2J[@click=app.quit]x[/]\u202e"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    talk = [{"role": "user", "content": "Tell of tides"}, {"role": "assistant", "content": "The moon."}]
    path.write_text(json.dumps({"messages": talk, "lang": "en"}) + "\n" + json.dumps({"messages": talk}) + "\n")
    return path


@asynccontextmanager
async def on(path: Path, size: tuple[int, int] = (160, 45)) -> AsyncGenerator[Pilot[Any], None]:
    """The data screen, then `v`."""
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.why_no_rows() is None)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, ConvertScreen) and app.screen.query("#forms"))
        yield pilot


async def choose(pilot: Pilot[Any], format: str, form: str = "", name: str | None = None) -> None:
    """Put the cursor on a format, press enter, and name the file."""
    number = next(n for n, one in enumerate(FORMS) if one[:2] == (format, form))
    forms = pilot.app.screen.query_one("#forms", RowList)
    while forms.current != str(number):
        before = forms.current
        await pilot.press("down")
        await until(pilot, lambda before=before: forms.current != before)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
    if name is not None:
        pilot.app.screen.query_one(Input).value = name
    await pilot.press("enter")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_what_loses_nothing_is_written_and_opened(tmp_path: Path, data: Path, size: tuple[int, int]) -> None:
    async with on(data, size) as pilot:
        await sees(pilot, "data.jsonl · chat into …", "TRL: conversational prompt")
        await pilot.press("l")
        await sees(pilot, "nothing was refused")
        await choose(pilot, "sharegpt")
        await sees(pilot, "Nothing is lost.", "2 rows")
        assert rows(tmp_path / "data.sharegpt.jsonl")[1] == {
            "conversations": [{"from": "human", "value": "Tell of tides"}, {"from": "gpt", "value": "The moon."}]
        }
        assert_inert(pilot.app)
        await pilot.press("o")
        await sees(pilot, "data.sharegpt.jsonl", "Tell of tides")


async def test_what_would_be_lost_is_shown_and_written_only_when_told(tmp_path: Path, data: Path) -> None:
    table = tmp_path / "pairs.csv"
    odd = rows(data)[1] | {EVIL: 1}
    with data.open("a") as file:
        file.write("not json\n" + json.dumps(odd) + "\n")
    async with on(data) as pilot:
        await choose(pilot, "prompt-completion", name=str(table))
        await sees(
            pilot, "Nothing is written. This would be lost:", "rows that cannot be used", "a field", "l writes it"
        )
        assert not table.exists()
        assert_inert(pilot.app)
        await pilot.press("l")
        await sees(pilot, "This is lost:", "4 rows became 3")
        assert table.read_text().splitlines()[1].startswith("Tell of tides,The moon.")


async def test_a_template_makes_text(tmp_path: Path, data: Path) -> None:
    async with on(data) as pilot:
        await pilot.press("t")
        await sees(pilot, "a template is for the format text")
        await choose(pilot, "text", name="nowhere/at/all.jsonl")
        await sees(pilot, "it did not work", "the folder does not exist")
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        pilot.app.screen.query_one(Input).value = "Q: {question}"
        await pilot.press("enter")
        await sees(pilot, "there is no field `{question}`", "{prompt} and {answer}")
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        pilot.app.screen.query_one(Input).value = "Q: {prompt} A: {answer}"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConvertScreen))
        await choose(pilot, "text")
        await sees(pilot, "This would be lost:")
        await pilot.press("l")
        await sees(pilot, "This is lost:")
    assert rows(tmp_path / "data.text.jsonl")[1] == {"text": "Q: Tell of tides A: The moon."}


async def test_esc_stops_and_leaves_no_half(tmp_path: Path, data: Path) -> None:
    data.write_bytes(data.read_bytes().splitlines(keepends=True)[1] * 30_000)
    app = DiapasonApp("convert", path=data, dataset=open_dataset(data))
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ConvertScreen) and app.screen.query("#forms"))
        screen = app.screen
        assert isinstance(screen, ConvertScreen)
        await choose(pilot, "sharegpt")
        await until(pilot, screen.why_no_write)
        await pilot.press("escape")
        await sees(pilot, "Stopped: nothing is written.")
    assert {path.name for path in tmp_path.iterdir()} <= {"data.jsonl", "home"}
