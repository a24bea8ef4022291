"""The footer: the few keys that matter now, never cut off."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from core.text import cells
from tui.actions import Action

MAX_KEYS = 6
_LAST = ("?", "keys")


class KeyBar(Widget):
    """One line with at most six keys; those that do not fit the width are left to the help."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; width: 1fr; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: tuple[tuple[str, str, bool], ...] = ()

    def show(self, actions: Sequence[tuple[Action, bool]]) -> None:
        """Show the footer actions among `actions`, each with whether it can act now."""
        keys = tuple((a.key_shown, a.label, can) for a, can in actions if a.footer)[: MAX_KEYS - 1]
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def render(self) -> Content:
        """The keys that fit, the help's key always last."""
        room = self.size.width - cells(" ".join(_LAST))
        parts: list[tuple[str, str]] = []
        for key, label, can in self._keys:
            room -= cells(f"{key} {label}") + 2
            if room < 0:
                break
            parts += [(key, "bold $accent" if can else "$text-disabled"), (" ", "")]
            parts += [(label, "$text-muted" if can else "$text-disabled"), ("  ", "")]
        parts += [(_LAST[0], "bold $accent"), (" ", ""), (_LAST[1], "$text-muted")]
        return Content.assemble(*parts)
