"""The browse screen, by its keys, on real files."""

from __future__ import annotations

import gzip
import json
import threading
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

import core.data.report
import core.data.source
from core.data.dataset import open_dataset
from tests.chat_model import make_chat_model
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.row_view import conversation
from tui.screens import browse_view
from tui.screens.browse import BrowseScreen
from tui.screens.browse_keys import ACTIONS
from tui.screens.wizard import WizardScreen
from tui.widgets.dialogs import AskDialog
from tui.widgets.field_map import FieldMap

SMALL, LARGE = (80, 24), (200, 50)
FLAWED = Path(__file__).parents[2] / "core" / "starter" / "data" / "flawed.jsonl"
EVIL = "[INST] \x1b[2J \x1b]52;c;eA==\x07 [@click=app.quit]x[/] \u202efdp\u2066 ze\u200bro [bold red]b[/]"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def dialog(pilot: Pilot[Any]) -> FieldMap:
    assert isinstance(pilot.app.screen, FieldMap)
    return pilot.app.screen


def make(tmp_path: Path, rows: list[Any], name: str = "data.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@asynccontextmanager
async def browsing(path: Path, size: tuple[int, int] = LARGE, **kwargs: Any) -> AsyncIterator[Pilot[Any]]:
    app = DiapasonApp("browse", path=path, **kwargs)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        await until(pilot, lambda: settled(shown(app)))
        yield pilot


def settled(text: str) -> bool:
    """Whether the report stands on the screen."""
    return "checked in" in text and ("\n│ → " in text or "No findings" in text)


def screen(pilot: Pilot[Any]) -> BrowseScreen:
    found = pilot.app.screen
    assert isinstance(found, BrowseScreen)
    return found


async def press(pilot: Pilot[Any], *keys: str) -> str:
    await pilot.press(*keys)
    await pilot.pause(0.05)
    return shown(pilot.app)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_report_rows_and_record_at_one_glance(size: tuple[int, int]) -> None:
    async with browsing(FLAWED, size) as pilot:
        text = shown(pilot.app)
        assert "flawed.jsonl · chat · 52 rows · 34 usable · 19.5 kB · checked in" in text
        assert "✗ no_assistant" in text and "lines 23, 25" in text and "→ Mend the row" in text
        assert "▸  1   How often should a violin bow be rehaired?" in text
        assert "row 1 · conversation" in text and "Once a year is right for most players." in text
        assert_inert(pilot.app)


def test_every_flawed_row_is_inert_in_every_mode() -> None:
    for row in open_dataset(FLAWED):
        shapes = [browse_view.record_conversation(row, conversation(row)), browse_view.record_raw(row)]
        shapes += [browse_view.record_findings(row, [], {}), Content(browse_view.row_line(row, 60)[0])]
        for shape in shapes:
            assert not [
                char for char in shape.plain if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n"
            ]
        assert "\n" not in shapes[-1].plain


async def test_evil_rows_show_as_text(tmp_path: Path) -> None:
    path = make(tmp_path, [chat(EVIL, EVIL), "{broken " + EVIL, {EVIL: EVIL}], "[bold]x[] \u202e.jsonl")
    async with browsing(path) as pilot:
        for row in range(3):
            for key in ("c", "r", "f"):
                text = await press(pilot, key)
                assert_inert(pilot.app)
                assert key == "f" or "[INST] ␛[2J" in text or "[INST] \\u001b[2J" in text, (row, key)
            await press(pilot, "down")
        await press(pilot, "slash", *"[/]", "enter")
        await until(pilot, lambda: "“[/]”" in shown(pilot.app))
        assert_inert(pilot.app)
        assert pilot.app.is_running


async def test_jumping_goes_from_finding_to_finding_and_back(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", "a") for n in range(60)]
    rows[20], rows[40] = "{broken", chat("q3", "another answer")
    async with browsing(make(tmp_path, rows)) as pilot:
        places: list[int | None] = []
        for key in ("n", "n", "n", "n", "N", "left_square_bracket", "right_square_bracket"):
            await press(pilot, key)
            places.append(screen(pilot).rows.row)
        assert places == [3, 20, 40, 40, 20, 3, 20]
        assert "bad_json" in await press(pilot, "f")
        await press(pilot, "n")
        await until(pilot, lambda: "row 4: a" in shown(pilot.app))
        text = shown(pilot.app)
        assert "contradiction" in text and "Decide on one answer" in text


async def test_enter_on_a_finding_lists_its_rows_and_esc_shows_all(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", "a") for n in range(100)]
    rows[30] = rows[60] = {"messages": [{"role": "user", "content": "only asked"}]}
    async with browsing(make(tmp_path, rows)) as pilot:
        text = await press(pilot, "shift+tab", "enter")
        assert (
            "2 rows · no_assistant" in text and "▸ 31 ✗ no_assistant" in text and " 61 ✗" in text and "q1" not in text
        )
        await press(pilot, "n")
        assert screen(pilot).rows.row == 60
        text = await press(pilot, "escape")
        assert "100 rows" in text and screen(pilot).rows.row == 60
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, BrowseScreen)


async def test_all_rows_come_back_with_the_cursor_in_view(tmp_path: Path) -> None:
    rows = [chat(f"q{n}", "a") for n in range(100)]
    rows[50] = {"messages": [{"role": "user", "content": "only asked"}]}
    async with browsing(make(tmp_path, rows)) as pilot:
        text = await press(pilot, "shift+tab", "enter")
        assert "1 row · no_assistant" in text
        await press(pilot, "escape")
        await until(pilot, lambda: "100 rows" in shown(pilot.app) and "▸  51 ✗" in shown(pilot.app))


async def test_a_finding_about_the_file_has_no_rows(tmp_path: Path) -> None:
    async with browsing(make(tmp_path, [chat("q", "a")])) as pilot:
        text = await press(pilot, "shift+tab", "enter")
        assert "too_few_rows" in text and "─ 1 row ─" in text and screen(pilot).chosen is None
        assert "no row has a finding" in (screen(pilot).why_no_jump() or "")


async def test_the_filter_finds_text_and_not_field_names(tmp_path: Path) -> None:
    rows = [chat(f"question {n}", "Été" if n == 7 else 'say "yes"' if n == 9 else "a") for n in range(50)]
    async with browsing(make(tmp_path, rows)) as pilot:
        for text, found in (("ÉTÉ", [7]), ('"yes"', [9]), ("question 4", [4, *range(40, 50)]), ("messages", [])):
            await press(pilot, "slash")
            screen(pilot).query_one("#filter").value = text  # type: ignore[attr-defined]
            await press(pilot, "enter")
            await until(pilot, lambda found=found: list(screen(pilot).rows.view) == found)
        assert "No row holds this text." in shown(pilot.app)
        await press(pilot, "escape")
        assert len(screen(pilot).rows.view) == 50
        # esc in the line leaves it and keeps what there was.
        await press(pilot, "slash", *"zzz", "escape")
        assert len(screen(pilot).rows.view) == 50 and isinstance(pilot.app.screen, BrowseScreen)


async def test_tokens_show_what_carries_loss_and_where_it_is_cut(tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "model")
    path = make(tmp_path, [chat("Where is it?", "Here."), "{broken"])
    async with browsing(path, model="nobody/nothing") as pilot:
        await press(pilot, "t")
        await until(pilot, lambda: "nobody/nothing" in shown(pilot.app) and "hf download" in shown(pilot.app))
        await press(pilot, "m")
        pilot.app.screen.query_one("Input").value = str(model)  # type: ignore[attr-defined]
        await press(pilot, "enter")
        await until(pilot, lambda: "carry loss" in shown(pilot.app))
        text = shown(pilot.app)
        assert "Here.<|im_end|>" in text and "ends with end-of-turn ✓" in text and "cut at 1 024: no" in text
        bright = [
            segment.text
            for strip in pilot.app.screen._compositor.render_strips()
            for segment in strip
            if "Here." in segment.text and segment.style and segment.style.bold
        ]
        assert bright
        await press(pilot, "l")
        pilot.app.screen.query_one("Input").value = "5"  # type: ignore[attr-defined]
        await press(pilot, "enter")
        await until(pilot, lambda: "cut at 5: yes" in shown(pilot.app) and "✂" in shown(pilot.app))
        await press(pilot, "down")
        await until(pilot, lambda: "training never sees it" in shown(pilot.app))


async def test_going_to_a_row_and_the_panes(tmp_path: Path) -> None:
    async with browsing(make(tmp_path, [chat(f"q{n}", f"a{n}") for n in range(5000)]), SMALL) as pilot:
        assert "row 4 321" in await press(pilot, "g", *"4321", "enter")
        await press(pilot, "g", *"9999", "enter")
        assert screen(pilot).rows.row == 4320
        await press(pilot, "end")
        assert screen(pilot).rows.row == 4999
        await press(pilot, "home", "pagedown", "j", "k", "up", "space")
        assert 0 < (screen(pilot).rows.row or 0) < 20
        text = await press(pilot, "z")
        assert "conversation" not in text.replace("row", "") or "findings" not in text
        assert len([line for line in text.splitlines() if "→ a" in line]) > 15
        assert "findings" in await press(pilot, "escape")


async def test_a_million_rows_never_hold_up_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_bytes(b'{"prompt": "a question", "completion": "an answer"}\n' * 1_000_000)
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and len(screen(pilot).rows.view) == 1_000_000)
        await until(pilot, lambda: "checking " in shown(app) and "MB/s" in shown(app))
        for key, place in (
            ("end", "row 1 000 000"),
            ("home", "row 1 "),
            ("down", "row 2 "),
            ("r", "· raw"),
            ("end", "row 1 000 000"),
        ):
            # Not pilot.press, which waits until the process is idle: the check keeps it busy.
            app.post_message(Key(key, None))
            await until(pilot, lambda place=place: place in shown(app))
        assert screen(pilot).rows.row == 999_999 and screen(pilot).report is None
        assert "an answer" in shown(app)
        await press(pilot, "escape")
        await until(pilot, lambda: "check stopped" in shown(app))
        assert isinstance(app.screen, BrowseScreen)
        await press(pilot, "x")
        await until(pilot, lambda: "checking " in shown(app))
        # Once more to stop it, and once to leave.
        await press(pilot, "escape")
        await until(pilot, lambda: "check stopped" in shown(app))
        await press(pilot, "escape")
        await until(pilot, lambda: not isinstance(app.screen, BrowseScreen))


async def test_huge_rows_are_read_aside(tmp_path: Path) -> None:
    path = make(tmp_path, [chat("q", "x" * 3_000_000), chat("q2", "a")])
    async with browsing(path) as pilot:
        await until(pilot, lambda: "xxx" in shown(pilot.app))
        assert "(3.0 MB)" in shown(pilot.app)
        await press(pilot, "tab", "end")
        await until(pilot, lambda: "2 960 001 more characters" in shown(pilot.app))
        await press(pilot, "r")
        await until(
            pilot,
            lambda: "row 1 · raw" in shown(pilot.app) and '││ {"messages": [{"role": "user"' in shown(pilot.app),
        )


async def test_a_file_that_cannot_be_opened_leaves_the_screen_before(tmp_path: Path) -> None:
    app = DiapasonApp("browse", path=tmp_path / "none.jsonl")
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: any("no such file" in notice.message for notice in app._notifications))
        assert not isinstance(app.screen, BrowseScreen)


