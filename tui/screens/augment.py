"""The screen of variants: what to ask which endpoint, how far it is, and what came of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static, TextArea

from core.text import visible
from tui.actions import Action
from tui.augment_view import plan_line, result_lines
from tui.format import count
from tui.screens.augment_form import FIELDS, begin, wish_of
from tui.screens.base import DiapasonScreen
from tui.widgets.safe_input import SafeInput

if TYPE_CHECKING:
    from core.data.augment.augment import Augmented, Wish
    from core.data.dataset import Dataset
    from core.endpoint.budget import Budget

_GOING = "esc stops, leaving too; what was answered stays, and ctrl+s goes on from there"
_AGAIN = "ctrl+s, here or when the app is opened again,"


class Asked(Message):
    """How many rows have their answer; a newer one takes the place of one that was not handled yet."""

    def __init__(self, done: int, total: int, tokens: int) -> None:
        super().__init__()
        self.done, self.total, self.tokens = done, total, tokens

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, Asked)


class AugmentScreen(DiapasonScreen):
    """Has a model write variants of the rows of one file."""

    CSS_PATH = "augment.tcss"
    HELP = (
        "A model behind an OpenAI-compatible endpoint writes new rows in the spirit of chosen ones. They are "
        "checked, copies are dropped, the others are marked as synthetic and wait for review. Each answer is on disk "
        "at once: esc stops, and so does leaving the app; ctrl+s goes on where it was and asks nothing twice. "
        "The key is read from OPENAI_API_KEY."
    )
    ACTIONS = (
        Action("ctrl+s", "begin", "begin", "Say what it would cost, and begin or go on.", footer=True,
               enabled="why_no_begin"),
        Action("ctrl+r", "review", "review", "Go through the variants one by one.", footer=True,
               enabled="why_no_review"),
        Action("tab", "next_field", "next field", "Go to the next field; shift+tab to the one before.", footer=True),
    )  # fmt: skip
    AUTO_FOCUS = "#model"

    def __init__(
        self, path: Path | str, dataset: Dataset, listed: Collection[int] | None = None, listed_as: str = ""
    ) -> None:
        """Make variants of the rows of `dataset`, at `path`; of those `listed` as `listed_as` alone, where given."""
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset
        self._listed, self._listed_as = listed, listed_as
        self._values = begin(self.path)
        self._stop = threading.Event()
        self._asking = self._planning = False
        self.done: Augmented | None = None

    def compose_body(self) -> ComposeResult:
        """A line for each field, the prompt, and what goes on."""
        with Vertical(id="form", classes="panel"):
            for name, label, hint in FIELDS:
                if name == "rows" and self._listed is not None:
                    hint = f"the {count(len(self._listed))} of {self._listed_as}; or numbers such as 1,5-9"
                with Horizontal(classes="line"):
                    yield Static(label, classes="name", markup=False)
                    yield SafeInput(self._values[name], id=name, placeholder=visible(hint), compact=True)
            key = "is set" if os.environ.get("OPENAI_API_KEY") else "is not set; a local server needs none"
            yield Static(
                f"OPENAI_API_KEY {key} · in the prompt {{prompt}}, {{answer}} and {{n}} are put in",
                classes="note", markup=False,
            )  # fmt: skip
            yield TextArea(self._values["prompt"], id="prompt", soft_wrap=True, compact=True)
        yield Static(id="state", markup=False)

    def on_mount(self) -> None:
        """Say whether there is something to go on from."""
        from core.data.augment.augment import unfinished

        begun = unfinished(Path(self._values["out"])) is not None
        self._show("unfinished: ctrl+s goes on" if begun else "")
        if not self._values["endpoint"]:
            self.query_one("#endpoint", Input).focus()

    def on_unmount(self) -> None:
        """Stop asking; what was answered is kept."""
        self._stop.set()

    def _show(self, right: str, state: str = "") -> None:
        self.top(f"{visible(self.dataset.name)} · variants of its rows", right)
        self.query_one("#state", Static).update(Content(state))
        self.refresh_keys()

    # -- keys ---------------------------------------------------------------------------------------------

    def why_no_begin(self) -> str | None:
        """Why it cannot begin."""
        return "it is under way; esc stops it" if self._asking or self._planning else None

    def why_no_review(self) -> str | None:
        """Why there are no variants to review."""
        if self.done is None or self.done.path is None:
            return "there are no variants yet"
        return None if self.done.sifted.kept else "no variant was kept"

    def action_next_field(self) -> None:
        """Go to the next field."""
        self.focus_next()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    def action_back(self) -> None:
        """Stop what runs; else leave the screen."""
        if self._asking:
            self._stop.set()
            self._show("stopping …")
        else:
            super().action_back()

    def action_review(self) -> None:
        """Open the variants to decide on each."""
        if self.done is not None and self.done.path is not None:
            self.diapason.open("review", path=self.done.path)

    # -- asking -------------------------------------------------------------------------------------------

    def action_begin(self) -> None:
        """Count what it would come to, then ask."""
        from core.data.augment.augment import check_out, plan

        values = {name: self.query_one(f"#{name}", SafeInput).meant for name, _, _ in FIELDS}
        values["prompt"] = self.query_one("#prompt", TextArea).text
        wish, out = wish_of(values, self._listed)
        check_out(out, self.dataset, False)
        self._planning = True
        self._show("counting …")

        def planned(line: str) -> None:
            self._planning = False
            self._show("")
            self.confirm(f"Ask {wish.model}?", lambda: self._ask(wish, out), detail=line, yes="Ask")

        work = lambda: plan_line(plan(self.dataset, wish), wish, out)  # noqa: E731
        self.background(work, planned, otherwise=self._failed, group="plan")

    def _ask(self, wish: Wish, out: Path) -> None:
        from core.data.augment.augment import augment

        self._asking, self.done = True, None
        self._stop = stop = threading.Event()
        self.query_one("#form").disabled = True
        self._show("asking …", _GOING)
        map_text = str(self.dataset.mapping) if self.dataset.mapping else None

        def tell(done: int, total: int, budget: Budget) -> None:
            self.post_message(Asked(done, total, budget.spent()[0]))

        def work() -> Augmented:
            return augment(self.path, out, wish, format=self.dataset.forced, map=map_text, tell=tell, stop=stop)

        self.background(work, self._finished, otherwise=self._failed, group="ask")

    @on(Asked)
    def _told(self, event: Asked) -> None:
        if self._asking and not self._stop.is_set():
            self._show(f"{count(event.done)} of {count(event.total)} rows · {count(event.tokens)} tokens", _GOING)

    def _finished(self, done: Augmented) -> None:
        self._end()
        self.done = done
        kept = done.sifted.kept
        if done.stopped:
            right = "stopped"
        else:
            right = f"{count(kept)} variants kept"
        self._show(right, "\n".join(result_lines(done, _AGAIN)))
        if kept and self.app.screen is self:
            detail = "They are marked as synthetic; nothing trains on them until you do."
            self.confirm(f"Review {count(kept)} variants now?", self.action_review, detail=detail, yes="Review")

    def _failed(self, error: BaseException) -> None:
        was_asking = self._asking
        self._end()
        if self.is_mounted:
            kept = "\nWhat was answered stays; ctrl+s goes on from there." if was_asking else ""
            self._show("it did not work", visible(str(error), newlines=True) + kept)
            self.fail(error)

    def _end(self) -> None:
        self._asking = self._planning = False
        self.query_one("#form").disabled = False
