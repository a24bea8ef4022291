"""All runs in one table: sorted, filtered, pinned; and what can be done with one or with all of them."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from core.errors import DiapasonError, UsageError
from core.home import expand
from core.runs.folder import RunFolder, find_run, slug
from core.runs.pins import pinned, toggle_pin
from core.text import shorten
from tui.actions import Action
from tui.format import size
from tui.screens.base import DiapasonScreen
from tui.screens.going_on import go_on
from tui.screens.monitor_overlay import MOST_BESIDE
from tui.screens.runs_state import ORDERS, RunLine, RunsReader, chosen
from tui.screens.runs_view import heads, run_line
from tui.widgets.rows import Row, RowList

EVERY_SECONDS = 1.0
_LISTED = 8


class RunsScreen(DiapasonScreen):
    """The table of runs."""

    CSS_PATH = "runs.tcss"
    HELP = (
        "Every run of this home. Pinned runs come first; c opens the monitor with them beside the run under the "
        "cursor. A filter keeps the runs whose name, status, method or model hold all of its words."
    )
    ACTIONS = (
        Action("o", "order", "order", "Sort by the next column.", True, "why_no_run"),
        Action("slash", "filter", "filter", "Show only some of the runs.", True, "why_none_at_all"),
        Action("space", "pin", "pin", "Pin the run under the cursor, or take its pin away.", True, "why_no_run"),
        Action("c", "compare", "compare", "The monitor, with the pinned runs beside this one.", True, "why_no_pins"),
        Action("m", "monitor", "monitor", "Watch the run under the cursor.", enabled="why_no_run"),
        Action("r", "resume", "resume", "Go on with it; what differs is asked about.", enabled="why_not_resumable"),
        Action("f", "fork", "fork", "A new run from its checkpoint, with other settings.", True, "why_no_run"),
        Action("w", "report", "report", "Write the run on one page, HTML or Markdown.", True, "why_no_run"),
        Action("x", "clean", "clean up", "What ended runs need no more: listed, then removed on yes.", True),
    )

    def __init__(self) -> None:
        super().__init__()
        self._reader = RunsReader()
        self._lines: tuple[RunLine, ...] = ()
        self._needle = ""
        self._order = next(iter(ORDERS))
        self._reading = False

    def compose_body(self) -> ComposeResult:
        """The heads, the runs, and more of the run under the cursor."""
        yield Static(id="heads", markup=False)
        yield RowList(id="rows")
        yield Static(id="about", markup=False)

    def on_mount(self) -> None:
        """Read now, and each second."""
        self.query_one(RowList).focus()
        self.top("runs")
        self.call_after_refresh(self._read)
        self.set_interval(EVERY_SECONDS, self._read)

    def on_unmount(self) -> None:
        """Nothing reads for a screen that is closed."""
        self._reader.looks.close()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self._draw()

    def _read(self) -> None:
        if self._reading or not self.is_seen:
            return
        self._reading = True
        self.background(self._reader.read, self._took, otherwise=self._not_read, group="runs")

    def _not_read(self, error: BaseException) -> None:
        self._reading = False
        self.fail(error)

    def _took(self, lines: tuple[RunLine, ...]) -> None:
        self._reading = False
        for line in lines:
            before = next((one.status for one in self._lines if one.id == line.id), line.status)
            self.diapason.ring(line.id, before, line.status)
        self._lines = lines
        self._draw()

    def _draw(self) -> None:
        shown = chosen(self._lines, self._needle, self._order)
        total = f"{len(self._lines)} run{'s' * (len(self._lines) != 1)}"
        self.top(
            f"{len(shown)} of {total} hold “{shorten(self._needle, 30)}”" if self._needle else total,
            Content.styled(f"by {self._order}", "$text-muted"),
        )
        rows = self.query_one(RowList)
        self.query_one("#heads", Static).update(Content.assemble("  ", heads(rows.size.width - 4)))
        rows.show([Row(line.id, line, lambda width, line=line: run_line(line, width)) for line in shown])
        self._explain()

    def _explain(self) -> None:
        line = self.line
        text = f"{line.id}  {line.reason or ''}" if line is not None else self._empty()
        self.query_one("#about", Static).update(Content.styled(shorten(text, 400), "$text-muted"))
        self.refresh_keys()

    def _empty(self) -> str:
        if self._lines:
            return "No run holds these words: / changes them."
        return "There are no runs yet: esc, then n makes one from a data file; or `diapason demo`."

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._explain()

    @on(RowList.Chosen)
    async def _chosen(self) -> None:
        await self.action_act("monitor")

    # -- why a key cannot act -----------------------------------------------------------------------------

    @property
    def line(self) -> RunLine | None:
        """The run under the cursor."""
        key = self.query_one(RowList).current
        return next((line for line in self._lines if line.id == key), None)

    def why_none_at_all(self) -> str | None:
        """Runs are needed."""
        return None if self._lines else "there are no runs yet"

    def why_no_run(self) -> str | None:
        """A run under the cursor is needed."""
        return None if self.line is not None else "there is no run under the cursor"

    def why_no_pins(self) -> str | None:
        """Another run must be pinned."""
        line = self.line
        if line is None:
            return self.why_no_run()
        others = [one for one in self._lines if one.pinned and one.id != line.id]
        return None if others else "no other run is pinned; space pins one"

    def why_not_resumable(self) -> str | None:
        """A run that was cut off, paused, stopped or failed is needed."""
        line = self.line
        if line is None:
            return self.why_no_run()
        if line.status in ("interrupted", "unsupervised", "stopped", "failed", "paused"):
            return None
        return f"{line.name} needs no resuming: it is {line.status}"

    # -- actions ------------------------------------------------------------------------------------------

    def _folder(self) -> RunFolder:
        if (line := self.line) is None:
            raise DiapasonError("there is no run under the cursor")
        return find_run(line.id)

    def action_back(self) -> None:
        """From a filter to all runs, else to the screen before."""
        if self._needle:
            self._filtered("")
        else:
            super().action_back()

    def action_order(self) -> None:
        """Sort by the next column."""
        names = list(ORDERS)
        self._order = names[(names.index(self._order) + 1) % len(names)]
        self._draw()

    def action_filter(self) -> None:
        """Ask for the words."""
        self.ask("Runs whose name, status, method or model hold", self._filtered, value=self._needle)

    def _filtered(self, needle: str) -> None:
        self._needle = needle
        self._draw()

    def action_pin(self) -> None:
        """Pin it, or not."""
        folder = self._folder()
        now = toggle_pin(folder.id)
        self.say(f"{folder.name} is {'pinned' if now else 'no longer pinned'}")
        self._read()

    def action_compare(self) -> None:
        """The monitor with the pinned runs beside it."""
        folder, known = self._folder(), {line.id for line in self._lines}
        others = [find_run(run) for run in pinned() if run != folder.id and run in known]
        if len(others) > MOST_BESIDE:
            self.warn(
                f"{len(others)} other runs are pinned; the monitor shows the first {MOST_BESIDE} beside this one"
            )
        self.diapason.open("monitor", run=folder, beside=others)

    def action_monitor(self) -> None:
        """Watch it."""
        self.diapason.open("monitor", run=self._folder())

    def action_resume(self) -> None:
        """Make it go on."""
        go_on(self, self._folder(), self._read)

    def action_fork(self) -> None:
        """Ask what shall differ, then start the new run."""
        folder = self._folder()
        train = (folder.spec().get("recipe") or {}).get("train") or {}
        self.ask(
            f"Fork {shorten(folder.name, 40)} with which settings? from=STEP and name=NAME may stand among them",
            lambda text: self._fork(folder, text),
            value=f"train.learning_rate={train.get('learning_rate', '')}",
            placeholder="train.learning_rate=1e-4 from=400",
        )

    def _fork(self, folder: RunFolder, text: str) -> None:
        from core.fork import fork

        step, name, changes = _asked(text)

        def forked(new: RunFolder) -> None:
            self.say(f"{new.name} begins from step {new.spec()['start']['step']} of {folder.name}")
            self._read()

        self.background(lambda: fork(folder, step=step, name=name, changes=changes), forked, group="fork")

    def action_report(self) -> None:
        """Ask where to, then write it."""
        folder = self._folder()
        self.ask(
            f"Write {shorten(folder.name, 40)} to which .html or .md file?",
            lambda text: self._report(folder, expand(text).absolute()),
            value=str(Path.cwd() / f"{slug(folder.name)}.html"),
            paths=True,
        )

    def _report(self, folder: RunFolder, out: Path, *, replace: bool = False) -> None:
        from core.report.save import save_report

        if out.exists() and not out.is_dir() and not replace:
            again = partial(self._report, folder, out, replace=True)
            self.confirm(f"Replace {out.name}?", again, detail=str(out), yes="Replace")
            return
        self.background(
            lambda: save_report(folder, out, replace=replace), lambda _: self.say(f"wrote {out}"), group="report"
        )

    def action_clean(self) -> None:
        """Look what can go, list it, and remove it on yes."""
        from core.runs.cleaning import Rubbish, remove, rubbish

        def remove_all(items: list[Rubbish]) -> int:
            for item in items:
                try:
                    remove(item)
                except OSError as error:
                    raise DiapasonError(f"cannot be removed: {error.strerror}", where=str(item.path)) from error
            return sum(item.size for item in items)

        def found(items: list[Rubbish]) -> None:
            if not items:
                self.say("nothing can go: ended runs keep their best checkpoint, and no more is there")
                return
            largest = sorted(items, key=lambda item: -item.size)
            lines = [
                f"{size(item.size):>9}  {shorten(item.run.name, 40) if item.run else ''}  {item.what}"
                for item in largest
            ]
            more = [f"and {len(items) - _LISTED} more"] if len(items) > _LISTED else []
            self.confirm(
                f"Remove {len(items)} thing{'s' * (len(items) != 1)}, {size(sum(item.size for item in items))}?",
                lambda: self.background(
                    lambda: remove_all(items), lambda total: self.say(f"{size(total)} removed"), group="clean"
                ),
                detail="\n".join([*lines[:_LISTED], *more, "Adapters, votes, specs, reports and data stay."]),
                yes="Remove",
            )

        self.background(rubbish, found, group="clean")


def _asked(text: str) -> tuple[int | None, str, list[str]]:
    """(step, name, changes) of a line such as ``train.learning_rate=1e-4 from=400 name='lower rate'``."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"cannot be read: {error}", where=text) from error
    step, name, changes = None, "", list[str]()
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise UsageError("a setting is KEY=VALUE", where=word)
        if key == "from":
            if not value.isdecimal() or not 1 <= int(value[:20]) <= 10**12:
                raise UsageError("from= takes a step from 1 on", where=word)
            step = int(value)
        elif key == "name":
            name = value
        else:
            changes.append(word)
    return step, name, changes
