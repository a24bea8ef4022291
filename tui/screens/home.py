"""Home: what is going on, and what is next?"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from core.errors import DiapasonError
from core.home import expand
from tui.actions import Action
from tui.screens.base import DiapasonScreen
from tui.widgets.rows import RowList

if TYPE_CHECKING:
    from core.runs.folder import RunFolder
    from tui.screens.home_state import DataRow, HomeReader, JudgingRow, NextStep, RunRow

# What reads runs is imported in the thread that reads them: the first paint does not wait for it.
EVERY_SECONDS = 1.0


class HomeScreen(DiapasonScreen):
    """The first screen: one next step, the runs, the data files used lately."""

    HELP = "What is going on, and what is next. Enter acts on the row under the cursor."
    ACTIONS = (
        Action("d", "data", "data", "Open a data file: its rows, its findings.", footer=True),
        Action("n", "new", "new run", "Make a recipe, question by question, and start it.", footer=True),
        Action("m", "monitor", "monitor", "Watch the run under the cursor.", footer=True, enabled="why_no_run"),
        Action(
            "e",
            "evaluation",
            "evaluate",
            "Base, few-shot base and tuned side by side.",
            footer=True,
            enabled="why_not_done",
        ),
        Action(
            "j", "judge", "judge", "Judge answers of base and tuned blindly.", footer=True, enabled="why_not_done"
        ),
        Action("s", "stop", "stop", "Stop the run under the cursor; it can be resumed.", enabled="why_not_running"),
        Action("p", "pause", "pause", "Pause the run: it saves and gives its GPU back.", enabled="why_no_pause"),
        Action("r", "resume", "resume", "Go on with the run under the cursor.", enabled="why_not_resumable"),
        Action("t", "runs", "all runs", "All runs in one table: sort, filter, pin, fork, report, clean."),
        Action("q", "queue", "queue", "What runs, what waits, in which order."),
    )

    def __init__(self) -> None:
        super().__init__()
        self._reader: HomeReader | None = None
        self._runs: tuple[RunRow, ...] | None = None
        self._data: tuple[DataRow, ...] = ()
        self._judgings: tuple[JudgingRow, ...] = ()
        self._step: NextStep | None = None
        self._machine = ""
        self._reading = self._measuring = False
        self._unreadable: set[Path] = set()
        self._told_cut_off = False
        self._left = Event()

    def compose_body(self) -> ComposeResult:
        """One list of rows."""
        yield RowList(id="rows")

    def on_mount(self) -> None:
        """Paint first, then read."""
        self._show_top()
        self.query_one(RowList).focus()
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        """Stop the check of a file, and the reading of a long run."""
        self._left.set()
        if self._reader is not None:
            self._reader.looks.close()

    def _begin(self) -> None:
        self._read()
        self._measure()
        self.set_interval(EVERY_SECONDS, self._read)
        self.set_interval(2 * EVERY_SECONDS, self._measure)

    def on_screen_resume(self) -> None:
        """Look again at once when another screen was left."""
        super().on_screen_resume()
        if self._runs is not None:
            self._read()

    # -- reading, in threads ------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._reading or not (self.is_seen or self._runs is None):
            return
        self._reading = True
        self.background(self._look, self._took, otherwise=self._not_read, group="runs")

    def _look(self) -> tuple[tuple[RunRow, ...], tuple[DataRow, ...], tuple[JudgingRow, ...]]:
        from core.runs.folder import list_runs
        from tui.screens.home_state import HomeReader, data_files

        if self._reader is None:
            self._reader = HomeReader()
        runs = self._reader.runs()
        return runs, data_files(tuple(list_runs())), self._reader.judgings(runs)

    def _took(self, found: tuple[tuple[RunRow, ...], tuple[DataRow, ...], tuple[JudgingRow, ...]]) -> None:
        self._reading = False
        runs, data, judgings = found
        first = self._runs is None
        if (runs, data, judgings) == (self._runs, self._data, self._judgings) and not first:
            return
        before = {row.id: row.status for row in self._runs or ()}
        self._runs, self._data, self._judgings = runs, data, judgings
        for row in runs:
            self.diapason.ring(row.id, before.get(row.id, row.status), row.status)
        self._draw()
        if first:
            self._tell_cut_off(runs)
        self._check_next()

    def _not_read(self, error: BaseException) -> None:
        self._reading = False
        self.fail(error)

    def _tell_cut_off(self, runs: tuple[RunRow, ...]) -> None:
        names = [row.name for row in runs if row.status == "interrupted"]
        if names:
            were = "run was" if len(names) == 1 else "runs were"
            self.warn(f"{len(names)} {were} cut off: {', '.join(names[:5])}. r resumes the one under the cursor.")

    def _check_next(self) -> None:
        """Check one file that was not checked yet, behind the screen."""
        from tui.screens.home_state import CHECKED_BYTES

        for row in self._data:
            if row.rows is None and (row.size or 0) <= CHECKED_BYTES and row.path not in self._unreadable:
                self._check(row)
                return

    def _check(self, row: DataRow) -> None:
        from tui.screens.home_state import check_data

        self.background(
            lambda: check_data(row, self._left),
            lambda _: self._read(),
            otherwise=lambda _: self._unreadable.add(row.path),
            group="check",
        )

    def _measure(self) -> None:
        if self._measuring or not self.is_seen:
            return
        from tui.widgets.machine import machine_line

        self._measuring = True
        self.background(machine_line, self._measured, otherwise=lambda _: None, group="machine")

    def _measured(self, line: str) -> None:
        self._measuring = False
        if line != self._machine:
            self._machine = line
            self._show_top()

    # -- drawing ------------------------------------------------------------------------------------------

    def _show_top(self) -> None:
        self.top(Content.styled("diapason", "bold $accent"), Content.styled(self._machine, "$text-muted"))

    def _draw(self) -> None:
        from tui.screens.home_rows import home_rows
        from tui.screens.home_state import what_next

        runs = self._runs or ()
        self._step = what_next(runs, self._data, self._judgings)
        self.query_one(RowList).show(home_rows(runs, self._data, self._step, self._judgings))
        self.refresh_keys()

    # -- what the cursor is on ----------------------------------------------------------------------------

    @property
    def selected(self) -> RunRow | None:
        """The run under the cursor; the next step's run, or the newest, where the cursor is on none."""
        runs = self._runs or ()
        key = self.query_one(RowList).current or ""
        wanted = key[4:] if key.startswith("run:") else self._step.run if self._step else None
        return next((row for row in runs if row.id == wanted), runs[0] if runs else None)

    @property
    def selected_file(self) -> Path | None:
        """The data file under the cursor, else the one used last."""
        key = self.query_one(RowList).current or ""
        if key.startswith("data:"):
            return Path(key[5:])
        return self._data[0].path if self._data else None

    def _folder(self) -> RunFolder:
        from core.runs.folder import find_run

        row = self.selected
        if row is None:
            raise DiapasonError("there are no runs yet")
        return find_run(row.id)

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    @on(RowList.Chosen)
    async def _chosen(self, event: RowList.Chosen) -> None:
        if event.key.startswith("data:"):
            self.diapason.open("browse", path=Path(event.key[5:]))
        elif event.key.startswith("run:"):
            await self.action_act("monitor")
        elif event.key.startswith("judging:"):
            self.diapason.open("judge", run=event.key.removeprefix("judging:"))
        elif self._step is not None and self._step.judging is not None:
            self.diapason.open("judge", run=self._step.judging)
        elif self._step is not None and self._step.path is not None:
            self.diapason.open("browse", path=self._step.path)
        elif self._step is not None:
            await self.action_act(self._step.action)

    # -- why a key cannot act -----------------------------------------------------------------------------

    def why_no_run(self) -> str | None:
        """A run is needed."""
        return None if self.selected else "there are no runs yet; n makes one"

    def why_not_done(self) -> str | None:
        """A completed run is needed."""
        row = self.selected
        if row is None:
            return self.why_no_run()
        if row.status == "completed" or row.evaluated:
            return None
        return f"{row.name} is not trained to its end: it is {row.status}"

    def why_not_running(self) -> str | None:
        """A run that runs or waits is needed."""
        row = self.selected
        if row is None:
            return self.why_no_run()
        return (
            None
            if row.status in ("running", "queued", "paused")
            else f"{row.name} is not running: it is {row.status}"
        )

    def why_no_pause(self) -> str | None:
        """A run that runs or waits is needed."""
        row = self.selected
        return f"{row.name} is paused" if row is not None and row.status == "paused" else self.why_not_running()

    def why_not_resumable(self) -> str | None:
        """A run that was cut off, paused, stopped or failed is needed."""
        row = self.selected
        if row is None:
            return self.why_no_run()
        if row.status in ("interrupted", "unsupervised", "stopped", "failed", "paused"):
            return None
        return f"{row.name} needs no resuming: it is {row.status}"

    # -- actions ------------------------------------------------------------------------------------------

    def action_data(self) -> None:
        """Ask for a file and browse it."""
        near = self.selected_file
        value = f"{near.parent}{os.sep}" if near else ""
        self.ask(
            "Which data file?",
            self._open_data,
            value=value,
            placeholder="path of a JSONL, JSON, CSV or text file",
            paths=True,
        )

    def _open_data(self, text: str) -> None:
        path = expand(text).absolute()
        if path.is_dir():
            self.ask("That is a folder. Which file in it?", self._open_data, value=f"{path}{os.sep}", paths=True)
            return
        self.diapason.open("browse", path=path)

    def action_new(self) -> None:
        """Ask for the training file, then the wizard."""
        near = self.selected_file
        value = str(near) if near else ""
        self.ask("New run: which training file?", self._open_wizard, value=value, paths=True)

    def _open_wizard(self, text: str) -> None:
        self.diapason.open("wizard", path=expand(text).absolute())

    def action_monitor(self) -> None:
        """Watch the run."""
        self.diapason.open("monitor", run=self._folder())

    def action_evaluation(self) -> None:
        """Compare the arms."""
        self.diapason.open("evaluation", run=self._folder())

    def action_judge(self) -> None:
        """Judge pairs."""
        self.diapason.open("judge", run=self._folder())

    def action_stop(self) -> None:
        """Ask, then stop the run."""
        from core.runs.commands import send

        folder = self._folder()
        self.confirm(
            f"Stop {folder.name}?",
            lambda: self._asked_to_stop(folder, send(folder, "stop")),
            detail="It saves a checkpoint first, and can be resumed from there.",
            yes="Stop it",
        )

    def _asked_to_stop(self, folder: RunFolder, _: str) -> None:
        self.say(f"{folder.name} was asked to stop; it saves a checkpoint first")

    def action_pause(self) -> None:
        """Pause the run."""
        from core.runs.commands import send

        folder = self._folder()
        send(folder, "pause")
        self.say(f"{folder.name} was asked to pause; it saves a checkpoint first, and r resumes it")

    def action_runs(self) -> None:
        """Show the table of runs."""
        self.diapason.open("runs")

    def action_queue(self) -> None:
        """Show the queue."""
        self.diapason.open("queue")

    def action_resume(self) -> None:
        """Make the run go on."""
        from tui.screens.going_on import go_on

        go_on(self, self._folder(), self._read)
