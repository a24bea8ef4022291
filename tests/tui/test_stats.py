"""The numbers screen, by its keys."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.data.dataset import fingerprint, open_dataset
from core.errors import DiapasonError
from core.evaluation.slices import slice_scores
from core.runs.folder import RunFolder
from tests.chat_model import make_chat_model
from tests.tui.fake_result import fake_answers, fake_result
from tests.tui.screen_text import assert_inert, sees, shown, until
from tui.app import DiapasonApp
from tui.screens import stats as stats_screen
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
        await sees(pilot, "no row has the field")
        assert isinstance(app.screen, StatsScreen) and "90 usable" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))


async def answer(app: DiapasonApp, pilot: Pilot[Any], key: str, text: str) -> None:
    """Press a key that asks, and answer."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, AskDialog))
    app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def test_a_newer_question_ends_the_reading_for_the_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": f"Ask {n}", "completion": "x", "topic": "b"}) + "\n" for n in range(9))
    )
    ended, held = threading.Event(), threading.Event()

    def slow(path: Path, dataset: Any, wanted: Any, tell: Any) -> Any:
        if wanted.by is not None:
            return read(path, dataset, wanted, tell)
        try:
            held.set()
            while True:
                tell(1, 1)
        finally:
            ended.set()

    read = stats_screen._read
    monkeypatch.setattr(stats_screen, "_read", slow)
    app = DiapasonApp("stats", path=path, dataset=open_dataset(path))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, held.is_set)
        await answer(app, pilot, "b", "topic")
        await until(pilot, lambda: "9 usable" in shown(app) and "mean characters" in shown(app))
        assert ended.wait(10)


async def test_tokens_of_a_model_with_the_cut(tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "model")
    path = tmp_path / "data.jsonl"
    rows = [{"prompt": f"Say {n}.", "completion": "word " * (5 + n)} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = DiapasonApp("browse", path=path, model=str(model))
    async with app.run_test(size=(120, 50), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.report is not None)
        assert "too_long" not in shown(app)
        await answer(app, pilot, "l", "100")
        await until(pilot, lambda: "too_long cut" in shown(app))
        screen = app.screen
        assert isinstance(screen, BrowseScreen) and screen.report is not None and screen.report.tokens is not None
        lost = screen.report.tokens.lost(100).rows
        await pilot.press("d")
        await until(pilot, lambda: "┆" in shown(app) and "tokens of model" in shown(app))
        table = next(line for line in shown(app).splitlines() if "→" in line)
        assert table.split("→")[1].split()[0] == "100" and str(lost) in table.split()
        await answer(app, pilot, "l", "nothing")
        await sees(pilot, "is not a number of tokens")
        await answer(app, pilot, "m", str(tmp_path / "nowhere"))
        await sees(pilot, "nowhere", "tokens of model")


async def test_scores_by_slice_after_an_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    rows = [{"prompt": f"Question {n}", "completion": "x", "topic": "ab"[n % 2]} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = evaluated_run(tmp_path, path)
    app = DiapasonApp("stats", path=path, dataset=open_dataset(path))
    async with app.run_test(size=(100, 50), notifications=True) as pilot:
        await until(pilot, lambda: "12 usable" in shown(app))
        await answer(app, pilot, "b", "topic")
        await until(pilot, lambda: f"scores of {run.name} by topic" in shown(app))
    scores = slice_scores(run, open_dataset(path), "topic")
    by_hand = [row for row in fake_answers() if row["arm"] == "tuned" and row["row"] % 2 == 0]
    loss = sum(row["nll"] for row in by_hand) / sum(row["answer_tokens"] for row in by_hand)
    assert scores.slices["a"].values["loss"]["tuned"] == pytest.approx(loss)
    assert {name: part.rows for name, part in scores.slices.items()} == {"a": 6, "b": 6}
    path.write_text(path.read_text() + json.dumps(rows[0]) + "\n")
    with pytest.raises(DiapasonError, match="asked other rows"):
        slice_scores(run, open_dataset(path), "topic")


def evaluated_run(tmp_path: Path, test: Path) -> RunFolder:
    """A run whose evaluation asked the rows of `test`."""
    folder = tmp_path / "home" / "runs" / "20260101-000000-slices"
    (folder / "evaluation").mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    result = fake_result(12) | {"data": {**fingerprint(test), "format": None}}
    (folder / "evaluation" / "result.json").write_text(json.dumps(result))
    lines = "".join(json.dumps(row) + "\n" for row in fake_answers())
    (folder / "evaluation" / "answers.jsonl").write_text(lines)
    return RunFolder(folder)
