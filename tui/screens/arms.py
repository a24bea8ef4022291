"""The form of an evaluation: which arms answer, what is measured, and what decides."""

from __future__ import annotations

import os
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Checkbox, Input, Static

from core.runs.folder import RunFolder, find_run
from core.text import visible
from tui.actions import Action
from tui.screens.arms_form import LINES, OTHERS, begin, wish_of
from tui.screens.base import DiapasonScreen
from tui.widgets.safe_input import SafeInput


class Tick(Checkbox):
    """A checkbox that shows what it is without colours."""

    def render(self) -> Content:
        """The label behind [x] or [ ]."""
        return Content.assemble("[x] " if self.value else "[ ] ", self.label)


class ArmsScreen(DiapasonScreen):
    """Asks which arms to evaluate, and starts the evaluation."""

    CSS_PATH = "arms.tcss"
    HELP = (
        "Which ways to answer are compared on the test rows: space ticks an arm, tab goes to what it needs. Answers "
        "that are there already are used again, so adding an arm makes only its own. An endpoint's key is read from "
        "OPENAI_API_KEY."
    )
    ACTIONS = (
        Action("ctrl+s", "begin", "begin", "Start the evaluation; it goes on without the app.", footer=True,
               enabled="why_no_begin"),
        Action("tab", "next_field", "next", "Go to the next field; shift+tab to the one before.", footer=True),
        Action("ctrl+a", "again", "all anew", "Start it and answer everything anew.", footer=True,
               enabled="why_no_begin"),
    )  # fmt: skip
    AUTO_FOCUS = "#tick-base"

    def __init__(self, run: RunFolder | str) -> None:
        super().__init__()
        self.folder = find_run(run) if isinstance(run, str) else run
        self._ticked, self._values = begin(self.folder)
        self._starting = False

    def compose_body(self) -> ComposeResult:
        """A line for each arm, then for what is measured."""
        with VerticalScroll(id="form", classes="panel"):
            for kind, label, hint in LINES:
                with Horizontal(classes="line"):
                    yield Tick(label, kind in self._ticked, id=f"tick-{kind}", compact=True)
                    if hint:
                        first = self._values.get(kind, "")
                        yield SafeInput(first, id=f"field-{kind}", placeholder=visible(hint), compact=True)
            for name, label, hint in OTHERS:
                with Horizontal(classes="line other"):
                    yield Static(label, classes="name", markup=False)
                    first = self._values.get(name, "")
                    yield SafeInput(first, id=f"field-{name}", placeholder=visible(hint), compact=True)
            key = "is set" if os.environ.get("OPENAI_API_KEY") else "is not set; a local server needs none"
            yield Static(f"OPENAI_API_KEY {key}", classes="note", markup=False)

    def on_mount(self) -> None:
        """Say what it is about."""
        self.top(f"evaluate {visible(self.folder.name)}: which arms?")

    def why_no_begin(self) -> str | None:
        """Why it cannot begin."""
        return "it is being started" if self._starting else None

    def action_next_field(self) -> None:
        """Go to the next field."""
        self.focus_next()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.focus_next()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        """What is typed for an arm ticks it."""
        kind = (event.input.id or "").removeprefix("field-")
        if event.input.has_focus and event.value and (ticks := self.query(f"#tick-{kind}")):
            ticks.first(Checkbox).value = True

    def action_begin(self) -> None:
        """Start what is ticked."""
        self._begin(again=False)

    def action_again(self) -> None:
        """Start what is ticked, after a question: every answer is made anew."""
        detail = "Endpoints are asked and paid again."
        self.confirm("Answer everything anew?", lambda: self._begin(again=True), detail=detail, yes="Answer anew")

    def _begin(self, *, again: bool) -> None:
        ticked = [kind for kind, _, _ in LINES if self.query_one(f"#tick-{kind}", Checkbox).value]
        names = [name for name, _, hint in (*LINES, *OTHERS) if hint]
        wish = wish_of(ticked, {name: self.query_one(f"#field-{name}", SafeInput).meant for name in names})
        self._starting = True
        self.top(f"evaluate {visible(self.folder.name)}: looking whether all is there …")

        def work() -> str:
            from core.evaluation.request import existing, specify, start, under_way

            spec = specify(self.folder, wish)
            if not again and existing(self.folder, spec) is not None:
                return "these weights were evaluated with these arms before: this is that result"
            if under_way(self.folder, spec) is None:
                start(self.folder, spec, again=again)
            return "the evaluation has begun; it goes on without the app"

        self.background(work, self._started, otherwise=self._refused, group="start")

    def _started(self, told: Any) -> None:
        self.say(told)
        if self.app.screen is self:
            self.app.pop_screen()

    def _refused(self, error: BaseException) -> None:
        self._starting = False
        self.on_mount()
        self.fail(error)
        self.refresh_keys()
