"""The mending screen: what can be mended, what a fix would do to a row, and one key to have it done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.text import shorten, visible
from tui.actions import Action
from tui.format import count
from tui.screens import mend_view
from tui.screens.mend_work import SheetScreen
from tui.widgets.rows import Row as Line
from tui.widgets.rows import RowList

if TYPE_CHECKING:
    from core.data.mend.offers import Offer
    from core.data.report import Finding, Report


class MendScreen(SheetScreen):
    """The fixes for one file."""

    CSS_PATH = "mend.tcss"
    HELP = (
        "Each line is a kind of finding that can be mended; beside it stands what the fix would do to one of its "
        "rows. Nothing here changes the file: what you decide is kept, can be undone without limit, and w writes a "
        "new file with a log of every change."
    )
    ACTIONS = (
        Action("a", "all", "mend all", "Mend all rows of this kind.", footer=True, enabled="why_not_all"),
        Action("t", "this", "this row", "Mend this row alone.", footer=True, enabled="why_not_this"),
        Action("c", "choice", "other way", "Choose another way to mend this kind.", footer=True,
               enabled="why_no_choice"),
        Action("u", "undo", "undo", "Take the last decision back, as often as you like.", footer=True,
               enabled="why_no_undo"),
        Action("w", "write", "write", "Write what was decided to a new file.", footer=True, enabled="why_no_write"),
        Action("s", "safe", "all safe", "Mend everything that is safe: nothing is lost by it.", footer=True,
               enabled="why_nothing_safe"),
        Action("p", "pick", "keep this", "Of rows that belong together keep this one, whatever else goes.",
               enabled="why_not_pick"),
        Action("right", "next", "next row", "Show the next row of this kind.", enabled="why_no_rows"),
        Action("left", "previous", "row before", "Show the row before of this kind.", enabled="why_no_rows"),
    )  # fmt: skip
    AUTO_FOCUS = "#kinds"

    def __init__(self, path: Path | str, **options: Any) -> None:
        """Mend the data set `path`; `options` as SheetScreen takes them."""
        super().__init__(path, **options)
        self._offers: dict[str, Offer] = {}
        self._places: dict[str, int] = {}
        self._choices: dict[str, str] = {}

    def compose_body(self) -> ComposeResult:
        """The kinds, and what the fix does to one row."""
        with Container(id="body"):
            with Container(id="left", classes="panel"):
                yield RowList(id="kinds")
            with VerticalScroll(id="preview", classes="panel"):
                yield Static(id="diff", markup=False)

    def on_mount(self) -> None:
        """Say that there is something to wait for."""
        self.query_one("#left").border_title = "what can be mended"
        self.top(f"{visible(self.dataset.name)} · checking …")

    def report_ready(self) -> None:
        """List what can be mended, the worst first, as the report has it."""
        from core.data.mend.offers import offers

        self._offers = {offer.code: offer for offer in offers(self._the_report())}
        fixes = self.plan().fixes
        for code, offer in self._offers.items():
            # An unknown role is mapped on the command line; here there is no map.
            first = "drop" if code == "bad_role" else offer.choice
            self._choices.setdefault(code, fixes.get(code) or first)
        self._show()

    # -- what is there ------------------------------------------------------------------------------------

    def _the_report(self) -> Report:
        assert self.report is not None
        return self.report

    @property
    def code(self) -> str | None:
        """The code under the cursor."""
        return self.query_one("#kinds", RowList).current

    def _findings(self, code: str) -> list[Finding]:
        return [finding for finding in self._the_report().findings if finding.code == code]

    def _rows(self, code: str) -> Sequence[int]:
        found = [finding for finding in self._findings(code) if len(finding.rows)]
        if len(found) == 1 and not found[0].firsts:
            return found[0].rows
        # Of copies the first is no finding itself, but it may be the one to go.
        return sorted({row for finding in found for row in (*finding.rows, *finding.firsts)})

    @property
    def row(self) -> int | None:
        """The row shown, by number in the file."""
        code = self.code
        rows = self._rows(code) if code is not None and self.report is not None else ()
        return rows[min(self._places.get(code or "", 0), len(rows) - 1)] if len(rows) else None

    # -- showing ------------------------------------------------------------------------------------------

    def _show(self) -> None:
        plan = self.plan()
        lines: list[Line] = []
        for code, offer in self._offers.items():
            number = offer.count
            single = sum(code in row.fixes for row in plan.rows.values())
            done = plan.fixes.get(code, "")
            data = (code, number, self._choices[code], done, single)
            lines.append(Line(code, data, lambda width, data=data: mend_view.kind_line(*data, width)))
        self.query_one("#kinds", RowList).show(lines)
        decided = len(plan.fixes) + sum(bool(row.fixes) for row in plan.rows.values())
        name = visible(self.dataset.name)
        kinds = (
            f"{len(self._offers)} kind{'' if len(self._offers) == 1 else 's'} to mend"
            if self._offers
            else "nothing to mend"
        )
        told = f"{count(decided)} decided · w writes a new file" if decided else "nothing decided yet"
        self.top(f"{name} · {kinds}", self._writing or told)
        self._preview()

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._preview()
        self.refresh_keys()

    def _preview(self) -> None:
        """What the fix under the cursor does to the row shown."""
        code, row = self.code, self.row
        panel = self.query_one("#preview", VerticalScroll)
        if code is None:
            self.query_one("#diff", Static).update(
                Content.styled("No finding of this file can be mended.", "$text-muted")
            )
            return
        choice = self._choices[code]
        rows = self._rows(code)
        panel.border_title = f"{code}:{choice}"
        place = (
            f"row {count(row + 1)} · {count(self._places.get(code, 0) + 1)} of {count(len(rows))}"
            if row is not None
            else ""
        )
        panel.border_subtitle = place + (" · ← →" if len(rows) > 1 else "")
        report, findings = self._the_report(), self._findings(code)
        plan = self.plan()
        kept = frozenset(number for number, decided in plan.rows.items() if decided.keep)
        plan = replace(plan, fixes={code: choice}, rows={})
        work = lambda: mend_view.preview(self.dataset, report, findings, plan, row, kept)  # noqa: E731
        self.background(work, self.query_one("#diff", Static).update, group="preview")
        panel.scroll_home(animate=False)

    def show_writing(self, text: str) -> None:
        """Show it in the top line."""
        if self.report is not None:
            self._show()

    # -- deciding -----------------------------------------------------------------------------------------

    def why_not_all(self) -> str | None:
        """Why not all rows of the kind can be mended."""
        if self.sheet is None or self.report is None:
            return "the check is not done yet"
        code = self.code
        if code is None:
            return "nothing can be mended"
        return "this is decided; u undoes it" if self.plan().fixes.get(code) == self._choices[code] else None

    def why_not_this(self) -> str | None:
        """Why this row cannot be mended alone."""
        if self.sheet is None or self.report is None:
            return "the check is not done yet"
        code, row = self.code, self.row
        if code is None or row is None:
            return "this is about the file, not about single rows"
        decided = self.plan().rows.get(row)
        return "this row is decided; u undoes it" if decided and (code in decided.fixes or decided.drop) else None

    def why_not_pick(self) -> str | None:
        """Why this row cannot be picked."""
        reason = self.why_not_this()
        return reason if reason or self._is_group(self.code) else "this row stands for itself"

    def _is_group(self, code: str | None) -> bool:
        return code is not None and self._offers[code].fix.scope == "group"

    def why_no_choice(self) -> str | None:
        """Why there is no other way."""
        from core.data.mend.catalogue import FIXES

        code = self.code
        if code is None:
            return "nothing can be mended"
        return "there is one way only" if len(FIXES[code].choices) < 2 else None

    def why_nothing_safe(self) -> str | None:
        """Why no safe fix is left to decide on."""
        if self.sheet is None or self.report is None:
            return "the check is not done yet"
        return None if self._safe() else "no safe fix is left"

    def why_no_rows(self) -> str | None:
        """Why there is no other row."""
        return None if self.row is not None else "this is about the file, not about single rows"

    def _safe(self) -> dict[str, str]:
        fixes = self.plan().fixes
        return {code: offer.choice for code, offer in self._offers.items() if offer.safe and code not in fixes}

    def _decide(self, code: str, choice: str, row: int | None = None) -> None:
        from core.data.mend.catalogue import FIXES
        from core.data.mend.plan import row_hash
        from core.data.mend.worksheet import Decision

        if self.sheet is None:
            return
        if row is None:
            self.sheet.decide(Decision("all", code=code, choice=choice))
            return
        known = row_hash(self.dataset.raw(row))
        if FIXES[code].scope == "group":
            # Which of a group goes is decided by a person here, row by row.
            self.sheet.decide(Decision("review", row, known, review="drop"))
        else:
            self.sheet.decide(Decision("one", row, known, code, choice))

    def action_all(self) -> None:
        """Mend all of the kind."""
        if self.code is not None:
            self._decide(self.code, self._choices[self.code])
            self._show()

    def action_this(self) -> None:
        """Mend the row shown, and show the next one."""
        code, row = self.code, self.row
        if code is None or row is None:
            return
        self._decide(code, self._choices[code], row)
        self._places[code] = min(self._places.get(code, 0) + 1, len(self._rows(code)) - 1)
        self._show()

    def action_pick(self) -> None:
        """Keep the row shown: it is the one of its group that stays."""
        from core.data.mend.plan import row_hash
        from core.data.mend.worksheet import Decision

        row = self.row
        if row is not None and self.sheet is not None:
            self.sheet.decide(Decision("review", row, row_hash(self.dataset.raw(row)), review="keep"))
            self._show()

    def action_safe(self) -> None:
        """Mend everything that is safe."""
        for code, choice in self._safe().items():
            self._choices[code] = choice
            self._decide(code, choice)
        self._show()

    def action_choice(self) -> None:
        """Another way to mend the kind."""
        from core.data.mend.catalogue import FIXES

        code = self.code
        if code is not None:
            choices = FIXES[code].choices
            self._choices[code] = choices[(choices.index(self._choices[code]) + 1) % len(choices)]
            self._show()

    def action_undo(self) -> None:
        """Take the last decision back."""
        decision = self.sheet.undo() if self.sheet is not None else None
        if decision is None:
            return
        what = decision.code or decision.review
        self.say(f"undone: {shorten(what, 40)}" + (f", row {count(decision.row + 1)}" if decision.row >= 0 else ""))
        self._show()

    def action_next(self) -> None:
        """The next row of the kind."""
        self._move(1)

    def action_previous(self) -> None:
        """The row before of the kind."""
        self._move(-1)

    def _move(self, by: int) -> None:
        code = self.code
        if code is not None:
            self._places[code] = max(0, min(self._places.get(code, 0) + by, len(self._rows(code)) - 1))
            self._preview()
