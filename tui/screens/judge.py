"""The judging screen: two answers, one key, the next pair. Which model is which shows at the end only."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Key, Resize
from textual.timer import Timer
from textual.widgets import Input, Static

from core.errors import DiapasonError
from core.judging.place import Judging, judging_of
from core.text import visible
from tui.screens import judge_keys, judge_view
from tui.screens.judge_pair import PairView
from tui.screens.judge_rating import RatingScreen

if TYPE_CHECKING:
    from core.judging.pairs import Pair
    from core.runs.folder import RunFolder

# A held key repeats about 30 times a second; a key this soon after another one is no decision.
DEBOUNCE_SECONDS = 0.15
# The next pair is laid out when this one has been drawn, so that the two do not compete.
_AHEAD_SECONDS = 0.25
# The stopping target is told for so many votes at a time; nine in a row are the fewest that are enough.
_TARGET_STEP = 10


class JudgeScreen(RatingScreen):
    """Judging: opening, pair after pair, the result, or why there is nothing to judge."""

    CSS_PATH = "judge.tcss"
    HELP = (
        "Read the prompt and both answers, press one key. Each vote is on disk before the next pair shows: "
        "leave whenever you like, the next visit goes on where you stopped. "
        "Models are named at the end only; who stands where changes at random, evenly. A few pairs come back with "
        "their sides swapped, to see how sure you are; they do not count. Where an answer was not on the screen to "
        "its end, press the key twice."
    )
    ACTIONS = judge_keys.ACTIONS
    AUTO_FOCUS = ""

    def __init__(
        self,
        run: RunFolder | Judging | Path | str,
        count: int | None = None,
        new: bool = False,
        judge: str | None = None,
    ) -> None:
        """Judge `run`: a judging, a run folder, its path, or what `find_judging` takes.

        Args:
            count: pairs to ask about; None: 50, or as many as the session has.
            new: begin a new session.
            judge: under which name; None: the login.

        Raises:
            DiapasonError: where there is no such judging or run.
        """
        from core.judging.place import find_judging

        if isinstance(run, str):
            run = find_judging(run)
        super().__init__(run if isinstance(run, Judging) else judging_of(run), count)
        self.new = new
        self.judge = judge
        self._gate = threading.Lock()
        self._gone = False
        self._going_over: list[str] = []
        self._last_key = 0.0
        self._pressed: float | None = None
        # The verdict that was pressed before both answers had been on the screen to their ends.
        self._unsure: str | None = None
        self._ahead: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """The pair, a line for a note, and a page for all else."""
        yield PairView(id="pair")
        yield self.note_field()
        with VerticalScroll(id="page", can_focus=False):
            yield Static(id="page-text", markup=False)

    # -- opening and leaving ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Open the session without holding up the first paint."""
        self.open_desk()

    def open_desk(self) -> None:
        """Open the session in a thread."""
        self.page("opening …", Content(""))
        self.background(self._take_desk, self._opened, otherwise=self._not_opened, group="open")

    def _take_desk(self) -> None:
        from core.judging.desk import Desk
        from tui.screens.judge_markdown import markdown_lines

        # The parser is loaded here, not when the first pair is drawn.
        markdown_lines("", 80)
        desk = Desk(self.judging, count=self.count, judge=self.judge, new=self.new)
        with self._gate:
            if self._gone:
                desk.close()
            else:
                self.desk = desk

    def _opened(self, _: None) -> None:
        self.new = False
        self._nothing = False
        if self.desk is not None and self.count and len(self.desk.session.asked) < self.count:
            asked = len(self.desk.session.asked)
            self.warn(f"the answers of this session give {asked} different pairs, not {self.count}")
        self.call_later(self._show_next)

    def _not_opened(self, error: BaseException) -> None:
        from core.judging.session import NothingToJudge

        if isinstance(error, NothingToJudge):
            self.has_nothing(error)
        elif isinstance(error, DiapasonError):
            self.page(f"{self.judging.name}: cannot be judged now", judge_view.error_content(error))
        else:
            self.fail(error)

    def on_unmount(self) -> None:
        """Let this judge sit down elsewhere."""
        with self._gate:
            self._gone = True
            if self.desk is not None:
                self.desk.close()

    def action_back(self) -> None:
        """Close the note or the zoom, else leave; everything is saved."""
        if self.has_class("-noting"):
            self.close_note()
        elif self.pair is not None and self.view.zoom:
            self.view.set_zoom(0)
        else:
            super().action_back()

    # -- showing --------------------------------------------------------------------------------------------

    async def _show_next(self) -> None:
        desk = self.desk
        assert desk is not None
        if self._going_over:
            wanted = self._going_over.pop(0)
            self._show(next(pair for pair in desk.session.asked if pair.id == wanted))
            return
        pair = desk.next_pair()
        if pair is None:
            await self.show_result()
        else:
            self._show(pair)

    def _show(self, pair: Pair, *, tags: tuple[str, ...] = (), more: str = "") -> None:
        self.pair = pair
        self.hide_result()
        self.clear_tags(tags)
        self._unsure = None
        self.remove_class("-page")
        self.view.show(pair)
        if self.desk is not None:
            self.query_one("#note", Input).value = visible(self.desk.note_of(pair))
        self.draw_top(more)
        self.refresh_keys()
        if self._ahead is not None:
            self._ahead.stop()
        self._ahead = self.set_timer(_AHEAD_SECONDS, self._look_ahead)

    def _look_ahead(self) -> None:
        """Lay out the pair that comes next while this one is read."""
        if self.desk is not None and self.pair is not None and (after := self.desk.pair_after(self.pair)):
            self.background(lambda: self.view.prepare(after), lambda _: None, group="ahead")

    def draw_top(self, more: str = "") -> None:
        """Which pair it is, what was marked, and how many votes are enough: never how they fell."""
        assert self.desk is not None and self.pair is not None
        place = f"pair {self.desk.place(self.pair)} of {len(self.desk.session.sequence)}"
        left = Content.assemble((place, "bold $accent"), (more, "$text-muted"), self.marks())
        self.top(left, Content.styled("" if more else self._target(), "$text-muted"))

    def _target(self) -> str:
        from core.judging.statistics.stopping import target
        from core.judging.wording import one_model

        assert self.desk is not None and self.pair is not None
        if len(self.desk.session.arms) > 2 or one_model(self.desk.session.arms):
            return visible(f"{self.judging.name} · judged by {self.desk.judge}")
        if self._enough():
            return "enough votes: you can stop (e)"
        # What ends the next ten: the figure depends on the place alone, never on how the votes fell.
        tens = -(-self.desk.place(self.pair) // _TARGET_STEP) * _TARGET_STEP
        votes = min(tens, len(self.desk.session.asked))
        least = target(votes)
        return f"you can stop at {least} of {votes} for a side" if least else f"{votes} pairs: too few to stop early"

    def _enough(self) -> bool:
        """Whether the stopping rule is met by this judge's own decisive votes."""
        from core.judging.statistics.stopping import enough
        from core.judging.wording import one_model

        assert self.desk is not None
        arms, wins = self.desk.session.arms, self.desk.wins()
        first, second = (wins.get(arm, 0) for arm in arms[:2])
        return len(arms) == 2 and not one_model(arms) and enough(first, second)

    def on_key(self, event: Key) -> None:
        """Keep the time of the key for the action that it leads to; a capital letter toggles its reason."""
        self._pressed = event.time
        tag = self.tag_of(event.character or "")
        if tag is not None and not self.has_class("-noting"):
            event.stop()
            event.prevent_default()
            self.toggle_tag(tag)

    def on_resize(self, _: Resize) -> None:
        """The bars depend on the width."""
        self.draw_result()

    def refresh_keys(self) -> None:
        """The footer shows what can be done now: judging and the result have different keys."""
        from tui.widgets.keybar import KeyBar

        if self.is_mounted and (bars := self.query(KeyBar)):
            can = {action: self.why_not(action) is None for action in self.ACTIONS}
            judging = self.pair is not None
            bars.first().show([(a, can[a]) for a in self.ACTIONS if can[a] or (judging and a.name == "undo")])

    # -- what can be done now -------------------------------------------------------------------------------

    def why_no_undo(self) -> str | None:
        """Why nothing can be taken back."""
        voted = self.desk is not None and self.desk.votes.stacks.get(self.desk.judge)
        return None if voted else "there is no vote of yours to take back"

    def why_nothing_skipped(self) -> str | None:
        """Why there is nothing to go over."""
        if not self.has_result():
            return "the skipped pairs come at the end"
        return None if self.desk is not None and self.desk.skipped() else "no pair was skipped"

    def why_not_end(self) -> str | None:
        """Why the result is not shown yet."""
        if self.pair is None:
            return self.why_no_pair()
        return None if self._enough() else "the models are named at the end, or once there are enough votes"

    def why_none_left(self) -> str | None:
        """Why there is no pair to carry on with."""
        if not self.has_result():
            return "that is for the result"
        return None if self.desk is not None and self.desk.next_pair() else "every pair is judged"

    # -- verdicts ---------------------------------------------------------------------------------------------

    async def action_pick_left(self) -> None:
        """The left answer is better."""
        await self._vote("left", "1")

    async def action_pick_right(self) -> None:
        """The right answer is better."""
        await self._vote("right", "2")

    async def action_tie(self) -> None:
        """Both are equally good."""
        await self._vote("tie", "t")

    async def action_both_bad(self) -> None:
        """Neither will do."""
        await self._vote("both_bad", "b")

    async def action_skip(self) -> None:
        """Leave the pair out for now."""
        await self._vote("skip", "s")

    async def _vote(self, verdict: str, key: str) -> None:
        desk, pair = self.desk, self.pair
        if desk is None or pair is None or self._too_soon():
            return
        drawn_at = self.view.drawn_at
        if drawn_at is None:
            # The key came before the pair did.
            return
        if verdict != "skip" and not self.view.seen and self._unsure != verdict:
            self._unsure = verdict
            self.draw_top(f" · {key} again if you are sure: not read to its end")
            return
        dwell = time.monotonic() - drawn_at
        # In a thread, so that a slow disk holds up the next pair but not the terminal.
        await asyncio.to_thread(desk.vote, pair, verdict, dwell=dwell, reasons=self.tags)
        await self._show_next()
        self._last_key = time.monotonic()

    async def action_undo(self) -> None:
        """Take back the last vote and show its pair, with the tags that it had."""
        desk = self.desk
        if desk is None or self._too_soon():
            return
        last = desk.last_vote()
        pair = await asyncio.to_thread(desk.undo)
        if pair is not None and last is not None:
            if self.pair is not None and self.pair in desk.skipped():
                self._going_over.insert(0, self.pair.id)
            self._show(pair, tags=last.reasons, more=" · vote taken back")
        self._last_key = time.monotonic()

    def _too_soon(self) -> bool:
        """Whether this key belongs to the one before: held down, or pressed while that was being saved.

        What counts is when the key came in, not when a busy machine gets round to it.
        """
        pressed, self._pressed = self._pressed or time.monotonic(), None
        soon = pressed - self._last_key < DEBOUNCE_SECONDS
        self._last_key = max(self._last_key, pressed)
        return soon

    async def action_go_over(self) -> None:
        """Show the skipped pairs again."""
        assert self.desk is not None
        self._going_over = [pair.id for pair in self.desk.skipped()]
        await self._show_next()

    async def action_end(self) -> None:
        """Show the result though pairs are left."""
        await self.show_result()

    async def action_carry_on(self) -> None:
        """Go on with the pairs that are left."""
        await self._show_next()
