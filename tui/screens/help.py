"""The help: every key of the screen it was opened from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.text import cells, visible
from tui.actions import Action, key_name
from tui.screens.base import DiapasonScreen

_KEYS_WIDTH, _TEXT_WIDTH = 15, 51


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
        for group, actions in _groups(self.subject.all_actions()).items():
            parts.append((group + "\n", "bold $accent"))
            for action in actions:
                keys = action.shown or " ".join(key_name(key.strip()) for key in action.key.split(","))
                reason = self.subject.why_not(action)
                parts += _entry(keys, action.help, "$foreground" if reason is None else "$text-muted")
                if reason is not None:
                    parts += _entry("", f"not now: {reason}", "$warning")
            parts.append("\n")
        parts.append(("Where the focus is\n", "bold $accent"))
        for keys, text in self._widget_keys():
            parts += _entry(keys, text, "$foreground")
        parts.append(("\nctrl+p finds any of them by name.", "$text-muted"))
        return Content.assemble(*parts)

    def _widget_keys(self) -> list[tuple[str, str]]:
        """The keys of the screen's own widgets: what a widget's class says in HELP_KEYS, each class once."""
        kinds = {type(widget) for widget in self.subject.query("*")}
        found = [pair for kind in kinds for pair in getattr(kind, "HELP_KEYS", ())]
        return [*sorted(found, key=lambda pair: pair[0], reverse=True), ("tab", "The next part of the screen.")]


def _groups(actions: Iterable[Action]) -> dict[str, list[Action]]:
    """The actions by their headings, each where it comes first."""
    found: dict[str, list[Action]] = {}
    for action in actions:
        found.setdefault(action.group, []).append(action)
    return found


def _entry(keys: str, text: str, style: str) -> list[tuple[str, str] | str]:
    """A key and what it does, wrapped beside it."""
    lines = textwrap.wrap(visible(text), _TEXT_WIDTH) or [""]
    parts: list[tuple[str, str] | str] = [(f"  {keys}{' ' * max(1, _KEYS_WIDTH - 2 - cells(keys))}", "bold")]
    for number, line in enumerate(lines):
        parts += [" " * _KEYS_WIDTH if number else "", (line, style), "\n"]
    return parts
