"""The list of rows: any number of them, only those on the screen are ever read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

_KEPT_LINES = 500
Line = tuple[str, str, str]
"""Mark, name of its style (error, warning, note or nothing), text."""


class RowList(ScrollView, can_focus=True):
    """A cursor over rows. `view` holds the rows shown, by number in the file; `line` reads one for showing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown,space", "page(1)", "page down", show=False),
        Binding("home", "jump(0)", "first", show=False),
        Binding("end,G", "jump(-1)", "last", show=False),
        Binding("enter", "open", "open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-list--number", "row-list--text", "row-list--cursor", "row-list--error", "row-list--warning",
    }  # fmt: skip
    DEFAULT_CSS = """
    RowList {
        overflow-x: hidden;
        & .row-list--number { color: $text-muted; }
        & .row-list--text { color: $foreground; }
        & .row-list--error { color: $error; text-style: bold; }
        & .row-list--warning { color: $warning; }
        & .row-list--cursor { background: $panel; text-style: bold; }
        &:focus .row-list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    }
    """
    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor stands on another row of the file."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    class Opened(Message):
        """Enter was pressed on a row."""

    def __init__(
        self, line: Callable[[int, int], Line], *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.view: Sequence[int] = ()
        self._line = line
        self._lines: OrderedDict[tuple[int, int], Line] = OrderedDict()
        self._digits = 1

    @property
    def row(self) -> int | None:
        """The row under the cursor, by number in the file."""
        return self.view[self.cursor] if self.cursor < len(self.view) else None

    def show(self, view: Sequence[int], row: int | None = None) -> None:
        """Show the rows of `view`, in increasing order, with the cursor on `row` or the nearest one after it."""
        self.view = view
        self._digits = len(f"{(view[-1] if len(view) else 0) + 1}")
        self.virtual_size = Size(self.size.width, len(view))
        self.cursor = self._place(row) if row is not None else 0
        self._follow()
        # A list that was shorter has no scroll bar yet, and takes no place before it has one.
        self.call_after_refresh(self._follow)
        self.forget()
        self._tell()

    def grow(self, view: Sequence[int]) -> None:
        """More rows have been found behind those shown: the cursor stays."""
        was_empty = not len(self.view)
        self.view = view
        self._digits = max(self._digits, len(f"{(view[-1] if len(view) else 0) + 1}"))
        self.virtual_size = Size(self.size.width, len(view))
        self.refresh()
        if was_empty and len(view):
            self._tell()

    def forget(self) -> None:
        """Draw every line afresh."""
        self._lines.clear()
        self.refresh()

    def go(self, row: int) -> None:
        """Put the cursor on `row`, or on the nearest row after it."""
        self.cursor = self._place(row)

    def _place(self, row: int) -> int:
        low, high = 0, len(self.view)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.view[middle] < row else (low, middle)
        return min(low, max(0, len(self.view) - 1))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self.view) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Bring the cursor into view and say where it is."""
        self._follow()
        # Two lines look different; all of them are drawn anew only where the view scrolls.
        self.refresh_line(before)
        self.refresh_line(now)
        self._tell()

    def _tell(self) -> None:
        if self.row is not None:
            self.post_message(self.Moved(self.row))

    def _follow(self) -> None:
        height = self.scrollable_content_region.height
        top = round(self.scroll_target_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True)

    def on_resize(self, event: Resize) -> None:
        """The lines have another width now."""
        self.virtual_size = Size(event.size.width, len(self.view))
        self._follow()

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self.cursor += step

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screenful."""
        self.cursor += direction * max(1, self.scrollable_content_region.height - 1)

    def action_jump(self, place: int) -> None:
        """Go to the first or the last row."""
        self.cursor = place if place >= 0 else len(self.view) - 1

    def action_open(self) -> None:
        """Tell that the row was chosen."""
        if self.row is not None:
            self.post_message(self.Opened())

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse was pressed."""
        place = event.y + round(self.scroll_offset.y) - (self.gutter.top if self.gutter else 0)
        if 0 <= place < len(self.view):
            self.cursor = place

    def render_line(self, y: int) -> Strip:
        """One line: cursor, row number, mark, text."""
        width = self.scrollable_content_region.width
        place = y + round(self.scroll_offset.y)
        base = self.rich_style
        if place >= len(self.view):
            return Strip.blank(width, base)
        row = self.view[place]
        mark, kind, text = self._read(row, max(4, width - self._digits - 5))
        here = place == self.cursor
        cursor = self.get_component_rich_style("row-list--cursor", partial=True) if here else Style()
        number_style = self._style("number", base, cursor)
        segments = [
            Segment("▸ " if here else "  ", self._style("text", base, cursor)),
            Segment(f"{row + 1:>{self._digits}} ", number_style),
            Segment(f"{mark or ' '} ", self._style(kind or "text", base, cursor)),
            Segment(text, self._style("text", base, cursor)),
        ]
        return Strip(segments).adjust_cell_length(width, base + cursor if here else base)

    def _style(self, kind: str, base: Style, cursor: Style) -> Style:
        name = f"row-list--{kind}" if kind in ("number", "text", "error", "warning") else "row-list--number"
        return base + self.get_component_rich_style(name, partial=True) + cursor

    def _read(self, row: int, width: int) -> Line:
        key = (row, width)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._line(row, width)
            if len(self._lines) > _KEPT_LINES:
                self._lines.popitem(last=False)
        return line
