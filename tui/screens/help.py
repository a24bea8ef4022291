"""The help: every key of the screen it was opened from."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.text import cells
from tui.actions import key_name
from tui.screens.base import DiapasonScreen


class HelpScreen(ModalScreen[None]):
    """Lists the actions of `screen`, with why some cannot run now."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter", "close", "Close", show=False),
    ]

    def __init__(self, screen: DiapasonScreen) -> None:
        super().__init__()
        self.subject = screen

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(classes="help") as page:
            page.border_title = "keys"
            page.border_subtitle = "esc close"
            yield Static(self._page())

    def on_mount(self) -> None:
        """Let the arrow keys scroll."""
        self.query_one(VerticalScroll).focus()

    def action_close(self) -> None:
        """Back to the screen."""
        self.dismiss()

    def _page(self) -> Content:
        parts: list[tuple[str, str] | str] = []
        if self.subject.HELP:
            parts.append((self.subject.HELP + "\n\n", "$foreground"))
        for group, actions in groupby(self.subject.all_actions(), key=lambda action: action.group):
            parts.append((group + "\n", "bold $accent"))
            for action in actions:
                keys = action.shown or " ".join(key_name(key.strip()) for key in action.key.split(","))
                reason = self.subject.why_not(action)
                parts.append((f"  {keys}{' ' * max(1, 12 - cells(keys))}", "bold"))
                parts.append((action.help, "$foreground" if reason is None else "$text-muted"))
                if reason is not None:
                    parts.append((f" Not now: {reason}.", "$warning"))
                parts.append("\n")
            parts.append("\n")
        parts.append(("ctrl+p finds any of them by name.", "$text-muted"))
        return Content.assemble(*parts)
