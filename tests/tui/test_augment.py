"""Variants of rows by the keys: asked for, shown as they come, stopped, gone on from, and reviewed as synthetic."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.data.augment.marks import marks
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.screens.browse import BrowseScreen
from tui.screens.review import ReviewScreen

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


async def sees(pilot: Pilot[Any], *texts: str) -> None:
    await until(pilot, lambda: all(text in shown(pilot.app) for text in texts))


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
