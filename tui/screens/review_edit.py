"""The editor of one row, a field for each of its texts: ctrl+s keeps what was written, esc leaves the row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from core.text import visible

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row

_MOST_FIELDS = 40
_LONGEST = 200_000
# Fields that name things; a person who reviews a row rewrites what is said.
_NAMES = frozenset({"role", "from", "id", "type", "name", "tool_call_id", "uuid", "split", "weight"})


def fields(dataset: Dataset, row: Row) -> list[tuple[str, str]]:
    """The texts of a row to edit, as (place, text); the whole row under the place ``""`` where it cannot be read."""
    from core.data.mend.editable import Editable
    from core.data.mend.tree import NotEditable

    try:
        texts = [(place, text.value) for place, text in Editable(dataset.source, row.raw).texts()]
    except NotEditable:
        return [("", row.raw.decode("utf-8", "replace"))]
    kept = [(place, text) for place, text in texts if place.rpartition(".")[2] not in _NAMES and len(text) < _LONGEST]
    return kept[:_MOST_FIELDS] or [("", row.raw.decode("utf-8", "replace"))]


class EditScreen(ModalScreen[dict[str, str] | None]):
    """Gives the texts that were changed, by place; None where nothing was, or esc was pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", show=False, priority=True),
        Binding("escape", "leave", "Leave", show=False, priority=True),
    ]

    def __init__(self, title: str, texts: list[tuple[str, str]], one_line: bool = False) -> None:
        super().__init__()
        self._title = visible(title)
        self._texts = texts
        self._one_line = one_line
        self._areas: list[tuple[str, TextArea, str]] = []

    def compose(self) -> ComposeResult:
        """The fields, and what the keys do."""
        with Vertical(id="editor", classes="dialog"):
            yield Static(self._title, classes="dialog-question", markup=False)
            with VerticalScroll(id="fields"):
                for place, text in self._texts:
                    yield Static(visible(place or "the row as it stands"), classes="field-name", markup=False)
                    area = TextArea(text, soft_wrap=True, compact=True, classes="field")
                    # What the field makes of the text: odd line ends alone are no edit.
                    self._areas.append((place, area, area.text))
                    yield area
            yield Static(
                "ctrl+s save · tab next field · esc leave it as it is", classes="dialog-detail", markup=False
            )

    def on_mount(self) -> None:
        """Begin with the answer, which is what one most often mends."""
        for _, area, text in self._areas:
            area.styles.height = max(1, min(8, text.count("\n") + 1 + len(text) // 60))
            area.cursor_location = area.document.end
        if self._areas:
            self._areas[-1][1].focus()

    def action_save(self) -> None:
        """Give what was changed."""
        changed = {place: area.text for place, area, before in self._areas if area.text != before}
        if self._one_line and "\n" in changed.get("", ""):
            self.app.notify("a row of this file is one line: take the line breaks out", severity="warning")
            return
        self.dismiss(changed or None)

    def action_leave(self) -> None:
        """Leave the row as it is."""
        self.dismiss(None)
