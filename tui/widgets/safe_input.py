"""A line to fill in that begins with a text we did not write, such as a path."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input

from core.text import visible


class SafeInput(Input):
    """Shows its first text inert, and gives it back as it was where nobody edits it."""

    def __init__(self, first: str, **options: Any) -> None:
        """Begin with `first`; `options` as `Input` takes them."""
        self._first, self._first_shown = first, visible(first)
        super().__init__(self._first_shown, **options)

    @property
    def meant(self) -> str:
        """The text that the line stands for: a path may hold characters that must not be shown."""
        return self._first if self.value == self._first_shown else self.value
