"""What every screen has: a top line, keys from one registry, notices that cannot act on the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen, Screen

from core.errors import DiapasonError
from core.text import visible
from tui.actions import COMMON, Action
from tui.messages import WorkDone, WorkFailed
from tui.widgets.keybar import KeyBar
from tui.widgets.topline import TopLine

if TYPE_CHECKING:
    from tui.app import DiapasonApp

T = TypeVar("T")
NARROW = 100


class DiapasonScreen(Screen[None]):
    """A screen whose keys come from ACTIONS.

    A subclass sets ``TITLE``, ``ACTIONS``, ``CSS_PATH`` (its .tcss beside it) and gives ``compose_body``.
    The class ``-narrow`` is set below 100 columns, ``-wide`` from 100 on.
    """

    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    HELP: ClassVar[str | None] = None
    """What the screen is for, in a sentence or two, for the `?` help."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        own = cls.__dict__.get("ACTIONS")
        if own is not None:
            cls.BINDINGS = [  # pyright: ignore[reportIncompatibleVariableOverride]
                Binding(action.key, f"act('{action.name}')", action.label, show=False) for action in (*own, *COMMON)
            ]
        super().__init_subclass__(**kwargs)

    def __init__(self) -> None:
        super().__init__()
        self.screen_name = ""
        self._serials: dict[str, int] = {}

    @property
    def diapason(self) -> DiapasonApp:
        """The app, with its own methods: ``self.diapason.open("monitor", run=…)``."""
        return cast("DiapasonApp", self.app)

    @property
    def is_seen(self) -> bool:
        """Whether it is the screen on top, dialogs aside: one that is covered need not read or draw.

        Textual's `is_current` also holds for the screen below the top one, whatever covers it.
        """
        screens = [screen for screen in self.app.screen_stack if not isinstance(screen, ModalScreen)]
        return bool(screens) and screens[-1] is self

    def compose(self) -> ComposeResult:
        """Top line, the screen's body, footer."""
        self._fit()
        yield TopLine(id="top")
        yield from self.compose_body()
        yield KeyBar(id="keys")

    def _fit(self) -> None:
        """Set the breakpoints' classes: Textual does so after a first layout, and then paints all of it again."""
        width, height = self.app.size
        for extent, points in ((width, self.HORIZONTAL_BREAKPOINTS or []), (height, self.VERTICAL_BREAKPOINTS or [])):
            reached = max((point for point, _ in points if point <= extent), default=None)
            for point, name in points:
                self.set_class(point == reached, name)

    def compose_body(self) -> ComposeResult:
        """The widgets between top line and footer; a subclass gives them."""
        yield from ()

    # -- keys ---------------------------------------------------------------------------------------------

    def all_actions(self) -> Iterable[Action]:
        """The screen's actions and the common ones."""
        return (*self.ACTIONS, *COMMON)

    def why_not(self, action: Action) -> str | None:
        """Why `action` cannot run now, or None where it can."""
        if action.enabled is None:
            return None
        return getattr(self, action.enabled)()

    async def action_act(self, name: str) -> None:
        """Run the action called `name`, or say why it cannot run."""
        action = next(a for a in self.all_actions() if a.name == name)
        try:
            reason = self.why_not(action)
            if reason is not None:
                self.warn(f"{action.key_shown} {action.label}: {reason}")
                return
            result = getattr(self, f"action_{name}")()
            if inspect.isawaitable(result):
                await result
        except DiapasonError as error:
            self.fail(error)
        self.refresh_keys()

    def refresh_keys(self) -> None:
        """Draw the footer again; call it when what the keys can do has changed."""
        if self.is_mounted and (bars := self.query(KeyBar)):
            bars.first().show([(a, self.why_not(a) is None) for a in self.footer_actions()])

    def footer_actions(self) -> Iterable[Action]:
        """The actions in the order in which the footer takes its first ones; a subclass may put some first."""
        return self.ACTIONS

    def on_screen_resume(self) -> None:
        """Show the keys as they are when the screen comes to the front."""
        self.refresh_keys()

    # -- what every screen can do -------------------------------------------------------------------------

    def top(self, left: str | Content, right: str | Content = "") -> None:
        """Set the top line: the answer to the screen's question, and on the right something of less weight."""
        if bars := self.query(TopLine):
            bars.first().show(left, right)

    def say(self, text: str) -> None:
        """Tell the person something; the text is made inert."""
        self.app.notify(visible(text, newlines=True), markup=False)

    def warn(self, text: str) -> None:
        """Tell the person of something that did not happen, or that needs attention."""
        self.app.notify(visible(text, newlines=True), severity="warning", markup=False)

    def fail(self, error: BaseException) -> None:
        """Show an error: a DiapasonError as it was written, another by its kind and message."""
        text = str(error) if isinstance(error, DiapasonError) else f"{type(error).__name__}: {error}"
        self.app.notify(visible(text, newlines=True), severity="error", timeout=10, markup=False)

    def confirm(self, question: str, then: Callable[[], Any], *, detail: str = "", yes: str = "Yes") -> None:
        """Ask before something that cannot be undone; `then` runs only on yes. Cancel has the focus.

        The question names the object: "Stop contracts-v2?".
        """
        from tui.widgets.dialogs import ConfirmDialog

        def answered(sure: bool | None) -> None:
            if sure:
                self._guarded(then)

        self.app.push_screen(ConfirmDialog(question, detail=detail, yes=yes), answered)

    def ask(
        self,
        question: str,
        then: Callable[[str], Any],
        *,
        value: str = "",
        placeholder: str = "",
        paths: bool = False,
    ) -> None:
        """Ask for one line; `then` gets it stripped, unless it is empty or esc was pressed."""
        from tui.widgets.dialogs import AskDialog

        def answered(text: str | None) -> None:
            if text and text.strip():
                self._guarded(lambda: then(text.strip()))

        self.app.push_screen(AskDialog(question, value=value, placeholder=placeholder, paths=paths), answered)

    def background(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        *,
        otherwise: Callable[[BaseException], None] | None = None,
        group: str = "work",
    ) -> None:
        """Run `work` in a thread and `then(result)` here. A newer call of the same group supersedes an older.

        An exception goes to `otherwise`, else is shown. `work` must touch no widget.
        """
        serial = self._serials[group] = self._serials.get(group, 0) + 1

        def run() -> None:
            try:
                result = work()
            except Exception as error:
                self.post_message(WorkFailed(error, otherwise if self._serials[group] == serial else _ignore))
            else:
                if self._serials[group] == serial:
                    self.post_message(WorkDone(then, result))

        self.run_worker(run, thread=True, group=group, exit_on_error=False)

    @on(WorkDone)
    def _work_done(self, event: WorkDone) -> None:
        self._guarded(lambda: event.then(event.result))
        self.refresh_keys()

    @on(WorkFailed)
    def _work_failed(self, event: WorkFailed) -> None:
        if event.otherwise is not None:
            event.otherwise(event.error)
        else:
            self.fail(event.error)
        self.refresh_keys()

    def _guarded(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except DiapasonError as error:
            self.fail(error)

    # -- the common actions -------------------------------------------------------------------------------

    def action_back(self) -> None:
        """One level back; on the first screen nothing happens."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        else:
            self.say("this is the first screen; ctrl+q leaves, runs go on")

    def action_help(self) -> None:
        """Show the keys of this screen."""
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))

    async def action_next_theme(self) -> None:
        """Change to the next theme."""
        await self.app.run_action("next_theme")

    def action_suspend(self) -> None:
        """Give the terminal back to the shell."""
        self.app.action_suspend_process()

    def action_leave(self) -> None:
        """Leave the app."""
        self.app.exit()


def _ignore(_: BaseException) -> None:
    return
