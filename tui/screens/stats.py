"""The numbers screen: lengths, turns, labels and languages of a data file, and all of it by slice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.errors import DiapasonError
from core.text import visible
from tui.actions import Action
from tui.format import count
from tui.screens.base import DiapasonScreen
from tui.stats_view import stats_lines

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.stats import Stats


class _Stopped(DiapasonError):
    """The screen was left before the file was read to its end."""


class Measured(Message):
    """How many rows were read; a newer one takes the place of one that was not handled yet."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, Measured)


class StatsScreen(DiapasonScreen):
    """One data file in numbers."""

    CSS_PATH = "stats.tcss"
    HELP = (
        "How long prompts and answers are, how many turns, which labels and languages; with b all of it by label, by "
        "language, or by any field of the rows, so that one sees what there is too much or too little of."
    )
    ACTIONS = (
        Action("b", "by", "slice by", "Compare slices: by label, language, or a field such as topic.", footer=True,
               enabled="why_not_by"),
    )  # fmt: skip
    AUTO_FOCUS = "#numbers"

    def __init__(self, path: Path | str, dataset: Dataset) -> None:
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset
        self.by: str | None = None
        self.stats: Stats | None = None
        self._stop = threading.Event()

    def compose_body(self) -> ComposeResult:
        """One text to scroll through."""
        with VerticalScroll(id="numbers", classes="panel"):
            yield Static(id="text", markup=False)

    def on_mount(self) -> None:
        """Read the file in a thread."""
        self._measure(None)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._stop.set()

    def _measure(self, by: str | None) -> None:
        from core.data.stats import measure

        def tell(rows: int, _: int) -> None:
            if self._stop.is_set():
                raise _Stopped("left")
            self.post_message(Measured(rows))

        self.top(f"{visible(self.dataset.name)} · reading …")
        self.background(
            lambda: measure(self.path, by=by, progress=tell, dataset=self.dataset),
            lambda stats: self._show(stats, by),
            otherwise=self._failed,
            group="stats",
        )

    def on_measured(self, event: Measured) -> None:
        """Say how far it is."""
        self.top(f"{visible(self.dataset.name)} · reading: {count(event.rows)} of {count(len(self.dataset))} rows")

    def _show(self, stats: Stats, by: str | None) -> None:
        self.stats, self.by = stats, by
        head, *lines = stats_lines(stats)
        self.top(head)
        text = "\n".join(lines).strip("\n") or "No row of this file can be trained on."
        self.query_one("#text", Static).update(Content(text))

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, _Stopped):
            return
        self.fail(error)
        if self.stats is not None:
            self._show(self.stats, self.by)
        else:
            self.top(f"{visible(self.dataset.name)} · not measured")

    def why_not_by(self) -> str | None:
        """The file must have been read once."""
        return None if self.stats is not None else "the file is being read"

    def action_by(self) -> None:
        """Ask for a field."""
        self.ask("Slices by what?", self._measure, value=self.by or "", placeholder="label, language, or a field")
