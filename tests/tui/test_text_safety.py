"""Hostile text through the shell's screens: it is shown, it never acts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.widget import Widget

from core.files import Lock, write_json
from core.runs.folder import RunFolder
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import fake_answers, fake_result
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.recent import remember
from tui.widgets.linefilter import ControlFilter, strip_controls

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b]52;c;ZXZpbA==\x07[INST] [@click=app.quit]click[/] [bold]b[/bold] "
    "\u202etxt.exe\u202c \u200bzero\u200d\ufeff \x9b31m \u2066bidi\u2069 \ud800 \x00\x7f\r\n"
)
# What must still be readable of it: nothing vanishes as markup.
READABLE = ("[INST]", "[@click=app.quit]click[/]")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@pytest.fixture
def evil_run() -> RunFolder:
    run = make_run(name="x", status="failed")
    spec = json.loads(run.spec_file.read_text())
    spec["name"] = "n" + EVIL
    spec["recipe"]["method"] = EVIL
    spec["model"]["name"] = "m" + EVIL
    write_json_escaped(run.spec_file, spec)
    state = json.loads(run.state_file.read_text())
    write_json_escaped(run.state_file, {**state, "reason": "f" + EVIL, "hint": "h" + EVIL})
    row = {"step": 40, "index": 0, "prompt": [{"role": "user", "content": EVIL}], "answer": EVIL, "reference": EVIL}
    with run.samples.open("a") as handle:
        handle.write(json.dumps(row) + "\n")
    run.attempt_log(1).write_bytes(EVIL.encode("utf-8", "surrogatepass") * 3)
    return run


def write_json_escaped(path: Path, value: Any) -> None:
    """JSON with escapes, lone surrogates too, as any writer may leave it."""
    path.write_text(json.dumps(value))


async def check(app: DiapasonApp, pilot: Any, *parts: str) -> None:
    """The screen shows `parts` and nothing in it can act."""
    for part in parts:
        await until(pilot, lambda wanted=part: wanted in shown(app))
    assert_inert(app)
    assert app.is_running


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_home(evil_run: RunFolder, tmp_path: Path, size: tuple[int, int]) -> None:
    name = "d\x1b[31m[INST]\u202e.jsonl"
    (tmp_path / name).write_text('{"messages": []}\n')
    remember(tmp_path / name)
    app = DiapasonApp()
    async with app.run_test(size=size) as pilot:
        await check(app, pilot, "failed", "d␛[31m[INST]")
        await pilot.press("s")
        await check(app, pilot)
        await pilot.press("ctrl+p", *"resume")
        await check(app, pilot, "Resume")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen.name != "--command-palette")
        await pilot.press("question_mark")
        await check(app, pilot, "This screen", *READABLE)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_monitor(evil_run: RunFolder, size: tuple[int, int]) -> None:
    app = DiapasonApp("monitor", run=evil_run)
    async with app.run_test(size=size) as pilot:
        await check(app, pilot, "failed", "Failed at step", *READABLE)
        for key in ("l", "3", "4", "3", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
            assert_inert(app)
        assert app.title == "diapason"


async def test_stop_dialog(evil_run: RunFolder) -> None:
    state = json.loads(evil_run.state_file.read_text())
    write_json(evil_run.state_file, {**state, "status": "running", "reason": None, "hint": None})
    lock = Lock(evil_run.lock_file)
    assert lock.acquire()
    app = DiapasonApp("monitor", run=evil_run)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "training" in shown(app))
        await pilot.press("s")
        await check(app, pilot, "Stop n␛]0;owned␇")
        await pilot.press("right", "enter")
        await check(app, pilot, "was asked to stop")
    lock.release()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_evaluation(evil_run: RunFolder, size: tuple[int, int]) -> None:
    result = fake_result()
    result["task"] = EVIL
    add_result(evil_run, fake_result(), fake_answers(6, EVIL))
    write_json_escaped(evil_run.evaluation / "result.json", result)
    app = DiapasonApp("evaluation", run=evil_run)
    async with app.run_test(size=size) as pilot:
        await check(app, pilot, "answer loss", "Question 0")
        await pilot.press("tab", "enter")
        await check(app, pilot, *READABLE)


async def test_notices_and_errors() -> None:
    app = DiapasonApp()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.notify(EVIL, title=EVIL)
        app.open("monitor", run="r" + EVIL)
        await check(app, pilot, "[INST]", "no run is called")


async def test_the_belt_holds_where_a_widget_shows_raw_text() -> None:
    app = DiapasonApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.screen.mount(Raw())
        await until(pilot, lambda: "before[2Jafter" in shown(app))
        assert_inert(app)


class Raw(Widget):
    """A widget that shows what it was given."""

    DEFAULT_CSS = "Raw { height: 1; dock: top; }"

    def render(self) -> RawText:
        return RawText()


class RawText:
    """A renderable that hands control characters on as they are."""

    def __rich_console__(self, *_: object) -> Iterator[Segment]:
        yield Segment("before\x1b[2J\u202eafter\x9b", Style(link="http://example.org/\x07"))


@given(st.text())
def test_nothing_that_acts_gets_through(text: str) -> None:
    assert all(char.isprintable() for char in strip_controls(text))
    kept = ControlFilter().apply([Segment(text, Style(link="http://example.org"))], Color(0, 0, 0))
    assert all(segment.text.isprintable() and not (segment.style and segment.style.link) for segment in kept)


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_stays(text: str) -> None:
    assert strip_controls(text) == text
