"""The form of an evaluation: ticks and fields become arms, and what is wrong is told without losing the form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Checkbox, Input

from core.errors import DiapasonError, UsageError
from core.evaluation import request
from core.evaluation.request import Wish
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import fake_answers, fake_result
from tests.tui.screen_text import sees, shown, until
from tui.app import DiapasonApp
from tui.screens.arms import ArmsScreen
from tui.screens.arms_form import begin, wish_of


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def test_the_form_becomes_a_wish() -> None:
    values = {"few-shot": "5, 8", "rag": "/a, b/docs", "run": "x@3", "metrics": "bleu,regex:a,b", "max_rows": "20"}
    wish = wish_of(["base", "few-shot", "rag", "run"], {**values, "primary": " bleu "})
    assert wish.arms == ["base", "few-shot:5", "few-shot:8", "rag:/a, b/docs", "run:x@3"]
    assert wish.metrics == ["bleu", "regex:a,b"] and wish.primary == "bleu" and wish.settings == {"max_rows": 20}
    assert wish_of(["tuned"], {}) == Wish(arms=["tuned"])
    for ticked, fields, problem in (
        ([], {}, "no arm is ticked"),
        (["bm25"], {"bm25": " "}, "nearest examples: is ticked, and nothing is filled in"),
        (["base"], {"max_rows": "-3"}, "is no number of rows"),
    ):
        with pytest.raises(UsageError, match=problem):
            wish_of(ticked, fields)


async def test_an_evaluation_is_asked_for_with_the_keyboard_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(name="support-fr")
    result = fake_result()
    result["asked"] = {"arms": {"base": {}, "endpoint:http://h:1/v1#m": {}, "tuned": {}}, "metrics": ["bleu"]}
    add_result(run, result, fake_answers(2))
    assert begin(run)[0] == {"base", "endpoint", "tuned"}
    wishes: list[Wish] = []
    started: list[Any] = []
    refusal = DiapasonError("there is no such folder", where="/nowhere", hint="Name another.")

    def specify(_: Any, wish: Wish) -> dict[str, Any]:
        wishes.append(wish)
        if len(wishes) == 1:
            raise refusal
        return {"arms": wish.arms}

    monkeypatch.setattr(request, "specify", specify)
    monkeypatch.setattr(request, "existing", lambda *_: None)
    monkeypatch.setattr(request, "under_way", lambda *_: None)
    monkeypatch.setattr(request, "start", lambda _, spec, again: started.append((spec, again)))
    app = DiapasonApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.open("arms", run=run)
        await until(pilot, lambda: isinstance(app.screen, ArmsScreen) and bool(app.screen.query("#tick-base")))
        screen = app.screen
        await until(pilot, lambda: "OPENAI_API_KEY" in shown(app) and "which arms?" in shown(app))
        assert "http://h:1/v1#m" in shown(app) and "ctrl+s" in shown(app)
        await pilot.press("space", "tab", "tab", "tab", "tab")  # base off; on to the nearest examples
        assert isinstance(app.focused, Input) and app.focused.id == "field-bm25"
        await pilot.press("backspace", "7")
        await until(pilot, lambda: screen.query_one("#tick-bm25", Checkbox).value)
        await pilot.press("ctrl+s")
        await sees(pilot, "there is no such folder")
        assert app.screen is screen and not started
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(started))
        await until(pilot, lambda: app.screen is not screen)
    assert wishes[1].arms == ["bm25:7", "tuned", "endpoint:http://h:1/v1#m"] and wishes[1].metrics == ["bleu"]
    assert started == [({"arms": wishes[1].arms}, False)]
