"""What the browse screen stands on: one data file opened, its rows found, the check under way."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import Input

from core.text import shorten, visible
from tui.format import count, duration
from tui.screens import browse_view
from tui.screens.base import DiapasonScreen
from tui.screens.browse_findings import FindingsPane
from tui.screens.browse_record import RecordPane
from tui.screens.browse_rows import RowList
from tui.screens.browse_work import Progress, run_check, unless_left
from tui.screens.mend_work import Marks, read_marks

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.report import Finding, Report

_SWITCH_SECONDS = 0.0005


class CheckedScreen(DiapasonScreen):
    """A screen with a report, a list of rows and a record. A subclass makes the widgets and gives the hooks."""

    def __init__(
        self, path: Path | str, model: str = "starter", format: str | None = None, map: str | None = None
    ) -> None:
        """Browse the file `path`; tokens are those of `model`.

        Raises:
            DiapasonError: where the file is missing, no file, empty or binary.
        """
        super().__init__()
        from core.data.dataset import open_dataset

        self.dataset: Dataset = open_dataset(path, format, map, lazy=True)
        # What rows are read from; while the data is made ready its beginning alone.
        self._reading = self.dataset
        self._map = map
        self._start_model = model
        self.report: Report | None = None
        self.chosen: Finding | None = None
        self._stop_check = threading.Event()
        self._left = threading.Event()
        self._checking = False
        self._check_again = False
        self._with_model = False
        self._complete = False
        self._located = False
        self._progress = ""
        self._switch_seconds = sys.getswitchinterval()
        self._marks: Marks | None = None

    # -- parts --------------------------------------------------------------------------------------------

    @property
    def rows(self) -> RowList:
        """The list of rows."""
        return self.query_one("#rows", RowList)

    @property
    def record(self) -> RecordPane:
        """The row under the cursor, whole."""
        return self.query_one("#record", RecordPane)

    @property
    def findings(self) -> FindingsPane:
        """The report's findings."""
        return self.query_one("#report", FindingsPane)

    # -- opening and leaving ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Find the rows in a thread, then check them in another."""
        # Each read of a row lets go of the interpreter; the check would then keep it for 5 ms, forty times a screen.
        sys.setswitchinterval(_SWITCH_SECONDS)
        self.query_one("#filter", Input).can_focus = False
        self.rows.border_title = "rows"
        self._show_top()
        self.background(self._peek, self._first_rows, otherwise=self._broken, group="index")

    def on_unmount(self) -> None:
        """Stop the threads; the file stays open until they have noticed."""
        sys.setswitchinterval(self._switch_seconds)
        self._left.set()
        self._stop_check.set()

    def _peek(self) -> tuple[Dataset, int]:
        """What has the first rows soonest, and how many: data that must be unpacked first is read in part."""
        from core.data.preview import open_preview

        first = open_preview(self.dataset.path, self.dataset.forced, self._map) or self.dataset
        return first, first.peek(unless_left(self._left))

    def _first_rows(self, found: tuple[Dataset, int]) -> None:
        """Show the rows that are there at once; all of them are found meanwhile."""
        self._reading, total = found
        self.record.dataset = self._reading
        if total:
            self.rows.show(range(total))
            self.rows.border_title = "the first rows"
        self.background(self._find_rows, self._rows_found, otherwise=self._broken, group="index")

    def _find_rows(self) -> int:
        total = self.dataset.index(unless_left(self._left))
        # Telling the format reads a sample of the rows: better here than when the first one is drawn.
        self.dataset.detect_format()
        return total

    def _rows_found(self, total: int) -> None:
        self._located = True
        self._reading = self.record.dataset = self.dataset
        self.rows.forget()
        self.rows.show(range(total), self.rows.row)
        self.located(total)
        self._start_check()

    def _broken(self, error: BaseException) -> None:
        self.fail(error)
        self._progress = "not readable"
        self._show_top()

    # -- the check ----------------------------------------------------------------------------------------

    def _start_check(self) -> None:
        self._stop_check = stop = threading.Event()
        self._checking, self._check_again, self._complete = True, False, False
        self._progress = f"checking for {shorten(self.record.model, 30)} …" if self._with_model else "checking …"
        self._show_top()
        model, length = self._model_checked()
        work = lambda: run_check(self.dataset, stop, self.post_message, model, length)  # noqa: E731
        self.background(work, self._checked, otherwise=self._not_checked, group="check")

    @on(Progress)
    def _told(self, event: Progress) -> None:
        if not self._checking:
            return
        total = event.total or len(self.rows.view)
        speed = event.size / event.seconds / 1e6 if event.seconds else 0.0
        left = event.seconds * (total - event.rows) / event.rows if event.rows else None
        parts = [f"checking {count(event.rows)} of {count(total)} rows", f"{speed:.0f} MB/s"]
        if left is not None:
            parts.append(f"{duration(left)} left")
        self._progress = " · ".join(parts)
        self._show_top()

    def _model_checked(self) -> tuple[str | None, int | None]:
        """The model and the length that the file is checked for, where somebody has chosen one."""
        return (self.record.model, self.record.max_length) if self._with_model else (None, None)

    def _checked(self, report: Report) -> None:
        self._checking = False
        if self._check_again:
            self._start_check()
            return
        self._progress = ""
        self._complete = True
        self.report = report
        self._show_top()
        self.findings.show(report)
        self.rows.forget()
        self.reported()
        self._mark_rows()

    def located(self, total: int) -> None:
        """All rows are found."""

    def reported(self) -> None:
        """The check is done."""

    def _not_checked(self, error: BaseException) -> None:
        from core.data.report import CheckCancelled

        self._checking = False
        if self._check_again:
            self._start_check()
            return
        self._progress = "check stopped"
        if not isinstance(error, CheckCancelled):
            self._progress = "check failed"
            # A model that cannot be read must not stand in the way of what comes next.
            self._with_model = False
            self.fail(error)
        self._show_top()

    def _show_top(self) -> None:
        left = browse_view.summary(self.report) if self.report else self._unchecked()
        self.top(left, self._progress)

    def _unchecked(self) -> str:
        parts = [visible(self.dataset.name)]
        if self._located:
            parts += [self.dataset.format or "unknown format", f"{count(len(self.dataset))} rows"]
        else:
            parts.append("finding its rows …")
        return " · ".join(parts)

    def on_screen_resume(self) -> None:
        """Mark the rows that something was decided about meanwhile."""
        self._mark_rows()

    def _mark_rows(self) -> None:
        path, report = self.dataset.path, self.report
        self.background(lambda: read_marks(path, report), self._marked, otherwise=lambda _: None, group="marks")

    def _marked(self, marks: Marks | None) -> None:
        self._marks = marks
        self.rows.forget()
