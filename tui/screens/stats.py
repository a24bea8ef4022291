"""The numbers screen: lengths, turns, labels and languages of a data file, and all of it by slice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.errors import DiapasonError
from core.text import visible
from tui.actions import Action
from tui.format import count
from tui.screens.base import DiapasonScreen
from tui.screens.browse_work import tokens_of
from tui.stats_view import plain, score_lines, stats_lines

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.stats import Stats
    from core.evaluation.slices import SliceScores

_STYLES = {"": "", "cut": "$text-muted", "mark": "$accent"}


class _Stopped(DiapasonError):
    """The screen was left before the file was read to its end."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to measure: slices by a field, tokens of a model, cut at a length."""

    by: str | None
    model: str | None
    max_length: int | None


class Measured(Message):
    """How many rows were read; a newer one takes the place of one that was not handled yet."""

    def __init__(self, rows: int, ended: threading.Event) -> None:
        super().__init__()
        self.rows, self.ended = rows, ended

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, Measured)


class StatsScreen(DiapasonScreen):
    """One data file in numbers."""

    CSS_PATH = "stats.tcss"
    HELP = (
        "How long prompts and answers are, how many turns, which labels and languages; with b all of it by label, by "
        "language, or by any field of the rows, so that one sees what there is too much or too little of; where a "
        "run was evaluated on these rows, its scores too. With m the lengths in a model's tokens, and what a cut "
        "loses."
    )
    ACTIONS = (
        Action("b", "by", "slice by", "Compare slices: by label, language, or a field such as topic.", footer=True),
        Action("m", "model", "tokens", "Measure the rows in the tokens of a model.", footer=True),
        Action("l", "max_length", "length", "Choose where rows are cut, in tokens.", footer=True),
    )  # fmt: skip
    AUTO_FOCUS = "#numbers"

    def __init__(
        self, path: Path | str, dataset: Dataset, model: str | None = None, max_length: int | None = None
    ) -> None:
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset
        self.wanted = _Wanted(None, model, max_length)
        self.stats: Stats | None = None
        self.scores: SliceScores | None = None
        self._shown = self.wanted
        self._stop = threading.Event()

    def compose_body(self) -> ComposeResult:
        """One text to scroll through."""
        with VerticalScroll(id="numbers", classes="panel"):
            yield Static(id="text", markup=False)

    def on_mount(self) -> None:
        """Read the file in a thread."""
        self._measure(self.wanted)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._stop.set()

    def _measure(self, wanted: _Wanted) -> None:
        """Begin anew; what was being measured stops, and what it still says is not heard."""
        self._stop.set()
        self._stop = stop = threading.Event()

        def tell(rows: int, _: int) -> None:
            if stop.is_set():
                raise _Stopped("left, or asked for something else")
            self.post_message(Measured(rows, stop))

        self.top(f"{visible(self.dataset.name)} · reading …")
        self.background(
            lambda: _read(self.path, self.dataset, wanted, tell),
            lambda found: self._took(stop, wanted, *found),
            otherwise=lambda error: self._failed(stop, error),
            group="stats",
        )

    def on_measured(self, event: Measured) -> None:
        """Say how far it is."""
        if not event.ended.is_set():
            self.top(
                f"{visible(self.dataset.name)} · reading: {count(event.rows)} of {count(len(self.dataset))} rows"
            )

    def _took(self, stop: threading.Event, wanted: _Wanted, stats: Stats, scores: SliceScores | None) -> None:
        if stop.is_set():
            return
        stop.set()
        self.stats, self.scores, self._shown = stats, scores, wanted
        self._draw()
        self.refresh_keys()

    def on_resize(self) -> None:
        """The plots follow the width."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if self.stats is None:
            return
        width = self.query_one("#numbers").content_size.width - 1
        head, *lines = stats_lines(self.stats, width)
        self.top(plain([head]))
        if self.scores is not None:
            lines += [[], *score_lines(self.scores)]
        text = Content("\n").join(
            Content.assemble(*((piece, _STYLES[kind]) for piece, kind in line)) for line in lines
        )
        if not lines:
            text = Content("No row of this file can be trained on.")
        self.query_one("#text", Static).update(text)

    def _failed(self, stop: threading.Event, error: BaseException) -> None:
        if stop.is_set():
            return
        stop.set()
        self.fail(error)
        self.wanted = self._shown = self._shown if self.stats is not None else _Wanted(self._shown.by, None, None)
        if self.stats is not None:
            self._draw()
        else:
            self.top(f"{visible(self.dataset.name)} · not measured")

    def _want(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self._measure(wanted)

    def action_by(self) -> None:
        """Ask for a field."""
        self.ask("Slices by what?", lambda by: self._want(replace(self.wanted, by=by)), value=self.wanted.by or "",
                 placeholder="label, language, or a field")  # fmt: skip

    def action_model(self) -> None:
        """Ask for the model whose tokens are counted."""
        self.ask(
            "Count the tokens of which model?",
            lambda model: self._want(replace(self.wanted, model=model)),
            value=self.wanted.model or "starter",
            placeholder="starter, a folder, or a hub id",
            paths=True,
        )

    def action_max_length(self) -> None:
        """Ask where rows are cut."""
        from core.recipe import Recipe

        length = self.wanted.max_length or Recipe().train.max_length
        self.ask("Cut rows at how many tokens?", self._use_length, value=str(length))

    def _use_length(self, text: str) -> None:
        self._want(replace(self.wanted, max_length=tokens_of(text), model=self.wanted.model or "starter"))


def _read(
    path: Path, dataset: Dataset, wanted: _Wanted, tell: Callable[[int, int], None]
) -> tuple[Stats, SliceScores | None]:
    """The file's numbers, and by slice the scores of the last run that was evaluated on it."""
    from core.data.stats import measure
    from core.evaluation.slices import evaluated_on, slice_scores
    from core.models import find_model

    model = find_model(wanted.model) if wanted.model else None
    stats = measure(path, by=wanted.by, progress=tell, dataset=dataset, model=model, max_length=wanted.max_length)
    run = evaluated_on(path) if wanted.by else None
    return stats, slice_scores(run, dataset, wanted.by) if run is not None and wanted.by else None
