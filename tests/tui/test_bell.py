"""The bell: where a run that somebody watches ends, once, inert, and only where it is wanted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from core.files import Lock, write_json
from core.runs.folder import RunFolder
from core.runs.view import RunView
from tests.fake_run import make_run
from tests.tui.screen_text import until
from tui.app import DiapasonApp
from tui.bell import ring_here, signal_of
from tui.cli import run as cli
from tui.follow import follow
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


class Tty:
    """A stream that says it is a terminal."""

    def __init__(self, tty: bool = True) -> None:
        self.tty, self.text = tty, ""

    def isatty(self) -> bool:
        return self.tty

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def change(folder: RunFolder, **values: Any) -> None:
    write_json(folder.state_file, {**folder.state(), **values})


def silence(folder: RunFolder) -> None:
    write_json(folder.notify_file, {"bell": False})


def test_the_sequence_is_inert_and_can_be_turned_off() -> None:
    folder = make_run(name="a\x1b\\b\x07\x9c")
    said = signal_of(folder, "completed")
    assert said == "\a\x1b]9;diapason: a␛\\b␇⟨U+009C⟩ completed\x1b\\"
    silence(folder)
    assert signal_of(RunFolder(folder.path), "completed") == ""


def test_following_rings_a_terminal_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(name="voice", status="failed")
    for stream, rung in ((Tty(), "\a\x1b]9;diapason: voice failed\x1b\\"), (Tty(False), "")):
        monkeypatch.setattr(sys, "stdout", Tty(False))
        monkeypatch.setattr(sys, "stderr", stream)
        follow(folder, lambda _: None)
        assert stream.text == rung
    monkeypatch.setattr(sys, "stderr", stream := Tty())
    assert cli(["logs", folder.id, "-f"]) == 0
    assert stream.text.startswith("\a\x1b]9;")
    silence(folder)
    monkeypatch.setattr(sys, "stderr", stream := Tty())
    ring_here(RunView(RunFolder(folder.path)))
    assert stream.text == ""


async def test_the_app_rings_once_when_a_watched_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr("tui.app.DiapasonApp.is_headless", False)
    make_run(name="older")
    folder = make_run(name="voice", status="running")
    lock = Lock(folder.lock_file)
    assert lock.acquire()
    app = DiapasonApp()
    async with app.run_test() as pilot:
        monkeypatch.setattr(app._driver, "write", lambda text: rung.append(text) if "]9;" in text else None)
        home = app.screen
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: home._runs is not None)
        app.open("monitor", run=folder)
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and app.screen.shown is not None)
        change(folder, status="failed", reason="no room")
        lock.release()
        await until(pilot, lambda: rung != [])
        app.open("home")
        await until(pilot, lambda: bool(home._runs) and all(row.status != "running" for row in home._runs or ()))
    assert rung == ["\a\x1b]9;diapason: voice failed\x1b\\"]
