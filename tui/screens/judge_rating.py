"""A second rater by model, from the result: who is asked, with what and at what cost; its verdicts stay apart."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer

from core.text import visible
from tui.format import count
from tui.screens.judge_after import AfterScreen

if TYPE_CHECKING:
    from core.endpoint.budget import Budget
    from core.judging.rating import Outcome, Plan, Wish

_TELL_SECONDS = 0.5


class RatingScreen(AfterScreen):
    """Asks a model about every pair, in both orders, once a person has seen with what."""

    # What waits for a yes; nothing is sent before it.
    _wish: Wish | None = None
    _stop: threading.Event | None = None
    _ticker: Timer | None = None
    _far = (0, 0)

    def why_no_rating(self) -> str | None:
        """Why no model can be asked now."""
        return "a second rater is being asked" if self._stop is not None else self.why_no_result()

    def why_no_yes(self) -> str | None:
        """Why there is nothing to agree to."""
        return None if self._wish is not None else "no second rater waits to begin"

    def action_second_rater(self) -> None:
        """Ask for the endpoint, then for the model there."""
        from core.endpoint.client import URL_VARIABLE

        self.ask(
            "Which endpoint shall rate? The key is read from OPENAI_API_KEY.",
            self._ask_model,
            value=os.environ.get(URL_VARIABLE, ""),
            placeholder="http://localhost:8000/v1",
        )

    def _ask_model(self, url: str) -> None:
        from core.endpoint.client import base_url

        endpoint = base_url(url)
        self.ask("Which model there?", lambda model: self._look(endpoint, model))

    def _look(self, endpoint: str, model: str) -> None:
        from core.judging.rating import Wish, plan

        assert self.desk is not None
        session, wish = self.desk.session, Wish(endpoint, model)
        self.background(lambda: plan(session, wish), lambda planned: self._propose(wish, planned), group="rating")

    def _propose(self, wish: Wish, planned: Plan) -> None:
        if not self.has_result():
            return
        if not planned.left:
            self.say(f"{wish.model} has rated every pair already")
            return
        self._wish = wish
        tokens = count(planned.given + planned.made)
        text = Content.assemble(
            f"{count(planned.left)} of {count(planned.total)} requests to {visible(wish.model)} at ",
            f"{visible(wish.endpoint)}: about {tokens} tokens at most. ",
            "The prompts and answers leave this machine.\n\n",
            ("y", "bold $accent"),
            " begins, ",
            ("esc", "bold $accent"),
            " goes back. Each pair is asked about in both orders, with:\n\n",
            (visible(wish.template, newlines=True), "$text-muted"),
        )
        self.page("second rater: nothing is sent yet", text)

    def hide_result(self) -> None:
        """Back to a pair: what waits for a yes waits no more."""
        self._wish = None
        super().hide_result()

    def draw_result(self) -> None:
        """Draw the result, unless a second rater waits for a yes."""
        if self._wish is None:
            super().draw_result()

    def action_back(self) -> None:
        """Forget the second rater that waits, else as ever."""
        if self._wish is not None:
            self._wish = None
            self.draw_result()
        else:
            super().action_back()

    def action_begin_rating(self) -> None:
        """Send the requests, in the background; leaving ends them, and what was answered is kept."""
        from core.judging.rating import rate

        wish, self._wish = self._wish, None
        assert self.desk is not None and wish is not None
        session = self.desk.session
        stop = self._stop = threading.Event()
        self.draw_result()
        self._ticker = self.set_interval(_TELL_SECONDS, self._tell)
        self.background(
            lambda: rate(session, wish, tell=self._took, stop=stop),
            self._rated,
            otherwise=self._not_rated,
            group="asking",
        )

    def _took(self, done: int, total: int, _: Budget) -> None:
        self._far = (done, total)

    def _tell(self) -> None:
        done, total = self._far
        if total and self.has_result():
            self.top(f"second rater: {count(done)} of {count(total)} requests", visible(self.judging.name))

    def _rated(self, done: Outcome) -> None:
        self._ended()
        said = f"{count(done.answered)} replies, {count(done.tokens)} tokens"
        if done.refused:
            self.warn(f"{said}; {count(len(done.refused))} requests were refused, the first: {done.refused[0]}")
        else:
            self.say(said + (f"; {count(done.left)} requests are left: x goes on" if done.left else ""))
        if self.has_result():
            self.call_later(self.show_result)

    def _not_rated(self, error: BaseException) -> None:
        self._ended()
        self.draw_result()
        self.fail(error)

    def _ended(self) -> None:
        self._stop = None
        if self._ticker is not None:
            self._ticker.stop()

    def on_unmount(self) -> None:
        """Send nothing more for a screen that is closed."""
        if self._stop is not None:
            self._stop.set()
