"""The top line: the answer to the screen's one question."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from core.text import visible

Line = str | Content


class TopLine(Widget):
    """One line: a left part, cut where it is too long, and a right part, left out where it takes over half."""

    DEFAULT_CSS = """
    TopLine { dock: top; height: 1; width: 1fr; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: Content = Content()
        self._right: Content = Content()

    def show(self, left: Line, right: Line = "") -> None:
        """Set both parts; plain strings are made inert."""
        new = (_content(left), _content(right))
        if new != (self._left, self._right):
            self._left, self._right = new
            self.refresh()

    def render(self) -> Content:
        """Left and right, as far as they fit."""
        width = self.size.width
        room = width - self._right.cell_length - 2
        if not self._right or room < width // 2:
            return self._left.truncate(width, ellipsis=True)
        left = self._left.truncate(room, ellipsis=True)
        return Content.assemble(left, " " * (width - left.cell_length - self._right.cell_length), self._right)


def _content(line: Line) -> Content:
    return line if isinstance(line, Content) else Content(visible(line))
