"""The record: one row as a conversation, as it stands in the file, as tokens, or with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.errors import DiapasonError
from core.text import visible
from tui.format import count
from tui.row_view import conversation
from tui.screens import browse_view
from tui.screens.browse_keys import MODES
from tui.screens.browse_work import Models, kin

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from core.data.report import Finding
    from tui.token_view import TokenView

# A row longer than this is read in a thread.
LONG_ROW = 1 << 20
Background = Callable[..., None]


class RecordPane(VerticalScroll):
    """Shows one row at a time. `background` runs work in a thread (DiapasonScreen.background)."""

    def __init__(
        self,
        dataset: Dataset,
        model: str,
        max_length: int,
        background: Background,
        others: Callable[[int], list[Finding]],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.dataset = dataset
        self.model = model
        self.max_length = max_length
        self.mode = MODES[0]
        self.row: Row | None = None
        self._background = background
        self._others = others
        self._models = Models()
        self._wanted: int | None = None
        self._text = Static(markup=False)

    def compose(self) -> ComposeResult:
        """One text that grows with the row."""
        yield self._text

    def show(self, number: int) -> None:
        """Show the row `number` in the present mode."""
        self._wanted = number
        start, end = self.dataset.source.extent(number)
        if end - start > LONG_ROW:
            self._fill(Content.styled("reading …", "$text-muted"), number)
            self._background(lambda: self.dataset.row(number), self._show_row, group="row")
        else:
            self._show_row(self.dataset.row(number))

    def set_mode(self, mode: str) -> None:
        """Show the row in another way."""
        self.mode = mode
        if self._wanted is not None:
            self.show(self._wanted)

    def clear(self, text: str) -> None:
        """There is no row to show: say why."""
        self._wanted = self.row = None
        self._text.update(Content.styled(text, "$text-muted"))
        self.border_title = self.border_subtitle = ""

    def _show_row(self, row: Row) -> None:
        if row.index != self._wanted:
            return
        self.row = row
        if self.mode == "conversation":
            self._fill(browse_view.record_conversation(row, conversation(row)), row.index)
        elif self.mode == "raw":
            self._fill(browse_view.record_raw(row), row.index)
        elif self.mode == "tokens":
            model, limit = self.model, self.max_length
            if not self._models.loaded(model):
                self._fill(Content.styled(f"loading the tokenizer of {visible(model)} …", "$text-muted"), row.index)
            self._background(
                lambda: self._models.view(model, row, limit),
                lambda view: self._show_tokens(row, model, view),
                otherwise=lambda error: self._no_tokens(row, error),
                group="tokens",
            )
        else:
            self._show_wrong(row)

    def _show_tokens(self, row: Row, model: str, view: TokenView) -> None:
        if self.row is row and self.mode == "tokens":
            self._fill(browse_view.record_tokens(view, model), row.index)

    def _no_tokens(self, row: Row, error: BaseException) -> None:
        if self.row is row and self.mode == "tokens":
            text = str(error) if isinstance(error, DiapasonError) else f"{type(error).__name__}: {error}"
            self._fill(Content.styled(visible(text, newlines=True), "$error"), row.index)

    def _show_wrong(self, row: Row) -> None:
        others = self._others(row.index)
        self._fill(browse_view.record_findings(row, others, {}), row.index)
        if others:
            self._background(
                lambda: kin(self.dataset, row, others),
                lambda told: self._show_kin(row, others, told),
                group="kin",
            )

    def _show_kin(self, row: Row, others: list[Finding], told: dict[str, str]) -> None:
        if self.row is row and self.mode == "findings":
            self._fill(browse_view.record_findings(row, others, told), row.index)

    def _fill(self, content: Content, number: int) -> None:
        self._text.update(content)
        self.scroll_home(animate=False)
        line = self.dataset.line(number)
        place = f"row {count(number + 1)}" + (f" · line {count(line)}" if line != number + 1 else "")
        origin = browse_view.origin(self.row) if self.row is not None else ""
        self.border_title = Content(" · ".join(part for part in (place, self.mode, origin) if part))
        self.border_subtitle = " · ".join(f"{mode[0]} {mode}" for mode in MODES if mode != self.mode)
