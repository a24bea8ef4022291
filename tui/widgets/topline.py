"""The top line: the answer to the screen's one question."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from core.text import visible

Line = str | Content


class TopLine(Widget):
    """One line, with a left part that is cut last and a right part that is dropped where there is no room."""

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
        left = self._left.truncate(width, ellipsis=True)
        gap = width - left.cell_length - self._right.cell_length
        if not self._right or gap < 2:
            return left
        return Content.assemble(left, " " * gap, self._right)


def _content(line: Line) -> Content:
    return line if isinstance(line, Content) else Content(visible(line))
