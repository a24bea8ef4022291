"""Small dialogs: a question with Cancel focused, and a line to fill in."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from core.text import visible
from tui.widgets.paths import PathSuggester, complete
from tui.widgets.safe_input import SafeInput


class ConfirmDialog(ModalScreen[bool]):
    """Asks before something that cannot be undone. Cancel has the focus; esc cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "cancel", "Cancel", show=False),
        Binding("left,right,up,down", "swap", "Other button", show=False),
    ]

    def __init__(self, question: str, *, detail: str = "", yes: str = "Yes") -> None:
        super().__init__()
        self.question = visible(question)
        self.detail = visible(detail, newlines=True)
        self.yes = visible(yes)

    def compose(self) -> ComposeResult:
        """The question, its detail and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(self.question, classes="dialog-question", markup=False)
            if self.detail:
                yield Static(self.detail, classes="dialog-detail", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(self.yes, id="yes", compact=True)

    def on_mount(self) -> None:
        """Focus the button that harms nobody."""
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_cancel(self) -> None:
        """Close without doing anything."""
        self.dismiss(False)

    def action_swap(self) -> None:
        """Move to the other button."""
        self.focus_next()


class AskDialog(ModalScreen[str | None]):
    """Asks for one line of text; enter takes it, esc gives None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("tab", "complete", "Complete", show=False, priority=True),
    ]

    def __init__(self, question: str, *, value: str = "", placeholder: str = "", paths: bool = False) -> None:
        super().__init__()
        self.question = visible(question)
        self.value = value
        self.placeholder = visible(placeholder)
        self.paths = paths

    def compose(self) -> ComposeResult:
        """The question, the line, and what the keys do."""
        with Vertical(classes="dialog"):
            yield Static(self.question, classes="dialog-question", markup=False)
            suggester = PathSuggester() if self.paths else None
            yield SafeInput(self.value, placeholder=self.placeholder, suggester=suggester, compact=True)
            keys = "enter take it · esc cancel" + (" · tab complete" if self.paths else "")
            yield Static(keys, classes="dialog-detail", markup=False)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.dismiss(self.query_one(SafeInput).meant)

    def action_cancel(self) -> None:
        """Close without a text."""
        self.dismiss(None)

    def action_complete(self) -> None:
        """Complete the path, as the text behind the cursor suggests."""
        line = self.query_one(Input)
        found = complete(line.value) if self.paths else None
        if found is not None:
            line.value = found
            line.cursor_position = len(found)
