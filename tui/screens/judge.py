"""The judging screen: two answers, one key, the next pair. Which model is which shows at the end only."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Key, Resize
from textual.timer import Timer
from textual.widgets import Input, Static

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.screens import judge_keys, judge_result, judge_view
from tui.screens.judge_pair import PairScreen, PairView
from tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from core.judging.pairs import Pair
    from core.judging.votes import Desk
    from core.runs.folder import RunFolder
    from core.runs.view import RunView

# A held key repeats about 30 times a second; a key this soon after another one is no decision.
DEBOUNCE_SECONDS = 0.15
_POLL_SECONDS = 0.5


class JudgeScreen(PairScreen):
    """Judging of one run: opening, judging, the result, or why there is nothing to judge."""

    CSS_PATH = "judge.tcss"
    HELP = (
        "Read the prompt and both answers, press one key. Each vote is on disk before the next pair shows: "
        "leave whenever you like, the next visit goes on where you stopped. "
        "Models are named at the end only; who stands where changes at random, evenly."
    )
    ACTIONS = judge_keys.ACTIONS
    AUTO_FOCUS = ""

    def __init__(self, run: RunFolder | Path | str, count: int | None = None, new: bool = False) -> None:
        """Judge `run`: a run folder, its path, or what `find_run` takes.

        Args:
            count: pairs to ask about; None: 50, or as many as the session has.
            new: begin a new session.

        Raises:
            DiapasonError: where there is no such run.
        """
        super().__init__()
        from core.runs.folder import RunFolder, find_run

        self.run = find_run(run) if isinstance(run, str) else run if isinstance(run, RunFolder) else RunFolder(run)
        self.count = count
        self.new = new
        self.desk: Desk | None = None
        self._gate = threading.Lock()
        self._gone = False
        self._nothing = False
        self._timer: Timer | None = None
        self._job: RunView | None = None
        self._going_over: list[str] = []
        self._shown_at = 0.0
        self._last_key = 0.0
        self._pressed: float | None = None

    def compose_body(self) -> ComposeResult:
        """The pair, a line for a note, and a page for all else."""
        yield PairView(id="pair")
        note = Input(id="note", placeholder="a note on this pair: enter keeps it, esc leaves", compact=True)
        # Only `n` gives it the focus: until then letters are verdicts.
        note.can_focus = False
        yield note
        with VerticalScroll(id="page", can_focus=False):
            yield Static(id="page-text", markup=False)

    # -- opening and leaving ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Open the session without holding up the first paint."""
        self._open()

    def _open(self) -> None:
        self._page("opening …", Content(""))
        self.background(self._take_desk, self._opened, otherwise=self._not_opened, group="open")

    def _take_desk(self) -> None:
        from core.judging.votes import Desk

        desk = Desk(self.run.path, count=self.count, new=self.new)
        with self._gate:
            if self._gone:
                desk.close()
            else:
                self.desk = desk

    def _opened(self, _: None) -> None:
        self.new = False
        self._nothing = False
        self._show_next()

    def _not_opened(self, error: BaseException) -> None:
        from core.judging.session import NothingToJudge

        if not isinstance(error, DiapasonError):
            self.fail(error)
            return
        self._nothing = isinstance(error, NothingToJudge)
        shown = error
        if self._nothing:
            shown = DiapasonError(
                error.message, hint="Press g: both models answer the test prompts, in the background."
            )
        top = "nothing to judge yet" if self._nothing else "cannot be judged now"
        self._page(f"{self.run.name}: {top}", judge_view.error_content(shown))
        if self._nothing:
            self._look_for_job()

    def on_unmount(self) -> None:
        """Let others judge."""
        with self._gate:
            self._gone = True
            if self.desk is not None:
                self.desk.close()

    def action_back(self) -> None:
        """Close the note or the zoom, else leave; everything is saved."""
        if self.has_class("-noting"):
            self._close_note()
        elif self.view.zoom:
            self.view.set_zoom(0)
        else:
            super().action_back()

    # -- answers that have to be made first -----------------------------------------------------------------

    def action_generate(self) -> None:
        """Submit the job that answers the test prompts."""
        from core.judging.answers import generate

        self.background(lambda: generate(self.run, self.count), self._follow, group="generate")

    def _look_for_job(self) -> None:
        from core.judging.answers import under_way

        self.background(lambda: under_way(self.run), lambda job: job and self._follow(job), group="generate")

    def _follow(self, job: RunFolder) -> None:
        from core.runs.view import RunView

        self._job = RunView(job)
        if self._timer is None:
            self._timer = self.set_interval(_POLL_SECONDS, self._poll)
        self._poll()

    def _poll(self) -> None:
        if self._job is None:
            return
        self._job.refresh()
        view, status = self._job, self._job.status
        if status == "completed":
            self._stop_following()
            self._open()
        elif status in ("failed", "stopped"):
            self._stop_following()
            error = DiapasonError(view.reason or f"the job ended as {status}", where=view.id, hint=view.hint)
            self._page(f"{self.run.name}: no answers to judge", judge_view.error_content(error))
        else:
            done = view.progress or {}
            steps = (
                f"{done.get('phase', '')}: {done.get('done', '?')} of {done.get('total', '?')}" if done else status
            )
            text = "Both models answer the test prompts. You may leave: it goes on, and is ready when you return."
            self._page(f"{self.run.name}: making answers, {steps}", Content(text))

    def _stop_following(self) -> None:
        self._job = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    # -- showing --------------------------------------------------------------------------------------------

    def _page(self, top: str, content: Content) -> None:
        self.pair = None
        self.add_class("-page")
        self.top(top, visible(self.run.name) if self.desk else "")
        self.query_one("#page-text", Static).update(content)
        self.refresh_keys()

    def _show_next(self) -> None:
        assert self.desk is not None
        if self._going_over:
            wanted = self._going_over.pop(0)
            self._show(next(pair for pair in self.desk.session.asked if pair.id == wanted))
            return
        pair = self.desk.next_pair()
        if pair is None:
            self._show_result()
        else:
            self._show(pair)

    def _show(self, pair: Pair, *, undone: bool = False) -> None:
        assert self.desk is not None and pair.left is not None and pair.right is not None
        self.pair = pair
        self.remove_class("-page")
        self.view.show(pair)
        self.query_one("#note", Input).value = visible(self.desk.note_of(pair))
        self._draw_top(" · vote taken back" if undone else "")
        self._shown_at = time.monotonic()
        self.refresh_keys()

    def _draw_top(self, more: str = "") -> None:
        assert self.desk is not None and self.pair is not None
        note = " · has a note" if self.desk.note_of(self.pair) else ""
        place = f"pair {self.desk.place(self.pair)} of {len(self.desk.session.asked)}"
        left = Content.assemble((place, "bold $accent"), (more + note, "$text-muted"))
        self.top(left, Content.assemble((visible(f"{self.run.name} · judged by {self.desk.judge}"), "$text-muted")))

    def _show_result(self) -> None:
        from core.judging.results import results

        assert self.desk is not None
        self.pair = None
        found = results(self.desk.session, self.desk.votes)
        offered = {action.name: action for action in self.all_actions() if self.why_not(action) is None}
        keys = [offered[name] for name in judge_keys.AFTERWARDS if name in offered]
        self._page(found.headline(), judge_result.result_content(found, self.size.width - 5, keys))

    def on_key(self, event: Key) -> None:
        """Keep the time of the key for the action that it leads to."""
        self._pressed = event.time

    def on_resize(self, _: Resize) -> None:
        """The bars depend on the width."""
        if self.has_result():
            self._show_result()

    def refresh_keys(self) -> None:
        """The footer shows what can be done now: judging and the result have different keys."""
        if self.is_mounted and (bars := self.query(KeyBar)):
            can = {action: self.why_not(action) is None for action in self.ACTIONS}
            judging = self.pair is not None
            bars.first().show([(a, can[a]) for a in self.ACTIONS if can[a] or (judging and a.name == "undo")])

    # -- what can be done now -------------------------------------------------------------------------------

    def has_result(self) -> bool:
        """Whether this judge has seen to every pair, and none is on the screen."""
        return self.desk is not None and self.pair is None and self.desk.next_pair() is None

    def why_no_pair(self) -> str | None:
        """Why a verdict cannot be given."""
        return None if self.pair is not None else "there is no pair on the screen"

    def why_no_undo(self) -> str | None:
        """Why nothing can be taken back."""
        voted = self.desk is not None and self.desk.votes.stacks.get(self.desk.judge)
        return None if voted else "there is no vote of yours to take back"

    def why_no_result(self) -> str | None:
        """Why preferences cannot be written from here."""
        return None if self.has_result() else "first judge or skip all pairs, or use `diapason preferences`"

    def why_nothing_skipped(self) -> str | None:
        """Why there is nothing to go over."""
        if not self.has_result():
            return "the skipped pairs come at the end"
        return None if self.desk is not None and self.desk.skipped() else "no pair was skipped"

    def why_not_generate(self) -> str | None:
        """Why no answers are to be made."""
        if self._job is not None:
            return "they are being made"
        return None if self._nothing else "there are answers already"

    # -- verdicts ---------------------------------------------------------------------------------------------

    async def action_pick_left(self) -> None:
        """The left answer is better."""
        await self._vote("left")

    async def action_pick_right(self) -> None:
        """The right answer is better."""
        await self._vote("right")

    async def action_tie(self) -> None:
        """Both are equally good."""
        await self._vote("tie")

    async def action_both_bad(self) -> None:
        """Neither will do."""
        await self._vote("both_bad")

    async def action_skip(self) -> None:
        """Leave the pair out for now."""
        await self._vote("skip")

    async def _vote(self, verdict: str) -> None:
        desk, pair = self.desk, self.pair
        if desk is None or pair is None or self._too_soon():
            return
        dwell = time.monotonic() - self._shown_at
        # In a thread, so that a slow disk holds up the next pair but not the terminal.
        await asyncio.to_thread(desk.vote, pair, verdict, dwell=dwell)
        self._show_next()
        self._last_key = time.monotonic()

    async def action_undo(self) -> None:
        """Take back the last vote and show its pair."""
        desk = self.desk
        if desk is None or self._too_soon():
            return
        pair = await asyncio.to_thread(desk.undo)
        if pair is not None:
            if self.pair is not None and self.pair in desk.skipped():
                self._going_over.insert(0, self.pair.id)
            self._show(pair, undone=True)
        self._last_key = time.monotonic()

    def _too_soon(self) -> bool:
        """Whether this key belongs to the one before: held down, or pressed while that was being saved.

        What counts is when the key came in, not when a busy machine gets round to it.
        """
        pressed, self._pressed = self._pressed or time.monotonic(), None
        soon = pressed - self._last_key < DEBOUNCE_SECONDS
        self._last_key = max(self._last_key, pressed)
        return soon

    def action_go_over(self) -> None:
        """Show the skipped pairs again."""
        assert self.desk is not None
        self._going_over = [pair.id for pair in self.desk.skipped()]
        self._show_next()

    # -- a note -----------------------------------------------------------------------------------------------

    def action_note(self) -> None:
        """Open the line for a note."""
        field = self.query_one("#note", Input)
        self.add_class("-noting")
        field.can_focus = True
        field.focus()

    def _close_note(self) -> None:
        self.remove_class("-noting")
        self.set_focus(None)
        self.query_one("#note", Input).can_focus = False

    @on(Input.Submitted, "#note")
    async def _note_written(self, event: Input.Submitted) -> None:
        if self.desk is None or self.pair is None:
            return
        try:
            await asyncio.to_thread(self.desk.note, self.pair, event.value.strip())
        except DiapasonError as error:
            self.fail(error)
            return
        self._close_note()
        self._draw_top()

    # -- preferences --------------------------------------------------------------------------------------------

    def action_export_dpo(self) -> None:
        """Ask where to write the rows for DPO."""
        self._ask_export("dpo")

    def action_export_kto(self) -> None:
        """Ask where to write the rows for KTO."""
        self._ask_export("kto")

    def _ask_export(self, format: str) -> None:
        from core.runs.folder import slug

        place = str(Path.cwd() / f"{slug(self.run.name)}-{format}.jsonl")
        question = f"Write the rows for {format.upper()} to which file?"
        self.ask(question, lambda path: self._export(expand(path), format), value=place, paths=True)

    def _export(self, out: Path, format: str, *, force: bool = False) -> None:
        from core.judging.preferences import export, summary

        assert self.desk is not None
        if out.is_file() and not force:
            self.confirm(
                f"Overwrite {out.name}?",
                lambda: self._export(out, format, force=True),
                detail=str(out),
                yes="Overwrite",
            )
            return
        self.say(f"{out}: {summary(export(self.desk.session, self.desk.votes, out, format, force=force))}")
