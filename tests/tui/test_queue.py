"""The queue screen, by its keys, over real runners."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from core.runs.commands import send
from core.worker.empty import pending
from core.worker.launch import launch
from core.worker.queue import waiting
from tests.runs_help import fake_home, queue_run, status, wait
from tests.tui.screen_text import assert_inert, sees, shown, until
from tui.app import DiapasonApp
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen
from tui.screens.queue import QueueScreen
from tui.widgets.dialogs import AskDialog, ConfirmDialog
from tui.widgets.rows import RowList

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


async def test_the_queue_is_reordered_paused_and_resumed_by_keys() -> None:
    works = queue_run({"steps": 5000, "pause": 0.02}, name="works \x1b]0;x\x07[b]")
    launch(works)
    wait(lambda: status(works) == "running")
    runs = [queue_run({"steps": 5000, "pause": 0.02}, name=name) for name in ("one", "two")]
    for folder in runs:
        launch(folder)
    wait(lambda: len(waiting()) == 2)
    app = DiapasonApp("home")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QueueScreen) and "1 running, 2 waiting" in shown(app))
        assert_inert(app)
        app.screen.query_one(RowList).go(runs[1].id)
        await pilot.press("u")
        await until(pilot, lambda: [item.folder for item in waiting()] == [runs[1], runs[0]])
        await until(pilot, lambda: shown(app).index("two") < shown(app).index("one"))
        await pilot.press("u")
        await sees(pilot, "is the first already")
        await pilot.press("d")
        await until(pilot, lambda: [item.folder for item in waiting()] == runs)
        await pilot.press("r")
        await sees(pilot, "not paused")
        app.screen.query_one(RowList).go(works.id)
        await pilot.press("p")
        await until(pilot, lambda: status(works) == "paused" and "1 running, 1 waiting" in shown(app))
        await pilot.press("r")
        await until(pilot, lambda: status(works) == "queued" and "1 running, 2 waiting" in shown(app))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = "true"
        await pilot.press("enter")
        await until(pilot, lambda: "once all is done: true" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: pending() is None)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, QueueScreen))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, QueueScreen))
        for folder in (*runs, works):
            send(folder, "kill")
        await until(pilot, lambda: "nothing runs or waits" in shown(app).splitlines()[0])
        await pilot.press("p")
        await sees(pilot, "p pause: nothing runs or waits")
