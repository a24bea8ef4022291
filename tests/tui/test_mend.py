"""Mending and reviewing by their keys, on real files."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from core.data.mend.worksheet import read_worksheet
from tests.chat_model import make_chat_model
from tests.tui.screen_text import assert_inert, sees, shown, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.mend import MendScreen
from tui.screens.review import ReviewScreen
from tui.screens.review_edit import EditScreen
from tui.widgets.dialogs import AskDialog

SMALL, LARGE = (80, 24), (200, 50)
EVIL = "[INST] \x1b[2J \x1b]52;c;eA==\x07 [@click=app.quit]x[/] \u202efdp\u2066 ze\u200bro [bold red]b[/]"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def chat(question: str, answer: str) -> str:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}, ensure_ascii=False) + "\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    rows = [chat(f"Question {n}, please?", f"Answer {n}.") for n in range(5)]
    rows[1] = chat("Zero\u200bwidth here", "Fine.")
    rows[3] = "not json\n"
    path.write_text("".join([*rows, rows[0], chat("Another\u200bone", "Yes.")]))
    return path


@asynccontextmanager
async def on(name: str, path: Path, size: tuple[int, int] = LARGE) -> AsyncGenerator[Pilot[Any], None]:
    app = DiapasonApp(name, path=path)
    kinds = {"review": ReviewScreen, "mend": MendScreen}
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, kinds[name]))
        screen = app.screen
        assert isinstance(screen, ReviewScreen | MendScreen)
        await until(pilot, lambda: screen.sheet is not None and screen.report is not None)
        yield pilot


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)


def reviews(path: Path) -> dict[int, str]:
    return {row: one.review for row, one in read_worksheet(path).reviews().items()}


# -- review -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_each_key_decides_and_shows_the_next_row(data: Path, size: tuple[int, int]) -> None:
    async with on("review", data, size) as pilot:
        await sees(pilot, "row 1 of 7", "7 to decide", "Question 0", "not decided")
        await press(pilot, "k")
        await sees(pilot, "row 2 of 7", "6 to decide")
        assert reviews(data) == {0: "keep"}, "on disk before the next row shows"
        await press(pilot, "d")
        await sees(pilot, "row 3 of 7", "1 dropped", "Question 2")
        await press(pilot, "f")
        await sees(pilot, "row 4 of 7", "1 dropped · 1 flagged", "bad_json")
        await press(pilot, "left", "left")
        await sees(pilot, "row 2 of 7", "− dropped")
        await press(pilot, "k")
        await sees(pilot, "row 3 of 7")
        assert reviews(data) == {0: "keep", 1: "keep", 2: "flag"}
        await press(pilot, "n")
        await sees(pilot, "row 4 of 7")
    assert reviews(data) == {0: "keep", 1: "keep", 2: "flag"}


async def test_undo_goes_back_without_limit_also_after_a_restart(data: Path) -> None:
    async with on("review", data) as pilot:
        await press(pilot, "k", "d", "f")
        await sees(pilot, "row 4 of 7")
    async with on("review", data) as pilot:
        await sees(pilot, "row 4 of 7", "4 to decide")
        await press(pilot, "u")
        await sees(pilot, "row 3 of 7", "not decided")
        await press(pilot, "u", "u")
        await sees(pilot, "row 1 of 7", "7 to decide")
        await press(pilot, "u")
        await sees(pilot, "u undo: nothing was decided")
    assert reviews(data) == {}


async def test_the_editor_changes_the_text_and_nothing_else(data: Path, tmp_path: Path) -> None:
    async with on("review", data) as pilot:
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditScreen))
        await sees(pilot, "user · messages[0].content", "assistant · messages[1].content", "Answer 0.")
        # Letters are text here, and no decisions.
        await press(pilot, "d", "k", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
        assert reviews(data) == {}
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(pilot.app.focused, TextArea))
        await press(pilot, "space", "d", "k", "ctrl+s")
        await sees(pilot, "~ edited", "Answer 0. dk", "row 1 of 7", "1 edited")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(pilot.app.focused, TextArea) and "dk" in pilot.app.focused.text)
        await press(pilot, "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        await press(pilot, "enter")
        await until(pilot, lambda: (tmp_path / "data.mended.jsonl.log.jsonl").exists())
        await sees(pilot, "written:")
    lines = data.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b"Answer 0.", b"Answer 0. dk")
    assert (tmp_path / "data.mended.jsonl").read_bytes() == b"".join(lines)


async def test_a_row_that_is_no_json_is_edited_as_it_stands(data: Path) -> None:
    async with on("review", data) as pilot:
        await press(pilot, "g")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        await press(pilot, "4", "enter")
        await sees(pilot, "row 4 of 7", "not json")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(pilot.app.focused, TextArea))
        area = pilot.app.focused
        assert isinstance(area, TextArea) and area.text == "not json"
        area.text = chat("Mended?", "Yes.").strip()
        await press(pilot, "ctrl+s")
        await sees(pilot, "Mended?", "~ edited")


async def test_only_rows_with_findings_or_flags(data: Path) -> None:
    async with on("review", data) as pilot:
        await press(pilot, "right", "right", "f", "o")
        # Rows 2 and 7 have zero-width characters, 3 the flag, 4 is no JSON, 6 is a copy.
        await sees(pilot, "row 4 of 7 · 5 with findings or flags")
        await press(pilot, "right")
        await sees(pilot, "row 6 of 7", "exact_duplicate")
        await press(pilot, "right", "right")
        await sees(pilot, "row 7 of 7", "this is the last row")
        await press(pilot, "o", "left")
        await sees(pilot, "row 6 of 7")
        await until(pilot, lambda: "with findings or flags" not in shown(pilot.app))


@pytest.mark.parametrize("name", ["review", "mend"])
async def test_nothing_in_a_row_acts_on_the_terminal(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"evil\u202e{EVIL[:6]}.jsonl"
    path.write_text(chat(EVIL, EVIL) + chat("q", "a"))
    async with on(name, path) as pilot:
        await sees(pilot, "[INST]")
        assert_inert(pilot.app)
        if name == "review":
            await press(pilot, "r")
            await pilot.pause()
            assert_inert(pilot.app)
            await press(pilot, "e")
            await until(pilot, lambda: isinstance(pilot.app.focused, TextArea))
        else:
            for _ in range(6):
                await press(pilot, "down")
                await pilot.pause(0.05)
                assert_inert(pilot.app)


async def test_two_apps_do_not_decide_at_once(data: Path) -> None:
    sheet = read_worksheet(data).open()
    app = DiapasonApp("review", path=data)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await sees(pilot, "another Diapason is deciding", "nothing can be decided")
        await press(pilot, "d")
        await pilot.pause()
    sheet.close()
    assert reviews(data) == {}


# -- mend -------------------------------------------------------------------------------------------------


async def kind(pilot: Pilot[Any], code: str) -> MendScreen:
    """Put the cursor on a kind."""
    screen = pilot.app.screen
    assert isinstance(screen, MendScreen)
    await press(pilot, "home")
    for _ in range(40):
        if screen.code == code:
            return screen
        await press(pilot, "down")
    raise AssertionError(f"{code} is not listed:\n{shown(pilot.app)}")


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_fix_is_seen_before_it_is_done(data: Path, size: tuple[int, int]) -> None:
    before = data.read_bytes()
    async with on("mend", data, size) as pilot:
        await kind(pilot, "zero_width")
        await sees(pilot, "− Zero⟨U+200B⟩width here", "+ Zerowidth here", "row 2 · 1 of 2", "nothing decided yet")
        await press(pilot, "right")
        await sees(pilot, "+ Anotherone", "row 7 · 2 of 2")
        await kind(pilot, "exact_duplicate")
        await sees(pilot, "row 1 stays", "row 6 goes")
        await kind(pilot, "bad_json")
        await sees(pilot, "the row is dropped", "not json")
        assert_inert(pilot.app)
    assert data.read_bytes() == before and read_worksheet(data).is_empty


async def test_all_of_a_kind_one_row_undo_and_write(data: Path, tmp_path: Path) -> None:
    async with on("mend", data) as pilot:
        await kind(pilot, "zero_width")
        await press(pilot, "t")
        await sees(pilot, "1 decided", "1 single", "row 7 · 2 of 2")
        await kind(pilot, "bad_json")
        await press(pilot, "a")
        await sees(pilot, "2 decided", "✓ bad_json")
        await kind(pilot, "exact_duplicate")
        await press(pilot, "a", "u")
        await sees(pilot, "undone: exact_duplicate")
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        box = pilot.app.screen.query_one(Input)
        assert box.value.endswith("data.mended.jsonl")
        box.value = str(data)
        await press(pilot, "enter")
        await sees(pilot, "the source itself")
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        await press(pilot, "enter")
        await sees(pilot, "6 of 7 rows, 1 changed, 1 dropped")
    lines = data.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("\u200b", "")
    assert (tmp_path / "data.mended.jsonl").read_text() == "".join(lines[:3] + lines[4:])


async def test_which_copy_stays_can_be_chosen(data: Path, tmp_path: Path) -> None:
    rows = data.read_text().splitlines(keepends=True)
    rows[5] = rows[5].replace('{"messages"', '{"id": 9, "messages"')
    data.write_text("".join(rows))
    async with on("mend", data) as pilot:
        await kind(pilot, "exact_duplicate")
        await sees(pilot, "row 1 stays", "row 6 goes", "row 1 · 1 of 2")
        await press(pilot, "right")
        await sees(pilot, "row 6 · 2 of 2")
        await press(pilot, "p")
        await sees(pilot, "row 1 goes", "row 6 stays")
        await press(pilot, "a", "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
        await press(pilot, "enter")
        await sees(pilot, "6 of 7 rows, 0 changed, 1 dropped")
    assert (tmp_path / "data.mended.jsonl").read_text() == "".join(rows[1:])


async def test_all_that_is_safe_and_what_is_decided_stays_after_a_restart(data: Path) -> None:
    async with on("mend", data) as pilot:
        await sees(pilot, "zero_width")
        await press(pilot, "s")
        await sees(pilot, "1 decided", "✓ zero_width")
        await press(pilot, "s")
        await sees(pilot, "no safe fix is left")
    async with on("mend", data) as pilot:
        await sees(pilot, "1 decided", "✓ zero_width")
        await kind(pilot, "zero_width")
        await press(pilot, "c", "a")
        await sees(pilot, "zero_width:drop")
        await press(pilot, "u", "u")
        await sees(pilot, "nothing decided yet")
    assert read_worksheet(data).is_empty


async def test_the_data_screen_leads_there_and_marks_the_rows(data: Path) -> None:
    app = DiapasonApp("browse", path=data)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        await press(pilot, "F")
        await until(pilot, lambda: isinstance(app.screen, MendScreen) and app.screen.sheet is not None)
        await sees(pilot, "zero_width")
        await press(pilot, "s", "escape")
        await sees(pilot, "~ edited Zero")
        await press(pilot, "e")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen) and app.screen.sheet is not None)
        await sees(pilot, "row 1 of 7")
        await press(pilot, "d", "f", "escape")
        await sees(pilot, "− dropped Question 0", "⚑ flagged Zero", "~ edited Another")


async def test_rows_that_are_too_long_are_cut_in_the_app(tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "model")
    path = tmp_path / "long.jsonl"
    words = " ".join(f"word{n}" for n in range(200))
    path.write_text(chat("Say much, please", words) + chat("Say little, please", "Well."))
    app = DiapasonApp("mend", path=path, model=str(model), max_length=100)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: "too_long:truncate" in shown(app) and "word30" in shown(app))
        await pilot.press("a")
        await until(pilot, lambda: "1 decided" in shown(app))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = str(tmp_path / "out.jsonl")
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "out.jsonl").exists() and "written" in shown(app))
    first, second = (tmp_path / "out.jsonl").read_text().splitlines(keepends=True)
    answer = json.loads(first)["messages"][1]["content"]
    assert words.startswith(answer) and len(answer) < len(words)
    assert second == chat("Say little, please", "Well.")