async def test_a_failing_check_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(core.data.report, "check", fail)
    app = DiapasonApp("browse", path=make(tmp_path, [chat("q", "a")]))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "check failed" in shown(app))
        assert "the disk is gone" in "".join(notice.message for notice in app._notifications)


async def test_the_help_names_every_key_and_the_wizard_gets_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, Any]] = []
    path = make(tmp_path, [chat(f"q{n}", "a") for n in range(3)])
    async with browsing(path) as pilot:
        monkeypatch.setattr(type(pilot.app), "open", lambda self, name, **kwargs: opened.append((name, kwargs)))
        await press(pilot, "w")
        assert opened == [("wizard", {"path": path, "map": None})]
        await pilot.press("question_mark")
        await until(pilot, lambda: all(action.help[:30] in shown(pilot.app) for action in ACTIONS))


async def test_fields_of_unknown_names_are_mapped_and_the_wizard_keeps_the_map(tmp_path: Path) -> None:
    rows = [{"premise": f"It is day {n}.", "target": f"Then {n}."} for n in range(60)]
    app = DiapasonApp("browse", path=make(tmp_path, rows))
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, FieldMap))
        await pilot.press("escape")
        first = screen(pilot)
        await until(pilot, lambda: first.report is not None and first.report.rows_valid == 0)
        await pilot.press("u")
        await until(pilot, lambda: "prompt-completion: It is day 0. → Then 0." in shown(pilot.app))
        assert dialog(pilot).map == "prompt=premise,completion=target"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, BrowseScreen) and pilot.app.screen is not first)
        await until(pilot, lambda: screen(pilot).report is not None)
        second = screen(pilot).report
        assert second is not None and second.rows_valid == 60
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen) and bool(pilot.app.screen.state.report))
        found = pilot.app.screen
        assert isinstance(found, WizardScreen) and found.state.report is not None
        assert found.state.report.map == "prompt=premise,completion=target"


