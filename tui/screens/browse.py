"""The browse screen: what is wrong with a file, its rows, and one row in four ways."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input

from core.errors import DiapasonError
from core.text import shorten, visible
from tui.commands.data import amount
from tui.format import count
from tui.screens import browse_view
from tui.screens.browse_doors import DoorsScreen
from tui.screens.browse_findings import FindingsPane
from tui.screens.browse_keys import ACTIONS
from tui.screens.browse_record import LONG_ROW, RecordPane
from tui.screens.browse_rows import Line, RowList
from tui.screens.browse_work import Hits, run_search, tokens_of
from tui.screens.mend_work import MARKS

if TYPE_CHECKING:
    pass

_SWITCH_SECONDS = 0.0005


class BrowseScreen(DoorsScreen):
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
        super().__init__(path, model, format, map)
        self.needle = ""
        self._stop_search = threading.Event()
        self._serial = 0
        self._search_state = ""

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

    def on_unmount(self) -> None:
        """Stop the search too."""
        self._stop_search.set()

    def located(self, total: int) -> None:
        """Title the rows; where no format is known, ask which field is which."""
        self._title_rows()
        if total and self.dataset.format is None:
            self.action_map()

    def reported(self) -> None:
        """Show what the check says of the row."""
        self._show_record()

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
        parts = [amount(len(self.rows.view), "row")]
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
        return "the check is done" if self.report is not None and self._complete and not self._checking else None

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
        """Close the filter's line, leave the one pane, show all rows again, stop the check; else leave the screen."""
        if self.has_class("-filtering"):
            self._close_filter()
        elif zoomed := [name for name in self.classes if name.startswith("-zoom-")]:
            self.remove_class(*zoomed)
        elif self.needle or self.chosen is not None:
            self.needle, self.chosen = "", None
            self._list_rows()
        elif self._checking:
            self._stop_check.set()
            self.say("the check is stopped; x starts it again, esc leaves")
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
