"""The second rater by model on the result page: nothing is sent before a yes, and its verdicts stay apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from core.files import read_jsonl
from core.home import runs_dir
from core.judging.desk import Desk
from tests.endpoint import Answer, completion, serve
from tests.judging_run import answer_rows, make_run
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.widgets.dialogs import AskDialog


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def a_judged_run() -> Path:
    run = make_run(runs_dir(), answer_rows(4))
    desk = Desk(run)
    while (pair := desk.next_pair()) is not None:
        desk.vote(pair, "left")
    desk.close()
    return run


async def test_a_model_rates_once_it_was_agreed_to() -> None:
    def answer(body: dict[str, Any], before: int) -> Answer:
        return completion('{"better": "tie"}')

    run = a_judged_run()
    app = DiapasonApp("judge", run=run)
    with serve(answer) as endpoint:
        async with app.run_test(size=(100, 50), notifications=True) as pilot:
            await until(pilot, lambda: "decisive" in shown(app))

            async def propose() -> None:
                await pilot.press("x")
                for text in (endpoint.url, "m[b]"):
                    await until(pilot, lambda: isinstance(app.screen, AskDialog))
                    dialog = app.screen
                    app.screen.query_one(Input).value = text
                    await pilot.press("enter")
                    await until(pilot, lambda dialog=dialog: app.screen is not dialog)
                await until(pilot, lambda: "nothing is sent yet" in shown(app))

            await propose()
            assert "8 of 8 requests to m[b]" in shown(app) and "<first-{mark}>" in shown(app)
            assert_inert(app)
            await pilot.press("escape")
            await until(pilot, lambda: "nothing is sent yet" not in shown(app) and "decisive" in shown(app))
            assert not endpoint.bodies
            await propose()
            await pilot.press("y")
            await until(pilot, lambda: "Second rater m[b]" in shown(app))
            assert len(endpoint.bodies) == 8
            await pilot.press("y")
            assert len(endpoint.bodies) == 8
    votes = [json.dumps(record) for path in (run / "judging").glob("votes*.jsonl") for record in read_jsonl(path)[0]]
    assert votes and not any("m[b]" in vote for vote in votes)
