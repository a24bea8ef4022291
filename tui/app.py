"""The application: opens screens by name, keeps the terminal safe, and ends cleanly whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from core.errors import DiapasonError
from core.home import home
from core.text import visible
from tui.bell import ENDED
from tui.screens.base import DiapasonScreen
from tui.theme import DARK, SIXTEEN, find_theme, load_themes
from tui.widgets.linefilter import ControlFilter

# How long a dying terminal may hold us up before the process ends anyway.
LAST_GRACE_SECONDS = 3.0


class DiapasonApp(App[int]):
    """The full-screen app. Runs do not need it: it reads their folders and drops commands."""

    TITLE = "diapason"
    # Home's own rules are read with the app's: a later reading would parse all of them again.
    CSS_PATH: ClassVar[list[str]] = ["app.tcss", "screens/home.tcss"]  # pyright: ignore[reportIncompatibleVariableOverride]
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", "Quit", show=False, priority=True)]

    def __init__(self, start: str = "home", *, watch_terminal: bool = False, **start_kwargs: Any) -> None:
        super().__init__()
        self._start = start
        self._start_kwargs = start_kwargs
        self._watch_terminal = watch_terminal
        self._belt = ControlFilter()
        self._own_themes = home() / "themes"
        self._theme_names: list[str] = []
        self._rung: set[str] = set()

    # -- start --------------------------------------------------------------------------------------------

    def on_load(self) -> None:
        """The one theme in use must be known before the first paint; the others can wait."""
        wanted = _saved_theme() or (SIXTEEN if self._watch_terminal and _few_colours(self) else DARK)
        theme = find_theme(wanted, self._own_themes)
        if theme is not None:
            self.register_theme(theme)
            self.theme = theme.name
        else:
            self._load_themes()
            self.theme = DARK if DARK in self._theme_names else "textual-dark"

    def _load_themes(self) -> None:
        themes = load_themes(self._own_themes)
        for theme in themes.good.values():
            self.register_theme(theme)
        self._theme_names = list(themes.good)
        for problem in themes.problems:
            self.notify(f"theme not used: {problem}", severity="warning", timeout=10)

    def get_default_screen(self) -> Screen[Any]:
        """Home is under every other screen."""
        from tui.screens.home import HomeScreen

        screen = HomeScreen()
        screen.screen_name = "home"
        return screen

    def on_mount(self) -> None:
        """Open the screen that was asked for and watch for the end of the terminal."""
        if self._start != "home":
            self.open(self._start, **self._start_kwargs)
        self.call_after_refresh(self._load_themes)
        self.app_resume_signal.subscribe(self, self._resumed)
        if self._watch_terminal:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.add_signal_handler(number, self._signalled, number)
            self.set_interval(0.5, self._look_at_terminal)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters and the belt that strips control characters."""
        return [*super().get_line_filters(), self._belt]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Variables that Textual's style sheets want and a 16-colour theme need not give."""
        return {"ansi-background": "ansi_default", "ansi-foreground": "ansi_default"}

    # -- screens ------------------------------------------------------------------------------------------

    def open(self, name: str, **kwargs: Any) -> None:
        """Open the screen called `name` (``tui.screens.<name>``, class ``<Name>Screen``) with its arguments.

        "home" goes back to the first screen. A DiapasonError of the screen's constructor is shown, and the
        present screen stays.
        """
        if name == "home":
            while len(self.screen_stack) > 1:
                self.pop_screen()
            return
        module = importlib.import_module(f"tui.screens.{name}")
        screen_class: type[DiapasonScreen] = getattr(module, f"{name.capitalize()}Screen")
        try:
            screen = screen_class(**kwargs)
        except DiapasonError as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        screen.screen_name = name
        if isinstance(path := kwargs.get("path"), str | Path) and name == "browse":
            from tui.recent import remember

            remember(path)
        self.push_screen(screen)

    def notify(self, message: str, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Show a notice; its text is made inert and is never markup."""
        kwargs["markup"] = False
        kwargs["title"] = visible(kwargs.get("title", ""))
        super().notify(visible(message, newlines=True), **kwargs)

    def bell(self) -> None:
        """No bell: no key here is worth a sound."""

    def ring(self, run: str, before: str, now: str) -> None:
        """Ring the terminal, once, where the run with the id `run`, watched on a screen, has just ended."""
        if before == now or before in ENDED or now not in ENDED or run in self._rung:
            return
        self._rung.add(run)
        from core.home import runs_dir
        from core.runs.folder import RunFolder
        from tui.bell import signal_of

        text = signal_of(RunFolder(runs_dir() / run), now)
        if text and self._driver is not None and not self.is_headless:
            self._driver.write(text)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what the screen can do now, then the themes."""
        if isinstance(screen, DiapasonScreen):
            for action in screen.all_actions():
                reason = screen.why_not(action)
                text = action.help if reason is None else f"not now: {reason}"
                label = f"{action.label[:1].upper()}{action.label[1:]}  ({action.key_shown})"
                yield SystemCommand(
                    literal(label), literal(visible(text)), lambda name=action.name: self._from_palette(screen, name)
                )
        for name in self._theme_names:
            yield SystemCommand(f"Theme {name}", "Use these colours.", lambda name=name: self.use_theme(name))

    async def _from_palette(self, screen: DiapasonScreen, name: str) -> None:
        await screen.action_act(name)

    def action_next_theme(self) -> None:
        """Use the next theme and remember it."""
        names = self._theme_names
        at = names.index(self.theme) if self.theme in names else -1
        self.use_theme(names[(at + 1) % len(names)])

    def use_theme(self, name: str) -> None:
        """Change the colours and remember the choice for the next start."""
        self.theme = name
        from core.files import write_atomic

        try:
            home().mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(home() / "theme", name + "\n")
        except OSError as error:
            self.notify(f"the theme could not be remembered: {error.strerror}", severity="warning")
        self.notify(f"theme {name}")

    # -- the end ------------------------------------------------------------------------------------------

    def _resumed(self, _: App[Any]) -> None:
        # After fg the terminal holds what the shell wrote: paint all of it again.
        self.refresh(layout=True)
        self.screen.refresh(layout=True, recompose=False)

    def _signalled(self, number: int) -> None:
        _end_soon(128 + number)
        self.exit(return_code=128 + number)

    def _look_at_terminal(self) -> None:
        if _terminal_gone():
            _end_soon(128 + signal.SIGHUP)
            self.exit(return_code=128 + signal.SIGHUP)

    def _fatal_error(self) -> None:
        # Textual would print the values of local variables, which may hold rows of somebody's data.
        error = sys.exc_info()[1]
        log = _write_crash(error)
        where = f"\nThe details are in {log}" if log else ""
        kind = f"{type(error).__name__}: {error}" if error else "unknown error"
        message = f"diapason's screen failed ({kind}). Runs go on without it.{where}"
        self.panic(Text(visible(message[:2000], newlines=True)))


def literal(text: str) -> str:
    """`text` for a place where Textual reads markup, such as the palette: what it shows is `text` itself.

    Textual's own `escape` leaves ``[INST]`` a tag; a backslash before every bracket does not.
    """
    return text.replace("[", "\\[")


def run(start: str = "home", **kwargs: Any) -> int:
    """Run the app until it is left; returns the exit code: 2 where there is no terminal, 1 after a crash."""
    problem = _no_terminal()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    app = DiapasonApp(start, watch_terminal=True, **kwargs)
    app.run()
    return app.return_code or 0


def _no_terminal() -> str | None:
    for stream in (sys.__stdin__, sys.__stderr__):
        if stream is None or not stream.isatty():
            return (
                "diapason: the app needs a terminal for keys (stdin) and for the screen (stderr).\n"
                "  Run it in a terminal, or use the commands: diapason --help"
            )
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        return "diapason: this terminal (TERM=dumb) cannot show the app.\n  Use the commands: diapason --help"
    return None


def _terminal_gone() -> bool:
    """Whether the terminal of stdin was closed; reading it would give an endless end of file."""
    stream = sys.__stdin__
    if stream is None:
        return True
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLHUP | select.POLLERR)
        return any(state & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, state in poll.poll(0))
    except (OSError, ValueError):
        return True


def _end_soon(code: int) -> None:
    """End the process even if the terminal takes no more output."""

    def end() -> None:
        time.sleep(LAST_GRACE_SECONDS)
        os._exit(code)

    threading.Thread(target=end, daemon=True, name="last-grace").start()


def _write_crash(error: BaseException | None) -> Path | None:
    """Write the traceback, without local variables, into the home's logs; None where that fails too."""
    folder = home() / "logs"
    path = folder / time.strftime("app-crash-%Y%m%d-%H%M%S.log")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = traceback.format_exception(error) if error else ["unknown error\n"]
        path.write_text("".join(lines), "utf-8", "backslashreplace")
        return path
    return None


def _saved_theme() -> str | None:
    try:
        return (home() / "theme").read_text("utf-8").strip()[:80] or None
    except (OSError, UnicodeDecodeError):
        return None


def _few_colours(app: App[Any]) -> bool:
    return app.console.color_system == "standard"
