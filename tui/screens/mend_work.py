"""What the mending and the review screen share: a file, its worksheet, its report, and writing the new file."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.damage_view import damage_lines
from tui.format import count
from tui.screens.base import DiapasonScreen
from tui.screens.browse_work import run_check, unless_left

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.mend.apply import Result
    from core.data.mend.plan import Plan
    from core.data.mend.worksheet import Worksheet
    from core.data.report import Report

_TRIES, _PAUSE = 10, 0.05
MARKS = {
    "dropped": ("−", "$error"),
    "edited": ("~", "$accent"),
    "flagged": ("⚑", "$warning"),
    "kept": ("✓", "$success"),
}


class Marks:
    """What the decisions make of single rows, as far as a report tells: dropped, edited, flagged, kept."""

    def __init__(self, plan: Plan, report: Report | None) -> None:
        from core.data.mend.catalogue import FIXES

        self._rows = plan.rows
        self._found = []
        for finding in report.findings if report else []:
            choice = plan.fixes.get(finding.code)
            if choice is None or not len(finding.rows):
                continue
            if finding.code == "bad_json" and choice == "split" and finding.detail != "extra_data":
                continue
            drops = FIXES[finding.code].scope == "group" or choice == "drop"
            self._found.append((finding, "dropped" if drops else "edited", finding.code == "contradiction"))

    def of(self, row: int) -> str:
        """The mark of row `row`, empty where nothing was decided about it."""
        decided = self._rows.get(row)
        if decided is not None:
            if decided.drop:
                return "dropped"
            if decided.flag:
                return "flagged"
            if decided.edits or decided.fixes:
                return "dropped" if "drop" in decided.fixes.values() else "edited"
            if decided.keep:
                return "kept"
        best = ""
        for finding, state, first_stays in self._found:
            place = bisect_left(finding.rows, row)
            if place < len(finding.rows) and finding.rows[place] == row:
                if first_stays and finding.firsts and finding.firsts[place] == row:
                    continue
                best = state if best != "dropped" else best
        return best


def read_marks(path: Path, report: Report | None) -> Marks | None:
    """The marks of what was decided about `path`; None where nothing was. It reads the file: call it in a thread."""
    from core.data.mend.worksheet import has_worksheet, read_worksheet

    if not has_worksheet(path):
        return None
    sheet = read_worksheet(path)
    return None if sheet.is_empty else Marks(sheet.plan(), report)


class SheetScreen(DiapasonScreen):
    """A screen over one data set and the decisions about it. A subclass gives `sheet_ready` and `report_ready`."""

    def __init__(
        self,
        path: Path | str,
        format: str | None = None,
        map: str | None = None,
        dataset: Dataset | None = None,
        report: Report | None = None,
        model: str | None = None,
        max_length: int | None = None,
    ) -> None:
        """Decide about the data set `path`; what another screen has opened and checked is taken over.

        Args:
            model, max_length: whose tokens rows were checked with, and where they are cut, for too_long.

        Raises:
            DiapasonError: it cannot be read.
        """
        super().__init__()
        from core.data.dataset import open_dataset

        self.path = Path(path)
        self.dataset: Dataset = dataset or open_dataset(path, format, map, lazy=True)
        self.report = report
        self.model = model
        self.max_length = max_length
        self.sheet: Worksheet | None = None
        self._held: Worksheet | None = None
        self.rows_total = 0
        self._stop = threading.Event()
        self._writing = ""

    def on_mount(self) -> None:
        """Find the rows and read the worksheet in a thread; check in another where that was not done."""
        self.background(self._load, self._loaded, otherwise=self._failed, group="sheet")

    def on_unmount(self) -> None:
        """Stop the threads and let others write to the worksheet."""
        self._stop.set()
        if self._held is not None:
            self._held.close()

    def _load(self) -> tuple[int, Worksheet]:
        from core.data.mend.worksheet import read_worksheet

        total = self.dataset.index(unless_left(self._stop))
        self.dataset.detect_format()
        sheet = read_worksheet(self.path)
        for last in (*[False] * _TRIES, True):
            try:
                self._held = sheet.open()
                break
            except DiapasonError:
                # The screen that was left a moment ago may not have let go yet.
                if last or self._stop.wait(_PAUSE):
                    raise
        if self._stop.is_set():
            sheet.close()
        return total, sheet

    def _loaded(self, loaded: tuple[int, Worksheet]) -> None:
        self.rows_total, self.sheet = loaded
        if self.sheet.changed:
            self.warn(self.sheet.changed)
        self.sheet_ready()
        if self.report is None:
            work = lambda: run_check(  # noqa: E731
                self.dataset, self._stop, lambda _: True, self.model, self.max_length
            )
            self.background(work, self._checked, otherwise=self._not_checked, group="check")
        else:
            self.report_ready()
        self.refresh_keys()

    def _failed(self, error: BaseException) -> None:
        self.fail(error)
        self.top(f"{visible(self.dataset.name)} · nothing can be decided", "")

    def _checked(self, report: Report) -> None:
        self.report = report
        self.report_ready()

    def _not_checked(self, error: BaseException) -> None:
        if not self._stop.is_set():
            self.fail(error)

    def plan(self) -> Plan:
        """What was decided so far, with the model that too_long goes by."""
        from core.data.mend.plan import Plan

        plan = self.sheet.plan() if self.sheet is not None else Plan()
        return replace(plan, model=self.model or plan.model, max_length=self.max_length)

    def sheet_ready(self) -> None:
        """The rows are found and the decisions are there."""

    def report_ready(self) -> None:
        """The check is done."""

    # -- writing ------------------------------------------------------------------------------------------

    def why_no_sheet(self) -> str | None:
        """Why nothing can be decided yet."""
        if self.sheet is None:
            return "the rows are still being found"
        return None if self.rows_total else "the file has no rows"

    def why_no_undo(self) -> str | None:
        """Why there is nothing to undo."""
        if self.sheet is None:
            return "the rows are still being found"
        return "nothing was decided" if self.sheet.is_empty else None

    def why_no_write(self) -> str | None:
        """Why no file can be written."""
        if self._writing:
            return "a file is being written"
        if self.sheet is None:
            return "the rows are still being found"
        return "nothing was decided" if self.sheet.is_empty else None

    def action_write(self) -> None:
        """Ask for the name of the new file."""
        self.ask("Write the mended rows to which new file?", self._write, value=str(proposed(self.path)), paths=True)

    def _write(self, name: str) -> None:
        from core.data.mend.apply import check_out, mend

        sheet, out = self.sheet, expand(name)
        if sheet is None:
            return
        check_out(self.dataset, out, False)
        plan = self.plan()
        self._writing = "writing …"
        self.show_writing(self._writing)
        map_text = str(self.dataset.mapping) if self.dataset.mapping else None
        going: Callable[[int, int], bool] = lambda rows, size: not self._stop.is_set()  # noqa: E731
        work = lambda: mend(self.path, out, plan, format=self.dataset.forced, map=map_text, progress=going)  # noqa: E731
        self.background(work, self._written, otherwise=self._not_written, group="write")

    def _written(self, result: Result) -> None:
        self._writing = ""
        self.show_writing("")
        left = result.report.count("error")
        rest = f"{left} kinds of errors are left" if left else "no errors are left"
        for line in damage_lines(result.damage):
            self.warn(line)
        if result.stale:
            self.warn(
                f"{count(len(result.stale))} rows have changed since they were decided on; they stay as they are"
            )
        self.say(
            f"written: {result.out}\n{count(result.rows_after)} of {count(result.rows_before)} rows, "
            f"{count(result.changed)} changed, {count(result.dropped)} dropped; {rest}\nlog: {result.log}"
        )

    def _not_written(self, error: BaseException) -> None:
        self._writing = ""
        self.show_writing("")
        if not self._stop.is_set():
            self.fail(error)

    def show_writing(self, text: str) -> None:
        """Show that a file is being written, or that it is done (empty)."""


def proposed(path: Path) -> Path:
    """A name for the new file beside the source that is not taken: ``data.mended.jsonl``."""
    from core.data.mend.writing import bare_suffix

    suffix = bare_suffix(path)
    suffix = suffix if suffix in (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".md") else ".jsonl"
    stem = path.name.partition("#")[0]
    stem = stem[: stem.lower().index(suffix)] if suffix in stem.lower() else stem.partition(".")[0]
    folder = path.parent if path.parent.is_dir() else Path()
    for number in range(1, 1000):
        out = folder / f"{stem or 'data'}.mended{'' if number == 1 else f'-{number}'}{suffix}"
        if not out.exists():
            return out
    return folder / "mended.jsonl"
