"""The shell: keys, palette, dialogs, and how the program ends in a real terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Input, Static

from core.errors import DiapasonError
from tests.fake_run import make_run
from tests.tui.screen_text import shown, until
from tui.actions import Action, key_name
from tui.app import DiapasonApp, literal
from tui.screens.base import DiapasonScreen
from tui.screens.evaluation import EvaluationScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.monitor import MonitorScreen
from tui.widgets.dialogs import AskDialog, ConfirmDialog
from tui.widgets.keybar import KeyBar
from tui.widgets.paths import complete

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


class Probe(DiapasonScreen):
    """A screen with one action of each kind."""

    HELP = "A screen for tests."
    ACTIONS = (
        Action("a", "good", "works", "This one works.", footer=True),
        Action("b", "never", "cannot", "This one cannot.", footer=True, enabled="why_not_never"),
        Action("c", "broken", "breaks", "This one fails with a message.", footer=True),
        Action("w", "slow", "thread", "This one works in a thread."),
    )

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def compose_body(self) -> ComposeResult:
        yield Static("body")

    def action_good(self) -> None:
        self.done.append("good")

    def why_not_never(self) -> str:
        return "the moon is full"

    def action_never(self) -> None:
        self.done.append("never")

    def action_broken(self) -> None:
        raise DiapasonError("the file is gone", where="a.jsonl", hint="Put it back.")

    def action_slow(self) -> None:
        self.background(lambda: 6 * 7, lambda value: self.done.append(str(value)))


def notices(app: DiapasonApp) -> str:
    return "\n".join(notice.message for notice in app._notifications)


async def test_actions_run_or_say_why_not() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        screen = Probe()
        await app.push_screen(screen)
        await pilot.press("a", "b", "c", "w")
        await until(pilot, lambda: "42" in screen.done)
        assert screen.done == ["good", "42"]
        assert "cannot: the moon is full" in notices(app)
        assert "a.jsonl: the file is gone" in notices(app)
        assert "Put it back." in notices(app)


async def test_help_lists_every_key_and_closes_on_esc() -> None:
    app = DiapasonApp()
    async with app.run_test(size=(100, 50)) as pilot:
        await app.push_screen(Probe())
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and "This one works." in shown(app))
        text = shown(app)
        for part in ("A screen for tests.", "This one cannot.", "not now: the moon is full", "ctrl+q", "ctrl+p"):
            assert part in text
        await pilot.press("escape")
        assert isinstance(app.screen, Probe)


async def test_palette_finds_an_action() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        screen = Probe()
        await app.push_screen(screen)
        await pilot.press("ctrl+p")
        await pilot.press(*"works")
        await until(pilot, lambda: "Works" in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.done == ["good"])


async def test_confirm_focuses_cancel_and_esc_does_nothing() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        screen = Probe()
        await app.push_screen(screen)
        for keys, expected in ((["enter"], []), (["escape"], []), (["right", "enter"], ["yes"])):
            screen.confirm("Stop contracts-v2?", lambda: screen.done.append("yes"), yes="Stop it")
            await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and isinstance(app.focused, Button))
            assert app.focused is not None and app.focused.id == "cancel"
            await pilot.press(*keys)
            await until(pilot, lambda: app.screen is screen)
            assert screen.done == expected


async def test_ask_completes_paths(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.jsonl").write_text("{}\n")
    app = DiapasonApp()
    async with app.run_test() as pilot:
        screen = Probe()
        await app.push_screen(screen)
        screen.ask("Which file?", screen.done.append, value=f"{tmp_path}/da", paths=True)
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and bool(app.screen.query(Input)))
        line = app.screen.query_one(Input)
        for expected in (f"{tmp_path}/data/", f"{tmp_path}/data/rows.jsonl"):
            await pilot.press("tab")
            await until(pilot, lambda wanted=expected: line.value == wanted)
        await pilot.press("backspace")
        await until(pilot, lambda: "rows.jsonl" in shown(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: screen.done == [f"{tmp_path}/data/rows.jsonl"])


def test_completion_follows_the_shell(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    (tmp_path / "beta.csv").touch()
    (tmp_path / "beta").mkdir()
    assert complete(f"{tmp_path}/") == f"{tmp_path}/beta/"
    assert complete(f"{tmp_path}/beta.") == f"{tmp_path}/beta.csv"
    assert complete(f"{tmp_path}/.") == f"{tmp_path}/.hidden"
    assert complete(f"{tmp_path}/nothing") is None
    assert complete(f"{tmp_path}/missing/x") is None
    assert complete("") is None


async def test_esc_on_the_first_screen_stays() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        assert app.is_running


async def test_footer_fits_80_columns_with_six_keys() -> None:
    run = make_run()
    app = DiapasonApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for screen in (HomeScreen(), MonitorScreen(run), EvaluationScreen(run)):
            await app.push_screen(screen)
            bar = screen.query_one(KeyBar)
            await until(pilot, lambda bar=bar: len(bar._keys) > 1)
            text = bar.render().plain
            assert len(bar._keys) <= 5 and text.endswith("? keys")
            for key, label, _ in bar._keys:
                assert f"{key} {label}" in text, f"{key} {label} is cut off in {text!r}"


async def test_unknown_run_is_said_and_the_screen_stays() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        app.open("monitor", run="nothing-like-it")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        assert "there are no runs yet" in notices(app)


@pytest.mark.parametrize("text", ["[INST] x [/INST]", "[@click=app.quit]x[/]", "a\\[b]\\", "[ [$x] [[#fff]", "]["])
def test_literal_text_survives_markup(text: str) -> None:
    content = Content.from_markup(literal(text))
    assert content.plain == text
    assert not content.spans


def test_keys_read_as_printed() -> None:
    assert [key_name(key) for key in ("question_mark", "left_square_bracket", "left", "d")] == ["?", "[", "←", "d"]


# -- a real terminal --------------------------------------------------------------------------------------------


class Terminal:
    """The app in a pseudo-terminal of its own."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        environment = {**os.environ, "DIAPASON_HOME": str(home), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        environment.pop("COLORTERM", None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(sys.executable, [sys.executable, *arguments], environment)
        self.before = termios.tcgetattr(self.fd)
        self.seen = b""
        self.status: int | None = None

    def read_until(self, text: bytes) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < deadline, f"never saw {text!r} in {self.seen[-3000:]!r}"
            self._read()

    def _read(self) -> None:
        ready, _, _ = select.select([self.fd], [], [], 0.1)
        if ready:
            with contextlib.suppress(OSError):
                self.seen += os.read(self.fd, 65536)

    def wait(self) -> int:
        """The exit code, as a shell says it."""
        deadline = time.monotonic() + SECONDS
        while self.status is None:
            assert time.monotonic() < deadline, "it never ended"
            if self.fd >= 0:
                self._read()
            else:
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        if self.fd >= 0:
            self._read()
        return self.status

    def hang_up(self) -> None:
        os.close(self.fd)
        self.fd = -1

    def close(self) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def restored(self) -> bool:
        """Whether alternate screen, mouse, hidden cursor and raw mode were all given up."""
        last = {name: self.seen.rfind(name) for name in (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?25h")}
        first = self.seen.rfind(b"\x1b[?1049h")
        return all(place > first for place in last.values()) and termios.tcgetattr(self.fd)[3] == self.before[3]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    opened: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        terminal = Terminal(list(arguments) or ["-m", "tui"], tmp_path / "home")
        opened.append(terminal)
        return terminal

    yield begin
    for terminal in opened:
        terminal.close()


def test_ctrl_q_leaves_with_0_and_a_clean_terminal(start) -> None:
    terminal = start()
    terminal.read_until(b"keys")
    os.write(terminal.fd, b"\x11")
    assert terminal.wait() == 0
    assert terminal.restored
    # Without COLORTERM colours are of the 256 palette, never 24 bit.
    assert b"38;5;" in terminal.seen
    assert b"38;2;" not in terminal.seen
    assert b"\x07" not in re.sub(rb"\x1b\][^\x07]*\x07", b"", terminal.seen), "the bell rang"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_cleanly(start, number: signal.Signals) -> None:
    terminal = start()
    terminal.read_until(b"keys")
    os.kill(terminal.pid, number)
    assert terminal.wait() == 128 + number
    assert terminal.restored


def test_a_lost_terminal_ends_it(start) -> None:
    terminal = start()
    terminal.read_until(b"keys")
    terminal.hang_up()
    assert terminal.wait() == 128 + signal.SIGHUP


def test_a_lost_terminal_ends_it_where_hang_up_is_ignored(start) -> None:
    code = "import signal, sys; from tui.app import run; import asyncio; "
    code += "asyncio.SelectorEventLoop.add_signal_handler = lambda *a: None; signal.signal(1, signal.SIG_IGN); run()"
    terminal = start("-c", code)
    terminal.read_until(b"keys")
    terminal.hang_up()
    assert terminal.wait() in (0, 1, 128 + signal.SIGHUP)


def test_suspend_and_return_paints_again(start) -> None:
    terminal = start()
    terminal.read_until(b"keys")
    os.write(terminal.fd, b"\x1a")
    terminal.read_until(b"\x1b[?1049l")
    pid, status = os.waitpid(terminal.pid, os.WUNTRACED)
    assert pid == terminal.pid and os.WIFSTOPPED(status)
    terminal.seen = b""
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.read_until(b"keys")
    os.write(terminal.fd, b"\x11")
    assert terminal.wait() == 0


def test_a_crash_exits_1_with_a_log_and_without_data(start, tmp_path: Path) -> None:
    code = (
        "import sys; from tui.app import run; from tui.screens.home import HomeScreen\n"
        "def explode(self):\n"
        "    secret = 'row of somebody' + chr(39) + 's data'\n"
        "    raise RuntimeError('boom \\x1b]0;title\\x07 [bold]x')\n"
        "HomeScreen.action_new = explode\n"
        "sys.exit(run())"
    )
    terminal = start("-c", code)
    terminal.read_until(b"keys")
    os.write(terminal.fd, b"n")
    assert terminal.wait() == 1
    assert terminal.restored
    end = terminal.seen[terminal.seen.rfind(b"\x1b[?1049l") :].decode()
    assert "RuntimeError: boom ␛]0;title␇ [bold]x" in re.sub(r"\s+", " ", end)
    assert "row of somebody" not in end and "Traceback" not in end
    logs = list((tmp_path / "home" / "logs").glob("app-crash-*.log"))
    assert len(logs) == 1
    assert "in explode" in logs[0].read_text()


def test_no_terminal_is_said_with_2(tmp_path: Path) -> None:
    environment = {**os.environ, "DIAPASON_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tui"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 2
    assert b"needs a terminal" in done.stderr
    assert b"diapason --help" in done.stderr
    assert not done.stdout