async def test_a_map_is_chosen_by_one_key_a_field(tmp_path: Path) -> None:
    rows = [{"one, two": 1, "deep": {"er": EVIL, "n": n}, "b": "", "zz": f"z{n}"} for n in range(20)]
    app = DiapasonApp("browse", path=make(tmp_path, rows))
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, FieldMap))
        found = dialog(pilot)
        assert list(found.fields) == ["deep", "deep.er", "deep.n", "b", "zz"]
        await pilot.press("x", "down", "x", "down", "x", "down", "x", "down", "x", "enter")
        await until(pilot, lambda: "is not NAME=FIELD" in shown(app) and "no field chosen yet" in shown(app))
        await pilot.press("p", "home", "down", "p")
        await until(pilot, lambda: found.map == "prompt=deep.er" and "alone make no row" in shown(app))
        assert_inert(app)
        await pilot.press("end", "a")
        await until(pilot, lambda: "prompt-completion: [INST]" in shown(app))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        assert app.screen.query_one(Input).value == "prompt=deep.er,completion=zz"
        await pilot.press(",", "enter")
        await until(pilot, lambda: app.screen is found and "`` is not NAME=FIELD" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)


async def test_the_first_rows_are_there_before_all_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    whole = core.data.source.Source.index

    def slowly(self: Any, progress: Any = None) -> Any:
        assert go_on.wait(20)
        return whole(self, progress)

    monkeypatch.setattr(core.data.source.Source, "index", slowly)
    path = make(tmp_path, [chat(f"Question {n}?", f"Answer {n}.") for n in range(3000)])
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: "Question 7?" in shown(app))
        text = await press(pilot, "down", "down")
        assert "Answer 2." in text and "the first rows" in text and "finding its rows" in text
        go_on.set()
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        assert screen(pilot).rows.row == 2 and "3 000 rows" in shown(app)


async def test_packed_rows_are_shown_before_all_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    find = BrowseScreen._find_rows  # pyright: ignore[reportPrivateUsage]

    def slow(self: BrowseScreen) -> int:
        assert go.wait(30)
        return find(self)

    monkeypatch.setattr(BrowseScreen, "_find_rows", slow)
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(chat(f"q{n}", f"a{n}")) + "\n" for n in range(900)).encode()))
    app = DiapasonApp("browse", path=path)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: "q7 → a7" in shown(app) and "finding its rows" in shown(app))
        await pilot.press("down", "down")
        await until(pilot, lambda: "row 3 · line 3" in shown(app) or "row 3 ·" in shown(app))
        go.set()
        await until(pilot, lambda: "900 usable" in shown(app))
        assert "row 3 ·" in shown(app) and "q7 → a7" in shown(app)
