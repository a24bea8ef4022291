"""The editor of one row, a field for each of its texts: ctrl+s keeps what was written, esc leaves the row alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from core.data.turns import ALIASES
from core.text import visible

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from core.data.mend.editable import Editable

_MOST_FIELDS = 40
_LONGEST = 200_000
# Fields that name things; a person who reviews a row rewrites what is said.
_ANSWERS = frozenset({"output", "completion", "response", "answer", "chosen", "target"})
_NAMES = frozenset({"role", "from", "id", "type", "name", "tool_call_id", "uuid", "split", "weight"})


@dataclass(frozen=True, slots=True)
class Field:
    """A text of a row: its place, who says it (empty where that is nobody), and whether it is an answer."""

    place: str
    text: str
    speaker: str = ""
    answer: bool = False


def fields(dataset: Dataset, row: Row) -> list[Field]:
    """The texts of a row to edit; the whole row under the place ``""`` where it cannot be read."""
    from core.data.mend.editable import Editable
    from core.data.mend.tree import NotEditable

    whole = [Field("", row.raw.decode("utf-8", "replace"))]
    try:
        editable = Editable(dataset.source, row.raw)
    except NotEditable:
        return whole
    found: list[Field] = []
    for place, text in editable.texts():
        value, (owner, _, name) = text.value, place.rpartition(".")
        if name not in _NAMES and len(value) < _LONGEST:
            speaker = _speaker(editable, owner) if owner else ""
            answer = name in _ANSWERS or (ALIASES.get(speaker.casefold(), speaker) == "assistant")
            found.append(Field(place, value, speaker, answer))
    return found[:_MOST_FIELDS] or whole


def _speaker(editable: Editable, owner: str) -> str:
    """Who says what stands in the turn at `owner`."""
    from core.data.mend.tree import Nest, Text

    turn = editable.document.find(owner) if editable.document is not None else None
    said = (turn.get("role") or turn.get("from")) if isinstance(turn, Nest) and turn.is_object else None
    return said.value if isinstance(said, Text) else ""


class EditScreen(ModalScreen[dict[str, str] | None]):
    """Gives the texts that were changed, by place; None where nothing was, or esc was pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", show=False, priority=True),
        Binding("escape", "leave", "Leave", show=False, priority=True),
    ]

    def __init__(self, title: str, texts: list[Field], one_line: bool = False) -> None:
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
                for field in self._texts:
                    name = field.place or "the row as it stands"
                    name = f"{field.speaker} · {name}" if field.speaker else name
                    yield Static(visible(name), classes="field-name", markup=False)
                    area = TextArea(field.text, soft_wrap=True, compact=True, classes="field")
                    # What the field makes of the text: odd line ends alone are no edit.
                    self._areas.append((field.place, area, area.text))
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
            answers = [number for number, field in enumerate(self._texts) if field.answer]
            self._areas[answers[-1] if answers else -1][1].focus()

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
