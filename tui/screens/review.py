"""The review screen: one row after the other, a key for each decision, all of them kept at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.errors import DiapasonError
from core.text import visible
from tui.actions import Action
from tui.format import count
from tui.row_view import conversation
from tui.screens import browse_view
from tui.screens.mend_work import MARKS, SheetScreen

if TYPE_CHECKING:
    from core.data.dataset import Row
    from core.data.mend.worksheet import Decision

_SAID = {"keep": "kept", "drop": "dropped", "flag": "flagged", "edit": "edited"}
_LONG = 1 << 20


class ReviewScreen(SheetScreen):
    """Goes through the rows of one file."""

    CSS_PATH = "review.tcss"
    HELP = (
        "Read a row, press a key, and the next one comes: every decision is on disk before it shows, so that you can "
        "leave at any time and go on where you stopped. Nothing here changes the file: w writes a new one, without "
        "the rows dropped and with those edited. A row kept is not dropped by any other fix."
    )
    ACTIONS = (
        Action("k", "keep", "keep", "The row is good: keep it.", footer=True, enabled="why_no_sheet"),
        Action("d", "drop", "drop", "Leave the row out of the new file.", footer=True, enabled="why_no_sheet"),
        Action("f", "flag", "flag", "Mark the row to come back to it.", footer=True, enabled="why_no_sheet"),
        Action("e", "edit", "edit", "Write the row's texts anew.", footer=True, enabled="why_no_sheet"),
        Action("u", "undo", "undo", "Take the last decision back, as often as you like.", footer=True,
               enabled="why_no_undo"),
        Action("w", "write", "write", "Write what was decided to a new file.", footer=True, enabled="why_no_write"),
        Action("right", "next", "next row", "Go to the next row and decide nothing.", enabled="why_no_sheet"),
        Action("left", "previous", "row before", "Go to the row before.", enabled="why_no_sheet"),
        Action("n", "undecided", "next undecided", "Go to the next row that nothing was decided about.",
               enabled="why_no_sheet"),
        Action("o", "only", "only findings", "Only rows with findings, or flagged ones; or all again.",
               enabled="why_no_only"),
        Action("g", "go", "go to row", "Go to a row by its number.", enabled="why_no_sheet"),
        Action("r", "raw", "raw", "Show the row as it stands in the file, or as a conversation.",
               enabled="why_no_sheet"),
    )  # fmt: skip
    AUTO_FOCUS = "#record"

    row_number = 0
    raw = False
    only: Sequence[int] | None = None

    def compose_body(self) -> ComposeResult:
        """The row, and a line on what was decided about it."""
        with VerticalScroll(id="record", classes="panel"):
            yield Static(id="turns", markup=False)
        yield Static(id="state", markup=False)

    # -- opening ------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Say that the rows are being found."""
        self.top(f"{visible(self.dataset.name)} · finding its rows …")

    def sheet_ready(self) -> None:
        """Begin with the first row that nothing was decided about."""
        if not self.rows_total:
            self.top(f"{visible(self.dataset.name)} · no rows")
            return
        self.row_number = self._first_undecided(0) or 0
        self._show()

    def report_ready(self) -> None:
        """Now the rows with findings are known."""
        self._show_state()

    # -- showing ------------------------------------------------------------------------------------------

    def _reviews(self) -> dict[int, Decision]:
        return self.sheet.reviews() if self.sheet is not None else {}

    def _show(self) -> None:
        number = self.row_number
        start, end = self.dataset.source.extent(number)
        if end - start > _LONG:
            self.query_one("#turns", Static).update(Content.styled("reading …", "$text-muted"))
            self.background(lambda: self.dataset.row(number), self._show_row, group="row")
        else:
            self._show_row(self.dataset.row(number))
        self._show_state()

    def _show_row(self, row: Row) -> None:
        if row.index != self.row_number:
            return
        content = browse_view.record_raw(row) if self.raw else self._conversation(row)
        self.query_one("#turns", Static).update(content)
        record = self.query_one("#record", VerticalScroll)
        record.scroll_home(animate=False)
        line = self.dataset.line(row.index)
        place = f"row {count(row.index + 1)}" + (f" · line {count(line)}" if line != row.index + 1 else "")
        origin = browse_view.origin(row)
        record.border_title = Content(f"{place} · {origin}" if origin else place)
        problems = [finding for finding in row.findings if finding.severity != "note"]
        kin = [finding for finding in self.report.findings if len(finding.firsts)] if self.report else []
        codes = [problem.code for problem in problems] + [one.code for one in kin if _holds(one.rows, row.index)]
        record.border_subtitle = Content(visible(" · ".join(dict.fromkeys(codes))))

    def _conversation(self, row: Row) -> Content:
        """The row's turns; where a person wrote texts anew, those."""
        decision = self._reviews().get(row.index)
        if decision is not None and decision.edits and self.sheet is not None:
            from core.data.mend.plan import Plan
            from core.data.mend.row import Mender

            plan = self.sheet.plan().rows[row.index]
            raws = Mender(self.dataset, Plan()).mend(row, plan).raws
            row = self.dataset.read(row.index, row.line, raws[0]) if raws else row
        return browse_view.record_conversation(row, conversation(row))

    def _show_state(self) -> None:
        reviews = self._reviews()
        counts: dict[str, int] = dict.fromkeys(_SAID, 0)
        for decision in reviews.values():
            counts[decision.review] += 1
        told = [f"{count(number)} {_SAID[said]}" for said, number in counts.items() if number and said != "keep"]
        place = f"row {count(self.row_number + 1)} of {count(self.rows_total)}"
        if self.only is not None:
            place += f" · {count(len(self.only))} with findings or flags"
        undecided = self.rows_total - len(reviews)
        left = f"{count(undecided)} to decide" if undecided else "all decided"
        self.top(" · ".join([visible(self.dataset.name), place, *told]), self._writing or left)
        decision = reviews.get(self.row_number)
        if decision is None:
            state = Content.styled("not decided", "$text-muted")
        else:
            mark, style = MARKS[_SAID[decision.review]]
            state = Content.assemble((f"{mark} {_SAID[decision.review]}", f"bold {style}"))
        self.query_one("#state", Static).update(state)
        self.refresh_keys()

    def show_writing(self, text: str) -> None:
        """Show it in the top line."""
        if self.rows_total:
            self._show_state()

    # -- deciding -----------------------------------------------------------------------------------------

    def _decide(self, review: str, edits: dict[str, str] | None = None) -> None:
        """Keep the decision, then show the next row."""
        from core.data.mend.plan import row_hash
        from core.data.mend.worksheet import Decision

        if self.sheet is None:
            return
        known = row_hash(self.dataset.raw(self.row_number))
        self.sheet.decide(Decision("review", self.row_number, known, review=review, edits=edits or {}))
        if review == "edit" or not self._step(1):
            self._show()

    def action_keep(self) -> None:
        """The row is good."""
        self._decide("keep")

    def action_drop(self) -> None:
        """The row goes."""
        self._decide("drop")

    def action_flag(self) -> None:
        """Come back to the row."""
        self._decide("flag")

    def action_edit(self) -> None:
        """Open the editor on the row, with what was written before."""
        from dataclasses import replace

        from tui.screens.review_edit import EditScreen, Field, fields

        row = self.dataset.row(self.row_number)
        decision = self._reviews().get(row.index)
        before = dict(decision.edits) if decision is not None else {}
        texts = fields(self.dataset, row)
        if "" in before:
            texts = [Field("", before[""])]
        texts = [replace(field, text=before.get(field.place, field.text)) for field in texts]

        def done(changed: dict[str, str] | None) -> None:
            if changed:
                self._guarded(lambda: self._decide("edit", before | changed))

        one_line = self.dataset.layout in ("jsonl", "csv")
        self.app.push_screen(EditScreen(f"row {count(row.index + 1)}", texts, one_line), done)

    def action_undo(self) -> None:
        """Take the last decision back and go to its row."""
        if self.sheet is None:
            return
        decision = self.sheet.undo()
        if decision is None:
            return
        if decision.row >= 0:
            self.row_number = decision.row
        else:
            self.say(f"no longer mended: {decision.code}")
        self._show()

    # -- moving -------------------------------------------------------------------------------------------

    def _step(self, by: int) -> bool:
        """Show the next row, or the one before; False at the end."""
        row = self._near(by)
        if row is None:
            self.say("this is the last row" if by > 0 else "this is the first row")
            return False
        self.row_number = row
        self._show()
        return True

    def _near(self, by: int) -> int | None:
        if self.only is None:
            row = self.row_number + by
            return row if 0 <= row < self.rows_total else None
        place = bisect_left(self.only, self.row_number)
        if by > 0 and place < len(self.only) and self.only[place] == self.row_number:
            place += 1
        place = place if by > 0 else place - 1
        return self.only[place] if 0 <= place < len(self.only) else None

    def _first_undecided(self, start: int) -> int | None:
        reviews = self._reviews()
        rows = range(self.rows_total) if self.only is None else self.only
        later = next((row for row in rows[bisect_left(rows, start) :] if row not in reviews), None)
        return later if later is not None else next((row for row in rows if row not in reviews), None)

    def action_next(self) -> None:
        """One row on."""
        self._step(1)

    def action_previous(self) -> None:
        """One row back."""
        self._step(-1)

    def action_undecided(self) -> None:
        """On to where there is something to decide."""
        row = self._first_undecided(self.row_number + 1)
        if row is None or row == self.row_number:
            self.say("every row is decided" if row is None else "this is the only row that is not decided")
            return
        self.row_number = row
        self._show()

    def why_no_only(self) -> str | None:
        """Why rows with findings cannot be told from others."""
        if self.sheet is None:
            return "the rows are still being found"
        return None if self.report is not None else "the check is not done yet"

    def action_only(self) -> None:
        """Only rows with errors or warnings, or a flag; or all again."""
        if self.only is not None or self.report is None:
            self.only = None
            self._show_state()
            return
        rows = {row for row, decision in self._reviews().items() if decision.review == "flag"}
        for finding in self.report.findings:
            if finding.severity != "note":
                rows.update(finding.rows)
        if not rows:
            self.say("no row has an error, a warning or a flag")
            return
        self.only = sorted(rows)
        place = bisect_left(self.only, self.row_number)
        self.row_number = self.only[place if place < len(self.only) else 0]
        self._show()

    def action_go(self) -> None:
        """Ask for a row."""
        self.ask("Go to which row?", self._go, placeholder=f"1 to {self.rows_total}")

    def _go(self, text: str) -> None:
        digits = text.replace(" ", "")
        if not digits.isdecimal() or not 1 <= int(digits) <= self.rows_total:
            raise DiapasonError(f"there is no row `{text[:20]}`", hint=f"Rows go from 1 to {count(self.rows_total)}.")
        self.only = None
        self.row_number = int(digits) - 1
        self._show()

    def action_raw(self) -> None:
        """The row as it stands in the file, or its turns."""
        self.raw = not self.raw
        self._show()


def _holds(rows: Sequence[int], row: int) -> bool:
    place = bisect_left(rows, row)
    return place < len(rows) and rows[place] == row
