"""The browse screen: what is wrong with a file, its rows, and one row in four ways."""

from __future__ import annotations

import sys
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input

from core.errors import DiapasonError
from core.text import shorten, visible
from tui.format import count, duration
from tui.screens import browse_view
from tui.screens.base import DiapasonScreen
from tui.screens.browse_findings import FindingsPane
from tui.screens.browse_keys import ACTIONS
from tui.screens.browse_record import LONG_ROW, RecordPane
from tui.screens.browse_rows import Line, RowList
from tui.screens.browse_work import Hits, Progress, run_check, run_search, sample_fields, tokens_of
from tui.screens.mend_work import MARKS, Marks, read_marks

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.report import Finding, Report

_SWITCH_SECONDS = 0.0005


class BrowseScreen(DiapasonScreen):
    """One data file: report, rows, record."""

    CSS_PATH = "browse.tcss"
    HELP = (
        "What is wrong with the file stands at the top, worst first; enter on a finding lists its rows, esc shows "
        "all again. Tab moves between the panes. The record is shown as a conversation, as it stands in the file, as "
        "the tokens that training sees, or with what is wrong with it. Nothing here changes the file."
    )
    ACTIONS = ACTIONS
    AUTO_FOCUS = "#rows"

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
        self.needle = ""
        self._stop_check = threading.Event()
        self._stop_search = threading.Event()
        self._serial = 0
        self._checking = False
        self._check_again = False
        self._with_model = False
        self._located = False
        self._progress = ""
        self._search_state = ""
        self._switch_seconds = sys.getswitchinterval()
        self._marks: Marks | None = None

    def compose_body(self) -> ComposeResult:
        """Report above; below it rows and record."""
        from core.recipe import Recipe

        yield FindingsPane(id="report", classes="panel")
        yield Input(id="filter", placeholder="text to look for: enter searches, esc leaves", compact=True)
        with Container(id="body"):
            yield RowList(self._line, id="rows", classes="panel")
            yield RecordPane(
                self.dataset,
                self._start_model,
                Recipe().train.max_length,
                self.background,
                lambda row: self.findings.of_the_file(row),
                id="record",
                classes="panel",
            )

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
        self._stop_check.set()
        self._stop_search.set()

    def _peek(self) -> tuple[Dataset, int]:
        """What has the first rows soonest, and how many: data that must be unpacked first is read in part."""
        from core.data.preview import open_preview

        first = open_preview(self.dataset.path, self.dataset.forced, self._map) or self.dataset
        return first, first.peek()

    def _first_rows(self, found: tuple[Dataset, int]) -> None:
        """Show the rows that are there at once; all of them are found meanwhile."""
        self._reading, total = found
        self.record.dataset = self._reading
        if total:
            self.rows.show(range(total))
            self.rows.border_title = "the first rows"
        self.background(self._find_rows, self._rows_found, otherwise=self._broken, group="index")

    def _find_rows(self) -> int:
        # Telling the format reads a sample of the rows: better here than when the first one is drawn.
        self.dataset.detect_format()
        return len(self.dataset)

    def _rows_found(self, total: int) -> None:
        self._located = True
        self._reading = self.record.dataset = self.dataset
        self.rows.forget()
        self.rows.show(range(total), self.rows.row)
        self._title_rows()
        self._start_check()
        if total and self.dataset.format is None:
            self.action_map()

    def _broken(self, error: BaseException) -> None:
        self.fail(error)
        self._progress = "not readable"
        self._show_top()

    # -- the check ----------------------------------------------------------------------------------------

    def _start_check(self) -> None:
        self._stop_check = stop = threading.Event()
        self._checking, self._check_again = True, False
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
        self.report = report
        self._show_top()
        self.findings.show(report)
        self.rows.forget()
        self._show_record()
        self._mark_rows()

    def _not_checked(self, error: BaseException) -> None:
        from core.data.report import CheckCancelled

        self._checking = False
        if self._check_again:
            self._start_check()
            return
        self._progress = "check stopped"
        if not isinstance(error, CheckCancelled):
            self._progress = "check failed"
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

    @on(FindingsPane.Chosen)
    def _chosen(self, event: FindingsPane.Chosen) -> None:
        if not len(event.finding.rows):
            self.say(f"{event.finding.code} is about the file, not about single rows")
            return
        self.chosen = event.finding
        self._list_rows()
        self.rows.focus()

    # -- rows ---------------------------------------------------------------------------------------------

    def _base(self) -> Sequence[int]:
        """The rows that the chosen finding leaves, before the filter."""
        return self.chosen.rows if self.chosen is not None else range(len(self.dataset))

    def _list_rows(self) -> None:
        """List the rows that the finding chosen and the filter leave."""
        self._stop_search.set()
        self._serial += 1
        self._search_state = ""
        row = self.rows.row
        if self.needle:
            self._stop_search = stop = threading.Event()
            base = None if self.chosen is None else self._base()
            serial, needle = self._serial, self.needle
            self.rows.show(array("q"))
            self._search_state = "searching …"
            work = lambda: run_search(self.dataset, needle, base, serial, stop, self.post_message)  # noqa: E731
            self.background(work, lambda _: None, group="search")
        else:
            self.rows.show(self._base(), row)
        self._title_rows()

    @on(Hits)
    def _found(self, event: Hits) -> None:
        if event.serial != self._serial:
            return
        self.rows.grow(event.rows)
        self._search_state = "" if event.ended else f"searching, {count(event.done)} rows done"
        self._title_rows()
        if event.ended and not len(event.rows):
            self.record.clear("No row holds this text.")
        self.refresh_keys()

    def _title_rows(self) -> None:
        parts = [f"{count(len(self.rows.view))} rows"]
        if self.chosen is not None:
            parts.append(f"{self.chosen.code} {self.chosen.detail}".strip())
        if self.needle:
            parts.append(f"“{shorten(self.needle, 24)}”")
        if self._search_state:
            parts.append(self._search_state)
        self.rows.border_title = Content(visible(" · ".join(parts)))
        self.rows.border_subtitle = "esc all rows" if self.chosen is not None or self.needle else ""

    def _line(self, row: int, width: int) -> Line:
        start, end = self._reading.source.extent(row)
        size = end - start
        if size > LONG_ROW:
            head = self._reading.source.read(start, start + 400).decode("utf-8", "replace")
            return "", "", shorten(f"({size / 1e6:.1f} MB) {head}", width)
        decided = self._marks.of(row) if self._marks else ""
        if decided:
            text, _ = browse_view.row_line(self._reading.row(row), width - len(decided) - 1)
            kind = {"dropped": "error", "kept": ""}.get(decided, "warning")
            return MARKS[decided][0], kind, f"{decided} {text}"
        text, worst = browse_view.row_line(self._reading.row(row), width)
        if worst is None and any(finding.severity == "warning" for finding in self.findings.of_the_file(row)):
            worst = "warning"
        return browse_view.MARKS[worst][0] if worst else "", worst or "", text

    def _show_record(self) -> None:
        if self.rows.row is not None:
            self.record.show(self.rows.row)

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._show_record()

    @on(RowList.Opened)
    def _opened(self) -> None:
        self.record.focus()

    # -- keys ---------------------------------------------------------------------------------------------

    def why_no_rows(self) -> str | None:
        """Why nothing can be done with a row."""
        if not self._located:
            return "the rows are still being found"
        return None if len(self.rows.view) or self.needle else "the file has no rows"

    def why_no_jump(self) -> str | None:
        """Why there is no next finding to go to."""
        if self.report is None:
            return "the check is not done yet" if self._checking else "the file is not checked"
        if not any(len(finding.rows) for finding in self.report.findings):
            return "no row has a finding"
        return None

    def why_no_wizard(self) -> str | None:
        """Why no recipe can be made."""
        if self.report is not None and not self.report.rows_valid:
            return "no row of this file can be used"
        return None

    def why_no_mend(self) -> str | None:
        """Why nothing can be mended."""
        if self.report is None:
            return "the check is not done yet" if self._checking else "the file is not checked"
        return None if self.report.findings else "nothing is wrong with this file"

    def why_no_stop(self) -> str | None:
        """Why the check can be neither stopped nor started."""
        if not self._located:
            return "the rows are still being found"
        return "the check is done" if self.report is not None else None

    def action_stop_check(self) -> None:
        """Stop the check, or start it anew."""
        if self._checking:
            self._stop_check.set()
        else:
            self._start_check()

    def action_filter(self) -> None:
        """Ask for a text."""
        self.add_class("-filtering")
        box = self.query_one("#filter", Input)
        box.can_focus = True
        box.value = self.needle
        box.focus()

    @on(Input.Submitted, "#filter")
    def _filter(self, event: Input.Submitted) -> None:
        self.needle = event.value.strip()
        self._close_filter()
        self._list_rows()

    def _close_filter(self) -> None:
        self.remove_class("-filtering")
        self.query_one("#filter", Input).can_focus = False
        self.rows.focus()

    def action_back(self) -> None:
        """Close the filter's line, leave the one pane, show all rows again; else leave the screen."""
        if self.has_class("-filtering"):
            self._close_filter()
        elif zoomed := [name for name in self.classes if name.startswith("-zoom-")]:
            self.remove_class(*zoomed)
        elif self.needle or self.chosen is not None:
            self.needle, self.chosen = "", None
            self._list_rows()
        else:
            super().action_back()

    def action_next_finding(self) -> None:
        """Go to the next row that has a finding."""
        self._jump(1)

    def action_previous_finding(self) -> None:
        """Go to the row before that has a finding."""
        self._jump(-1)

    def _jump(self, direction: int) -> None:
        """Go to the nearest row with a finding: the one chosen, else any error or warning, else a note."""
        report, here = self.report, self.rows.row
        if report is None or here is None:
            return
        serious = [finding for finding in report.findings if finding.severity != "note" and len(finding.rows)]
        wanted = [self.chosen] if self.chosen is not None else serious or report.findings
        nearest: list[int] = []
        for finding in wanted:
            place = bisect_right(finding.rows, here) if direction > 0 else bisect_left(finding.rows, here) - 1
            if 0 <= place < len(finding.rows):
                nearest.append(finding.rows[place])
        if not nearest:
            self.say(
                "this is the last row with a finding" if direction > 0 else "this is the first row with a finding"
            )
            return
        row = min(nearest) if direction > 0 else max(nearest)
        if self.needle:
            self.needle = ""
            self._list_rows()
        self.rows.go(row)

    def action_mode_conversation(self) -> None:
        """The row as a conversation."""
        self.record.set_mode("conversation")

    def action_mode_raw(self) -> None:
        """The row as it stands in the file."""
        self.record.set_mode("raw")

    def action_mode_tokens(self) -> None:
        """The row as tokens."""
        self.record.set_mode("tokens")

    def action_mode_findings(self) -> None:
        """What is wrong with the row."""
        self.record.set_mode("findings")

    def action_model(self) -> None:
        """Ask for the model whose tokens are shown."""
        self.ask("Show the tokens of which model?", self._use_model, value=self.record.model,
                 placeholder="starter, a folder, or a hub id", paths=True)  # fmt: skip

    def _use_model(self, name: str) -> None:
        self.record.model = name
        self._see_tokens()

    def _see_tokens(self) -> None:
        """Show the row as tokens, and check the file anew as this model will see it."""
        self.record.set_mode("tokens")
        self._with_model = True
        if self._checking:
            self._stop_check.set()
            self._check_again = True
        elif self._located:
            self._start_check()

    def action_max_length(self) -> None:
        """Ask where rows are cut."""
        self.ask("Cut rows at how many tokens?", self._use_length, value=str(self.record.max_length))

    def _use_length(self, text: str) -> None:
        self.record.max_length = tokens_of(text)
        self._see_tokens()

    def action_go(self) -> None:
        """Ask for a row."""
        self.ask("Go to which row?", self._go, placeholder=f"1 to {len(self.dataset)}")

    def _go(self, text: str) -> None:
        digits = text.replace(" ", "")
        if not digits.isdecimal() or not 1 <= int(digits) <= len(self.dataset):
            raise DiapasonError(
                f"there is no row `{text[:20]}`", hint=f"Rows go from 1 to {count(len(self.dataset))}."
            )
        if self.needle or self.chosen is not None:
            self.needle, self.chosen = "", None
            self._list_rows()
        self.rows.go(int(digits) - 1)
        self.rows.focus()

    def action_zoom(self) -> None:
        """One pane over the whole screen, or all again."""
        zoomed = [name for name in self.classes if name.startswith("-zoom-")]
        if zoomed:
            self.remove_class(*zoomed)
            return
        focused = self.focused.id if self.focused is not None else None
        self.add_class(f"-zoom-{focused if focused in ('findings', 'rows') else 'record'}")

    def action_wizard(self) -> None:
        """Make a recipe for this file."""
        self.diapason.open("wizard", path=self.dataset.path, map=str(self.dataset.mapping or "") or None)

    def action_mend(self) -> None:
        """See what each fix would do."""
        model, length = self._model_checked()
        self.diapason.open(
            "mend", path=self.dataset.path, dataset=self.dataset, report=self.report, model=model, max_length=length
        )

    def action_stats(self) -> None:
        """Show the file in numbers."""
        model, length = self._model_checked()
        self.diapason.open("stats", path=self.dataset.path, dataset=self.dataset, model=model, max_length=length)

    def action_review(self) -> None:
        """Decide on the rows one by one."""
        self.diapason.open("review", path=self.dataset.path, dataset=self.dataset, report=self.report)

    def action_convert(self) -> None:
        """Write the file in another format."""
        self.diapason.open("convert", path=self.dataset.path, dataset=self.dataset)

    def action_augment(self) -> None:
        """Have variants written, of the rows of the finding chosen or of all."""
        listed, code = (self.chosen.rows, self.chosen.code) if self.chosen is not None else (None, "")
        self.diapason.open("augment", path=self.dataset.path, dataset=self.dataset, listed=listed, listed_as=code)

    def on_screen_resume(self) -> None:
        """Mark the rows that something was decided about meanwhile."""
        self._mark_rows()

    def _mark_rows(self) -> None:
        path, report = self.dataset.path, self.report
        self.background(lambda: read_marks(path, report), self._marked, otherwise=lambda _: None, group="marks")

    def _marked(self, marks: Marks | None) -> None:
        self._marks = marks
        self.rows.forget()

    def action_map(self) -> None:
        """Ask which field is which."""
        self.background(lambda: sample_fields(self.dataset), self._ask_map, group="fields")

    def _ask_map(self, fields: dict[str, Any]) -> None:
        from tui.widgets.field_map import FieldMap

        if self.app.screen is self:
            start = str(self.dataset.mapping or self.dataset.suggestion or "")
            self.app.push_screen(FieldMap(fields, start), self._use_map)

    def _use_map(self, text: str | None) -> None:
        """Read the file anew, its fields under their usual names."""
        if text:
            self.app.switch_screen(BrowseScreen(self.dataset.path, self.record.model, map=text))
