"""The report: one line a finding, worst first, and what to do about the one under the cursor."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.screens import browse_view

if TYPE_CHECKING:
    from core.data.report import Finding, Report

_OF_THE_FILE = ("exact_duplicate", "near_duplicate", "leakage", "contradiction")


class FindingsPane(Vertical):
    """The findings of a report; `Chosen` tells that enter was pressed on one."""

    class Chosen(Message):
        """The rows of a finding are wanted."""

        def __init__(self, finding: Finding) -> None:
            super().__init__()
            self.finding = finding

    def __init__(self, *, id: str, classes: str) -> None:
        super().__init__(id=id, classes=classes)
        self.report: Report | None = None
        self.border_title = "findings"

    def compose(self) -> ComposeResult:
        """The list and two lines on the finding under its cursor."""
        yield OptionList(id="findings", compact=True, markup=False)
        yield Static(id="about", markup=False)

    def on_mount(self) -> None:
        """Until there is a report, say so."""
        self._show_about()

    @property
    def list(self) -> OptionList:
        """The list itself, which takes the focus."""
        return self.query_one("#findings", OptionList)

    def show(self, report: Report) -> None:
        """Show what the check found."""
        self.report = report
        self._fill()

    def of_the_file(self, row: int) -> list[Finding]:
        """The findings that only the whole file shows and that touch `row`: copies and contradictions."""
        found: list[Finding] = []
        for finding in self.report.findings if self.report is not None else ():
            if finding.code in _OF_THE_FILE:
                place = bisect_left(finding.rows, row)
                if place < len(finding.rows) and finding.rows[place] == row:
                    found.append(finding)
        return found

    def _fill(self) -> None:
        if self.report is None:
            return
        # The list keeps one cell for its scrollbar.
        width = max(20, self.content_size.width - 1)
        highlighted = self.list.highlighted
        total = self.report.rows_total
        options = [Option(browse_view.finding_line(finding, total, width)) for finding in self.report.findings]
        self.list.set_options(options)
        if options:
            self.list.highlighted = min(highlighted or 0, len(options) - 1)
        self._show_about()

    def _show_about(self) -> None:
        about = self.query_one("#about", Static)
        self.list.display = self.report is not None and bool(self.report.findings)
        if self.report is None:
            text = "The check goes through every row; the rows can be read meanwhile."
            about.update(Content.styled(text, "$text-muted"))
        elif not self.report.findings:
            about.update(Content.styled("No findings: every row can be used.", "$success"))
        elif (place := self.list.highlighted) is not None:
            about.update(browse_view.finding_help(self.report.findings[place], self.report.layout))

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self._show_about()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.report is not None:
            self.post_message(self.Chosen(self.report.findings[event.option_index]))

    def on_resize(self, event: Resize) -> None:
        """The lines follow the width."""
        self.call_after_refresh(self._fill)
