"""The judging screen before there are answers: let a job make them, and follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer

from core.errors import DiapasonError
from core.text import visible
from tui.screens import judge_view
from tui.screens.judge_pair import PairScreen

if TYPE_CHECKING:
    from textual.widgets import Static

    from core.judging.desk import Desk
    from core.judging.place import Judging
    from core.runs.folder import RunFolder
    from core.runs.view import RunView

_POLL_SECONDS = 0.5


class GeneratingScreen(PairScreen):
    """A screen over a judging that may have no answers yet.

    Attributes:
        judging: what is judged. desk: where votes are given, once it is open.
    """

    def __init__(self, judging: Judging, count: int | None) -> None:
        super().__init__()
        self.judging = judging
        self.count = count
        self.desk: Desk | None = None
        self._nothing = False
        self._timer: Timer | None = None
        self._job: RunView | None = None

    def open_desk(self) -> None:
        """Open the session; the subclass knows how."""
        raise NotImplementedError

    def page(self, top: str, content: Content) -> None:
        """Show a page of text in place of the pair."""
        from textual.widgets import Static

        self.pair = None
        self.add_class("-page")
        self.top(top, visible(self.judging.name) if self.desk else "")
        text: Static = self.query_one("#page-text", Static)
        text.update(content)
        self.refresh_keys()

    def has_nothing(self, error: DiapasonError) -> None:
        """Say that there are no answers yet, and what makes them."""
        self._nothing = self.judging.run is not None
        hint = "Press g: the models answer the test prompts, in the background." if self._nothing else error.hint
        shown = DiapasonError(error.message, hint=hint)
        self.page(f"{self.judging.name}: nothing to judge yet", judge_view.error_content(shown))
        if self._nothing:
            self._look_for_job()

    def why_not_generate(self) -> str | None:
        """Why no answers are to be made."""
        if self._job is not None:
            return "they are being made"
        return None if self._nothing else "there are answers already"

    def action_generate(self) -> None:
        """Submit the job that answers the test prompts."""
        from core.judging.answers import generate

        self.background(lambda: generate(self.judging, self.count), self._follow, group="generate")

    def _look_for_job(self) -> None:
        from core.judging.answers import under_way
        from core.runs.folder import RunFolder

        assert self.judging.run is not None
        run, arms = RunFolder(self.judging.run), self.judging.arms or ()
        self.background(lambda: under_way(run, arms), lambda job: job and self._follow(job), group="generate")

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
            self.open_desk()
        elif status in ("failed", "stopped"):
            self._stop_following()
            error = DiapasonError(view.reason or f"the job ended as {status}", where=view.id, hint=view.hint)
            self.page(f"{self.judging.name}: no answers to judge", judge_view.error_content(error))
        else:
            done = view.progress or {}
            steps = (
                f"{done.get('phase', '')}: {done.get('done', '?')} of {done.get('total', '?')}" if done else status
            )
            text = "The models answer the test prompts. You may leave: it goes on, and is ready when you return."
            self.page(f"{self.judging.name}: making answers, {steps}", Content(text))

    def _stop_following(self) -> None:
        self._job = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
