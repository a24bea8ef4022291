"""A framed page of text that scrolls."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static


class Page(VerticalScroll):
    """A panel of text, drawn again only when the text has changed."""

    HELP_KEYS = (("↑ ↓", "Move or scroll; page up and down, home and end too."),)

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self.border_title = title
        self._text = Content()

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(markup=False)

    def show(self, text: Content) -> None:
        """Show `text`."""
        if text != self._text:
            self._text = text
            put(self.query_one(Static), text)


def put(static: Static, text: Content) -> None:
    """Have `static` show `text`; the screen is laid out again, and painted whole, only where its height changes."""
    static.update(text, layout=False)
    static.clear_cached_dimensions()
    # What is hidden is laid out when it is shown.
    if static.is_on_screen:
        size = static.content_size
        if static.get_content_height(static.container_size, static.app.size, size.width) != size.height:
            static.refresh(layout=True)
