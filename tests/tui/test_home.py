"""The first screen: what is next, the runs, the data, the keys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

import tui.widgets.machine as machine
from core.files import Lock
from core.home import home
from core.runs.folder import RunFolder
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import fake_answers, fake_result
from tests.tui.screen_text import shown, until
from tui.app import DiapasonApp
from tui.recent import recent, remember
from tui.screens.home import HomeScreen
from tui.screens.home_state import DataRow, JudgingRow, RunRow, what_next
from tui.screens.monitor import MonitorScreen
from tui.widgets.dialogs import AskDialog, ConfirmDialog
from tui.widgets.rows import RowList

DONE = RunRow(
    id="01a-x", name="support-fr", what="LoRA r16 starter", status="completed", reason=None, hint=None, step=40,
    total=40, epoch=3.0, epochs=3.0, loss=0.871, left=None, when=0.0, working=None, evaluated=False, judged=0,
    pairs=0, verdict=None,
)  # fmt: skip
FILE = DataRow(Path("/data/rows.jsonl"), 0.0, 10)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(machine, "machine_line", lambda: "no GPU  CPU  12 %  RAM 3.2 / 16.0 GB")


@pytest.fixture
def runs() -> Iterator[dict[str, RunFolder]]:
    """A failed run, one that is done and evaluated, one that trains, one that waits."""
    reason, hint = "the loss became NaN at step 12", "Lower the learning rate."
    bad = make_run(name="style-small", status="failed", steps=12, total_steps=100, reason=reason, hint=hint)
    found = {"failed": bad}
    found["done"] = make_run(name="support-fr")
    add_result(found["done"], fake_result(), fake_answers(12))
    found["training"] = make_run(name="contracts-v2", status="running", steps=412, total_steps=1200, every=50)
    found["waiting"] = make_run(
        name="later", status="queued", steps=0, total_steps=0, reason="gpu0 in use by contracts-v2"
    )
    locks = [Lock(found[name].lock_file) for name in ("training", "waiting")]
    assert all(lock.acquire() for lock in locks)
    yield found
    for lock in locks:
        lock.release()


@pytest.mark.parametrize(
    ("changes", "text", "action"),
    [
        ({}, "evaluate support-fr", "evaluation"),
        ({"working": "evaluating 40 / 200"}, "support-fr is trained, now evaluating 40 / 200", "monitor"),
        ({"evaluated": True, "pairs": 50}, "50 pairs ready", "judge"),
        ({"evaluated": True, "pairs": 50, "judged": 17}, "17 of 50 judged", "judge"),
        ({"evaluated": True, "pairs": 5, "judged": 5, "verdict": "tuned won"}, "support-fr: tuned won", "evaluation"),
        ({"status": "failed", "reason": "out of memory"}, "support-fr failed: out of memory", "monitor"),
        ({"status": "stopped", "step": 20}, "was stopped at step 20 of 40", "resume"),
        ({"status": "interrupted", "step": 20}, "was cut off at step 20 of 40", "resume"),
        ({"status": "running", "step": 20, "left": 90.0}, "step 20 of 40, 1 m 30 s left", "monitor"),
        ({"status": "queued", "reason": "gpu0 is in use"}, "support-fr waits: gpu0 is in use", "monitor"),
    ],
)
def test_what_is_next_comes_from_the_runs_state(changes: dict[str, Any], text: str, action: str) -> None:
    step = what_next((replace(DONE, **changes),), ())
    assert text in step.text
    assert step.action == action
    assert step.run == DONE.id


def test_a_judging_that_waits_comes_before_a_run_that_needs_nothing() -> None:
    named, begun = JudgingRow("style", 3, 50, ("ann",), 5.0), JudgingRow("old", 7, 20, (), 4.0, "00-old")
    settled = replace(DONE, evaluated=True, pairs=50, judged=50, verdict="tuned won")
    step = what_next((settled,), (), (named, begun))
    assert (step.text, step.action, step.judging, step.run) == (
        "judge style (3 of 50 judged)",
        "judge",
        "style",
        None,
    )
    assert what_next((settled,), (), (replace(named, judged=50), begun)).run == "00-old"
    assert what_next((DONE,), (), (named,)).action == "evaluation"
    assert what_next((), (), (named,)).judging == "style"
    assert what_next((settled,), (), (replace(named, judged=50),)).action == "evaluation"


def test_what_is_next_without_runs() -> None:
    assert what_next((), ()).action == "data"
    assert "diapason demo" in what_next((), ()).text
    assert what_next((), (FILE,)).action == "new"
    unusable = what_next((), (replace(FILE, usable=0),))
    assert unusable.path == FILE.path and unusable.bad


def test_what_was_cut_off_comes_first_and_running_before_done() -> None:
    old = replace(DONE, id="00-old", name="old", status="interrupted")
    running = replace(DONE, id="02-run", name="run", status="running")
    assert what_next((DONE, running, old), ()).run == "00-old"
    assert what_next((DONE, running), ()).run == "02-run"


def test_recent_files_are_kept_once_latest_first(tmp_path: Path) -> None:
    remember(tmp_path / "a.csv")
    remember(tmp_path / "b.csv")
    remember(tmp_path / "a.csv")
    assert [path.name for path, _ in recent()] == ["a.csv", "b.csv"]
    (home() / "recent.json").write_text('[{"path": 3}, "x", {"path": "/y", "t": 1}]')
    assert [str(path) for path, _ in recent()] == ["/y"]


async def test_the_screen_follows_the_runs(runs: dict[str, RunFolder]) -> None:
    app = DiapasonApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "watch contracts-v2: step 412 of 1 200" in shown(app))
        text = shown(app)
        for part in (
            "waiting: gpu0 in use by contracts-v2",
            "failed: the loss became NaN",
            "3.0 / 3 epochs",
            "0.853",
        ):
            assert part in text
        state = json.loads(runs["training"].state_file.read_text())
        runs["training"].state_file.write_text(json.dumps({**state, "status": "completed", "ended": time.time()}))
        await until(pilot, lambda: "watch contracts-v2" not in shown(app))
        assert "later waits: gpu0 in use" in shown(app)


async def test_enter_does_what_the_row_is_for(runs: dict[str, RunFolder]) -> None:
    app = DiapasonApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "watch contracts-v2" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert isinstance(app.screen, MonitorScreen) and app.screen.folder == runs["training"]
        await pilot.press("escape")
        rows = app.screen.query_one(RowList)
        rows.go(f"run:{runs['failed'].id}")
        await pilot.press("enter")
        await until(pilot, lambda: "Lower the learning rate" in shown(app))


async def test_keys_that_cannot_act_say_why(runs: dict[str, RunFolder]) -> None:
    app = DiapasonApp()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "watch contracts-v2" in shown(app))
        await pilot.press("j", "r")
        await until(pilot, lambda: "it is running" in shown(app))
        assert isinstance(app.screen, HomeScreen)


async def test_stop_asks_and_only_then_commands(runs: dict[str, RunFolder]) -> None:
    app = DiapasonApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "watch contracts-v2" in shown(app))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Stop contracts-v2?" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert not list(runs["training"].control.iterdir())
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Cancel" in shown(app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(list(runs["training"].control.glob("*.json"))) == 1)
        command = json.loads(next(runs["training"].control.glob("*.json")).read_text())
        assert command["command"] == "stop"


async def test_a_cut_off_run_is_offered(tmp_path: Path) -> None:
    make_run(name="lost", status="running", steps=12, total_steps=100)
    app = DiapasonApp()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "lost was cut off at step 12 of 100" in shown(app))
        await until(pilot, lambda: "1 run was cut off: lost" in " ".join(shown(app).split()))
        assert "enter resume" in shown(app)


async def test_data_files_are_checked_behind_the_screen(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    row = {"messages": [{"role": "user", "content": "Hi {n}"}, {"role": "assistant", "content": "Hello {n}"}]}
    lines = [json.dumps(row).replace("{n}", str(number)) for number in range(60)]
    good.write_text("\n".join(lines) + "\n")
    bad.write_text("\n".join([*lines, "{not json"]) + "\n")
    remember(good)
    remember(bad)
    app = DiapasonApp()
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "✗ 1 error" in shown(app), 60)
        await until(pilot, lambda: "not checked yet" not in shown(app), 60)
        assert any("bad.jsonl" in line and "61" in line and "60" in line for line in shown(app).splitlines())
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and bool(app.screen.query(Input)))
        assert app.screen.query_one(Input).value == f"{tmp_path}/"


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_looks(snap_compare: Any, runs: dict[str, RunFolder], size: tuple[int, int]) -> None:
    async def settled(pilot: Any) -> None:
        await until(pilot, lambda: "contracts-v2" in shown(pilot.app) and "RAM" in shown(pilot.app))

    assert snap_compare(DiapasonApp(), terminal_size=size, run_before=settled)


def test_looks_empty(snap_compare: Any) -> None:
    async def settled(pilot: Any) -> None:
        await until(pilot, lambda: "none yet" in shown(pilot.app) and "RAM" in shown(pilot.app))

    assert snap_compare(DiapasonApp(), terminal_size=(80, 24), run_before=settled)
