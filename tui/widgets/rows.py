"""A list of one-line rows with a cursor: only the rows in view are drawn, only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

MARK = "▸ "


@dataclass(frozen=True)
class Row:
    """One line. `key` identifies a row that the cursor can stand on; headings have None.

    `draw` gives the row's content for a width in cells. Two rows with equal `key` and `data` look the same.
    """

    key: str | None
    data: object
    draw: Callable[[int], Content]

    def same(self, other: Row) -> bool:
        """Whether `other` would be drawn the same."""
        return self.key == other.key and self.data == other.data


class RowList(ScrollView, can_focus=True):
    """Rows with a cursor that stays on its row's key when rows come and go."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]
    HELP_KEYS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("↑ ↓", "Move the cursor; page up and down, home and end too."),
        ("enter", "Do what the row under the cursor is for."),
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = """
    RowList { height: 1fr; padding: 0 1; }
    RowList > .rows--cursor {
        background: $block-cursor-background;
        color: $block-cursor-foreground;
        text-style: $block-cursor-text-style;
    }
    """

    class RowMessage(Message):
        """Something happened to the row `key`."""

        def __init__(self, control: RowList, key: str) -> None:
            super().__init__()
            self._control = control
            self.key = key

        @property
        def control(self) -> RowList:
            """The list, for `@on` with a selector."""
            return self._control

    class Chosen(RowMessage):
        """Enter was pressed on the row `key`."""

    class Moved(RowMessage):
        """The cursor came to the row `key`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._at = 0

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        return self._rows[self._at].key if 0 <= self._at < len(self._rows) else None

    @property
    def keys(self) -> list[str]:
        """The keys of the rows that the cursor can stand on."""
        return [row.key for row in self._rows if row.key is not None]

    def show(self, rows: Sequence[Row]) -> None:
        """Replace the rows; those that look the same are not drawn again."""
        before, key, at = self._rows, self.current, self._at
        self._rows = list(rows)
        found = next((n for n, row in enumerate(self._rows) if row.key is not None and row.key == key), None)
        if found is None:
            found = self._nearest(min(at, len(self._rows) - 1))
        self._at = found
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows))
        if len(before) != len(self._rows) or at != found:
            self.refresh()
        else:
            for number, (old, new) in enumerate(zip(before, self._rows)):
                if not old.same(new):
                    self._refresh_row(number)
        if self.current is not None and self.current != key:
            self.post_message(self.Moved(self, self.current))

    def go(self, key: str) -> None:
        """Put the cursor on the row `key`, where there is one."""
        for number, row in enumerate(self._rows):
            if row.key == key:
                self._move_to(number)

    def _nearest(self, at: int) -> int:
        stops = [n for n, row in enumerate(self._rows) if row.key is not None]
        return min(stops, key=lambda n: (abs(n - at), n)) if stops else 0

    def _refresh_row(self, number: int) -> None:
        self.refresh(Region(0, number - self.scroll_offset.y, self.size.width, 1))

    def _move_to(self, number: int) -> None:
        if number == self._at:
            return
        self._refresh_row(self._at)
        self._at = number
        self._refresh_row(number)
        # The heading above the first row comes into view with it.
        above = 0 if number <= 2 else number
        self.scroll_to_region(Region(0, above, 1, number - above + 1), animate=False, force=True)
        if self.current is not None:
            self.post_message(self.Moved(self, self.current))

    def action_move(self, by: int) -> None:
        """Move the cursor to the next row that it can stand on."""
        number = self._at + by
        while 0 <= number < len(self._rows):
            if self._rows[number].key is not None:
                self._move_to(number)
                return
            number += by

    def action_page(self, by: int) -> None:
        """Move the cursor by a page."""
        height = max(1, self.scrollable_content_region.height - 1)
        self._move_to(self._nearest(min(len(self._rows) - 1, max(0, self._at + by * height))))

    def action_edge(self, where: int) -> None:
        """Move the cursor to the first or the last row."""
        self._move_to(self._nearest(0 if where < 0 else len(self._rows) - 1))

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Chosen(self, self.current))

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        style = self.visual_style
        if not 0 <= number < len(self._rows):
            return Strip.blank(width, style.rich_style)
        row = self._rows[number]
        on_cursor = number == self._at and row.key is not None
        if on_cursor and self.has_focus:
            style = style + self.get_visual_style("rows--cursor")
        content = Content.assemble(MARK if on_cursor else " " * len(MARK), row.draw(width - len(MARK)))
        if on_cursor and self.has_focus and self.app.current_theme.ansi:
            # Sixteen colours have no tints: the cursor is of the accent's own colour, which would hide the accents.
            content = Content(content.plain)
        strips = Visual.to_strips(self, content.truncate(width, ellipsis=True), width, 1, style, pad=True)
        return strips[0] if strips else Strip.blank(width, style.rich_style)

    def on_focus(self) -> None:
        """Light the cursor up."""
        self._refresh_row(self._at)

    def on_blur(self) -> None:
        """Dim the cursor."""
        self._refresh_row(self._at)
