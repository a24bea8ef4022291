"""Variants of rows by the keys: asked for, shown as they come, stopped, gone on from, and reviewed as synthetic."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from core.data.augment.augment import log_path
from core.data.augment.marks import marks
from tests.endpoint import Answer, completion, serve, variants
from tests.tui.screen_text import assert_inert, sees, shown, until
from tui.app import DiapasonApp
from tui.screens.augment import AugmentScreen
from tui.screens.browse import BrowseScreen
from tui.screens.review import ReviewScreen
from tui.widgets.dialogs import ConfirmDialog

EVIL = "m\x1b[2J[@click=app.quit]x[/]"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@asynccontextmanager
async def on(name: str, path: Path, size: tuple[int, int] = (160, 45)) -> AsyncGenerator[Pilot[Any], None]:
    app = DiapasonApp(name, path=path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen | BrowseScreen))
        yield pilot


@pytest.mark.parametrize("name", ["review", "browse"])
@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_synthetic_row_is_shown_as_one(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    row = {"prompt": "What are tides?", "completion": "The moon's work."}
    path = write(tmp_path / "rows.jsonl", row, row | {"prompt": "And ebb?"} | marks(2, EVIL, "abc"))
    async with on(name, path, size) as pilot:
        await sees(pilot, "row 1", "What are tides?")
        assert "synthetic" not in shown(pilot.app)
        if name == "browse":
            pilot.app.screen.query_one("#rows").focus()
        await pilot.press("right" if name == "review" else "down")
        await sees(pilot, "row 2", "synthetic, of row 3")
        assert_inert(pilot.app)


TOPICS = ["tides", "bread", "the moon", "glass", "violins", "honey bees"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data.jsonl", *({"prompt": f"Tell me of {t}", "completion": t} for t in TOPICS))


def good(body: dict[str, Any], before: int) -> Answer:
    return completion(variants(body["messages"][0]["content"], 2))


async def open_form(pilot: Pilot[Any], **values: str) -> AugmentScreen:
    """Press `a` and fill in the fields."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.why_no_rows() is None)
    await pilot.press("a")
    await until(pilot, lambda: isinstance(app.screen, AugmentScreen) and app.screen.query("#out"))
    screen = app.screen
    assert isinstance(screen, AugmentScreen)
    for name, value in values.items():
        screen.query_one(f"#{name}", Input).value = value
    return screen


async def begin(pilot: Pilot[Any]) -> None:
    """ctrl+s, then yes."""
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
    await pilot.press("right", "enter")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_from_the_key_to_the_review(tmp_path: Path, data: Path, size: tuple[int, int]) -> None:
    with serve(good) as endpoint:
        async with on("browse", data, size) as pilot:
            screen = await open_form(pilot, endpoint=endpoint.url, model="tiny", n="2", rows="1-3")
            await sees(pilot, "endpoint", "{prompt}", "OPENAI_API_KEY is not set")
            await pilot.press("ctrl+s")
            await sees(pilot, "Ask tiny?", "3 rows × 2 variants")
            assert not endpoint.bodies
            await pilot.press("right", "enter")
            await sees(pilot, "Review 6 variants now?")
            assert screen.done and screen.done.path == tmp_path / "data.variants.jsonl"
            await pilot.press("right", "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
            await sees(pilot, "data.variants.jsonl", "row 1 of 6", "synthetic, of row 1, by tiny")
            assert_inert(pilot.app)


async def test_esc_stops_and_another_session_goes_on(tmp_path: Path, data: Path) -> None:
    go, seen = threading.Event(), [0]

    def slow(body: dict[str, Any], before: int) -> Answer:
        seen[0] += 1
        if seen[0] > 3:
            go.wait(60)
        return good(body, before)

    out = tmp_path / "data.variants.jsonl"
    with serve(slow) as endpoint:
        async with on("browse", data) as pilot:
            screen = await open_form(pilot, endpoint=endpoint.url, model="tiny", n="2")
            area = screen.query_one("#prompt", TextArea)
            area.load_text("Vary {n} times:\n<prompt>\n{prompt}\n</prompt>")
            await begin(pilot)
            await sees(pilot, "3 of 6 rows", "esc stops")
            await until(pilot, lambda: seen[0] == 6)
            await pilot.press("ctrl+s")
            await sees(pilot, "it is under way")
            await pilot.press("escape")
            await sees(pilot, "stopped", "3 rows answered", "ctrl+s, here or when", "goes on from there")
            assert pilot.app.screen is screen and not out.exists() and log_path(out).exists()
        go.set()
        asked = len(endpoint.bodies)
        async with on("browse", data) as pilot:
            screen = await open_form(pilot)
            await sees(pilot, "unfinished: ctrl+s goes on", "Vary {n} times:")
            assert screen.query_one("#model", Input).value == "tiny"
            await begin(pilot)
            await sees(pilot, "Review 12 variants now?")
        assert len(endpoint.bodies) == asked + 3 and not log_path(out).exists()


async def test_leaving_the_app_stops_it_and_keeps_what_came(tmp_path: Path, data: Path) -> None:
    go, seen = threading.Event(), [0]

    def slow(body: dict[str, Any], before: int) -> Answer:
        seen[0] += 1
        if seen[0] > 2:
            go.wait(60)
        return good(body, before)

    with serve(slow) as endpoint:
        async with on("browse", data) as pilot:
            await open_form(pilot, endpoint=endpoint.url, model="tiny", n="2")
            await begin(pilot)
            await sees(pilot, "2 of 6 rows")
        left = log_path(tmp_path / "data.variants.jsonl").read_bytes()
        go.set()
    assert left.count(b'"variants"') == 2


async def test_rows_of_the_finding_chosen_and_wrong_fields(tmp_path: Path, data: Path) -> None:
    with data.open("a") as file:
        file.write(json.dumps({"prompt": "Dear {{name}}, of rain", "completion": "rain"}) + "\n")
    with serve(good) as endpoint:
        async with on("browse", data) as pilot:
            browse = pilot.app.screen
            assert isinstance(browse, BrowseScreen)
            await until(pilot, lambda: browse.report is not None)
            assert browse.report is not None
            browse.chosen = next(one for one in browse.report.findings if one.code == "template_placeholder")
            screen = await open_form(pilot, endpoint="nowhere", model="tiny")
            await sees(pilot, "the 1 of template_placeholder")
            for name, value, said in (("endpoint", endpoint.url, "is no http address"), ("n", "two", "is no number"),
                                      ("out", str(data), "the source itself")):  # fmt: skip
                if name != "endpoint":
                    screen.query_one(f"#{name}", Input).value = value
                await pilot.press("ctrl+s")
                await sees(pilot, said)
                if name == "endpoint":
                    screen.query_one("#endpoint", Input).value = value
                elif name == "n":
                    screen.query_one("#n", Input).value = "2"
            screen.query_one("#out", Input).value = str(tmp_path / "new.jsonl")
            await begin(pilot)
            await until(pilot, lambda: screen.done is not None)
    assert len(endpoint.bodies) == 1 and "Dear {{name}}" in endpoint.prompts[0]


async def test_an_endpoint_that_says_no_is_named(data: Path) -> None:
    with serve(lambda body, before: (401, {}, json.dumps({"error": {"message": EVIL}}))) as endpoint:
        async with on("browse", data) as pilot:
            await open_form(pilot, endpoint=endpoint.url, model="tiny")
            await begin(pilot)
            await sees(pilot, "it did not work", "does not accept the key")
            assert_inert(pilot.app)
