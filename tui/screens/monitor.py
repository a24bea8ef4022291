"""Monitor: is it learning, is it well, when is it done?"""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from core.runs.folder import RunFolder, find_run, list_runs
from core.text import shorten
from tui.actions import Action
from tui.screens import monitor_pages as pages
from tui.screens import monitor_text as words
from tui.screens.monitor_axis import Axis
from tui.screens.monitor_charts import ChartsScreen
from tui.screens.monitor_commands import CommandsScreen
from tui.screens.monitor_keys import ACTIONS
from tui.screens.monitor_overlay import MOST_BESIDE, OverlayDialog, differences
from tui.screens.monitor_plots import legend
from tui.screens.monitor_state import MonitorReader, Shown
from tui.widgets.chart import Chart
from tui.widgets.page import Page, put

EVERY_SECONDS = 1.0
PANES = ("loss", "course", "samples", "log", "events", "config")


class Progress(Static):
    """The thin line of progress."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.shown: Shown | None = None

    def render(self) -> Content:
        """The line, as long as the screen is wide."""
        return words.progress_line(self.shown, self.content_size.width) if self.shown else Content()


class MonitorScreen(ChartsScreen, CommandsScreen):
    """One run, live."""

    CSS_PATH = "monitor.tcss"
    HELP = "Is it learning, is it well, when is it done? The run goes on whatever you do here, but for s."
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]
    ACTIONS = ACTIONS

    def __init__(self, run: RunFolder | str, beside: Sequence[RunFolder] = ()) -> None:
        super().__init__()
        self.folder = find_run(run) if isinstance(run, str) else run
        self._reader = MonitorReader(self.folder)
        self._reader.beside = tuple(map(MonitorReader, beside[:MOST_BESIDE]))
        self._reading = False
        self._sample_step: int | None = None
        self._drawn_at = 0.0
        self._told = ""
        self._pane: str | None = None

    def compose_body(self) -> ComposeResult:
        """Progress, facts, and the panes."""
        yield Progress(id="progress")
        yield Static(id="facts", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Chart("loss", id="loss")
                yield Page("samples", id="samples")
            with Vertical(id="right"):
                yield from self.compose_panels()
                yield Page("machine", id="machine")
                yield Page("log", id="log")
            yield Page("events", id="events")
            yield Page("recipe", id="config")

    def on_mount(self) -> None:
        """Read in a thread while the first paint is made."""
        self.query_one("#loss", Chart).border_subtitle = legend()
        self.query_one("#loss").focus()
        for name in ("log", "events"):
            self.query_one(f"#{name}", Page).anchor()
        self.top(self.folder.name)
        self._read()
        self.set_interval(EVERY_SECONDS / 4, self._tick)

    def on_unmount(self) -> None:
        """Nothing reads for a screen that is closed."""
        self._reader.close()

    # -- reading, in a thread -----------------------------------------------------------------------------

    def _tick(self) -> None:
        # From draw to draw, whatever the reading took: two of them in one second are twice the bytes over the wire.
        if time.monotonic() - self._drawn_at >= EVERY_SECONDS:
            self._read()

    def _read(self) -> None:
        if self._reading or not self.is_seen:
            return
        self._reading = True
        self._reader.wanted = tuple(self._panels)
        self.background(self._reader.read, self._took, otherwise=self._not_read, group="run")

    def _took(self, shown: Shown) -> None:
        self._reading = False
        if shown.id != self.folder.id:
            return
        self._drawn_at = time.monotonic()
        if self._reader.wanted != tuple(self._panels):
            self._read()
        before, self.shown = self.shown, shown
        if before is not None and before.status != shown.status:
            self.say(f"{shown.name} is {words.WORDS.get(shown.status, shown.status)}")
            self.diapason.ring(shown.id, before.status, shown.status)
        if before is None or shown != before:
            self._draw(before)

    def _not_read(self, error: BaseException) -> None:
        self._reading = False
        self._drawn_at = time.monotonic()
        if str(error) != self._told:
            self._told = str(error)
            self.fail(error)

    # -- drawing ------------------------------------------------------------------------------------------

    def _draw(self, before: Shown | None) -> None:
        shown = self.shown
        if shown is None:
            return
        self.top(*words.headline(shown, self.size.width - 2))
        self._draw_words(shown)
        if before is None:
            # What has no size yet has no room for dots or lines.
            self.call_after_refresh(self._draw_sized)
        elif _drawn(before) != _drawn(shown) or self.moved():
            self.draw_charts()
        if before is None or before.answers != shown.answers:
            self._draw_samples(shown)
        self._draw_pages(shown)
        self.query_one("#machine", Page).show(words.machine_text(shown))
        self.refresh_keys()

    def _draw_sized(self) -> None:
        """Draw what depends on how much room it has."""
        if self.shown is not None:
            self.draw_charts()
            self._draw_pages(self.shown)

    def _draw_pages(self, shown: Shown) -> None:
        log = self.query_one("#log", Page)
        log.border_title = pages.log_title(shown)  # pyright: ignore[reportAttributeAccessIssue]
        log.show(pages.log_text(self._log_lines(log, shown), shown.needle))
        self.query_one("#events", Page).show(pages.events_text(shown.events))
        self.query_one("#config", Page).show(
            pages.rounds_text(shown.rounds) + differences(shown) + pages.config_text(shown.recipe)
        )

    def _log_lines(self, page: Page, shown: Shown) -> Sequence[str]:
        """All lines for a person who is in the log; else those that fit: a page that grows moves the whole screen."""
        size = page.content_size
        if page.has_focus or not size.height:
            return shown.log
        # Two cells are the scroll bar's.
        return [shorten(line, max(1, size.width - 2)) for line in shown.log[-size.height :]]

    def on_descendant_focus(self) -> None:
        """The log's lines depend on it."""
        if self.shown is not None:
            self._draw_pages(self.shown)

    def on_descendant_blur(self) -> None:
        """The log's lines depend on it."""
        self.on_descendant_focus()

    def _draw_words(self, shown: Shown) -> None:
        progress = self.query_one(Progress)
        progress.shown = shown
        progress.refresh()
        lines = [words.facts_line(shown, self.has_class("-narrow")), *words.notes(shown)]
        put(self.query_one("#facts", Static), Content("\n").join(lines))

    def _draw_samples(self, shown: Shown) -> None:
        steps = shown.sample_steps
        step = self._sample_step if self._sample_step in steps else (steps[-1] if steps else None)
        page = self.query_one("#samples", Page)
        page.border_title = "samples" if step is None else f"samples at step {step}, beside the untuned model"
        page.show(words.samples_text(shown, step))

    def on_resize(self) -> None:
        """Narrow and wide differ in what the lines say."""
        if self.shown is not None:
            self.top(*words.headline(self.shown, self.size.width - 2))
            self._draw_words(self.shown)
            self.call_after_refresh(self._draw_sized)

    # -- why a key cannot act -----------------------------------------------------------------------------

    def why_no_earlier(self) -> str | None:
        """The oldest run has none before it."""
        return None if self._neighbour(1) else "this is the oldest run"

    def why_no_later(self) -> str | None:
        """The newest run has none after it."""
        return None if self._neighbour(-1) else "this is the newest run"

    def why_no_samples(self) -> str | None:
        """Answers come with the first evaluation."""
        return None if self.shown and len(self.shown.answers) > 1 else "there are no answers of two evaluations yet"

    # -- actions ------------------------------------------------------------------------------------------

    def footer_actions(self) -> list[Action]:
        """What can be done now comes first: a run that ended has other keys than one that works."""
        return sorted(self.ACTIONS, key=lambda action: action.footer and self.why_not(action) is not None)

    def action_back(self) -> None:
        """From a place read to none, from one pane to all, else to the screen before."""
        if self._reader.needle:
            self._find("")
        elif self.clear_cursor():
            return
        elif self._pane is not None:
            self._only(None)
        else:
            super().action_back()

    def action_log(self) -> None:
        """Show the log, or go back to the samples."""
        if self._pane is not None:
            self._only(None)
        opened = not self.has_class("-log")
        self.set_class(opened, "-log")
        self.query_one("#log" if opened else "#loss").focus()
        self.call_after_refresh(self.draw_charts)

    def action_pane_loss(self) -> None:
        """Only the loss."""
        self._only("loss")

    def action_pane_course(self) -> None:
        """Only the small charts."""
        self._only("course")

    def action_pane_samples(self) -> None:
        """Only the samples."""
        self._only("samples")

    def action_pane_log(self) -> None:
        """Only the log."""
        self._only("log")

    def action_pane_events(self) -> None:
        """Only what happened."""
        self._only("events")

    def action_pane_config(self) -> None:
        """Only the recipe."""
        self._only("config")

    def action_find(self) -> None:
        """Ask for a text and show the log's lines that hold it."""

        def found(needle: str) -> None:
            if self._pane != "log":
                self._only("log")
            self._find(needle)

        self.ask("Lines of the log that hold", found, value=self._reader.needle)

    def _find(self, needle: str) -> None:
        self._reader.needle = needle
        self._read()

    def why_no_others(self) -> str | None:
        """A run needs another beside it."""
        others = self.shown.runs if self.shown is not None else list_runs()
        return None if len(others) > 1 else "there is no other run"

    def action_overlay(self) -> None:
        """Choose the runs beside it."""
        runs = [run for run in list_runs() if run.id != self.folder.id]

        def chosen(ids: list[str] | None) -> None:
            if ids is not None:
                kept = {reader.folder.id: reader for reader in self._reader.beside}
                for id in kept.keys() - set(ids):
                    kept[id].close()
                known = {run.id: run for run in runs}
                self._reader.beside = tuple(kept.get(id) or MonitorReader(known[id]) for id in ids)
                self._read()

        self.app.push_screen(OverlayDialog(runs, [reader.folder.id for reader in self._reader.beside]), chosen)

    def _only(self, pane: str | None) -> None:
        self._pane = None if pane == self._pane else pane
        self.remove_class("-log")
        for name in PANES:
            self.set_class(name == self._pane, f"-pane-{name}")
        first = self._panels[0] if self._panels else "machine"
        self.query_one(f"#{first if self._pane == 'course' else self._pane or 'loss'}").focus()
        self.call_after_refresh(self.draw_charts)

    async def toggle_panel(self, name: str) -> None:
        """Open or close a small chart, where the small charts can be seen."""
        await super().toggle_panel(name)
        self._read()
        if name in self._panels and (self._pane is not None or self.has_class("-narrow")) and self._pane != "course":
            self._only("course")

    def action_earlier_samples(self) -> None:
        """Answers of an earlier step."""
        self._move_samples(-1)

    def action_later_samples(self) -> None:
        """Answers of a later step."""
        self._move_samples(1)

    def _move_samples(self, by: int) -> None:
        shown = self.shown
        if shown is None or not shown.answers:
            return
        steps = shown.sample_steps
        at = steps.index(self._sample_step) if self._sample_step in steps else len(steps) - 1
        to = min(len(steps) - 1, max(0, at + by))
        # At the newest again: follow it as new answers come.
        self._sample_step = None if to == len(steps) - 1 else steps[to]
        self._draw_samples(shown)

    def _neighbour(self, by: int) -> str | None:
        ids = self.shown.runs if self.shown is not None else tuple(run.id for run in list_runs())
        at = ids.index(self.folder.id) + by if self.folder.id in ids else -1
        return ids[at] if 0 <= at < len(ids) else None

    def action_previous_run(self) -> None:
        """The run before."""
        self._turn_to(self._neighbour(1))

    def action_next_run(self) -> None:
        """The run after."""
        self._turn_to(self._neighbour(-1))

    def _turn_to(self, id: str | None) -> None:
        if id is None:
            return
        run = find_run(id)
        self.folder, self.shown, self._sample_step = run, None, None
        before, self._reader = self._reader, MonitorReader(run)
        # A look may still be under way in the old ones.
        others = (reader.folder for reader in before.beside if reader.folder.id != run.id)
        self._reader.beside = tuple(map(MonitorReader, others))
        before.close()
        self._reading = False
        self.axis = Axis(by=self.axis.by)
        self.top(run.name)
        self._read()


def _drawn(shown: Shown) -> tuple[object, ...]:
    """What the charts show of it beside what grows with its steps."""
    beside = [(one.id, one.lines) for one in shown.beside]
    names = (*shown.lines, *shown.hardware)
    return (
        names, beside, shown.evals, shown.checkpoints, shown.restarts, shown.retries, shown.partial, shown.final,
        bool(shown.step),
    )  # fmt: skip
