"""All watchers of one training run behind one door."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from core.runs.series import number, whole
from core.runs.watch import machine
from core.runs.watch.board import Board, RunWarning
from core.runs.watch.kept import plain, restore
from core.runs.watch.loss import LossWatch
from core.runs.watch.machine import Around
from core.runs.watch.pace import PaceWatch
from core.runs.watch.validation import ValidationWatch

_MASKED = "Look at the tokens with loss: `diapason data check FILE --model M`."
# What an attempt after another may change: a pace before and after it cannot be compared.
_SHAPE = ("device", "micro_batch", "accumulation")


class Watch:
    """Fed with a run's events in the order of the file; `warnings` says what was noticed.

    Nothing that is missing, NaN, or of the wrong type makes it raise. A step costs about 1 µs (`bench/watchers.py`).
    """

    def __init__(self) -> None:
        self._board = Board()
        self._loss = LossWatch(self._board)
        self._validation = ValidationWatch(self._board)
        self._pace = PaceWatch(self._board)
        self._step = 0
        self._moment = math.nan
        self._gap = 0.0
        self._shape: tuple[Any, ...] | None = None

    @property
    def warnings(self) -> Sequence[RunWarning]:
        """The latest warnings, oldest first, ended ones too."""
        return self._board.all

    @property
    def holding(self) -> Collection[str]:
        """The codes of those that hold."""
        return self._board.open.keys()

    def take(self, event: dict[str, Any]) -> None:
        """One event of events.jsonl."""
        name = event.get("event")
        moment = number(event.get("m"))
        if name == "start":
            self._begin(event)
        elif moment - self._moment > self._gap:
            self._gap = moment - self._moment
        self._moment = moment
        if name == "step":
            step = whole(event.get("step"))
            if step <= self._step:
                self.cut(step - 1)
            self._step = step
            if "loss" in event:
                self._loss.take(step, number(event["loss"]), judged="margin" in event or "kl" in event)
            self._pace.take(step, number(event.get("tokens_per_second")))
        elif name == "eval":
            self._validation.take(event, self._loss.recent())
        elif name == "preflight":
            checks = event.get("checks")
            if isinstance(checks, dict) and checks.get("loss_tokens") == 0:
                text = "no token of the training rows carries loss: nothing can be learned"
                self._board.begin("zero_loss", self._step, text, _MASKED)

    def _begin(self, event: dict[str, Any]) -> None:
        self._loss.expect(whole(event.get("total_steps")))
        shape = tuple(event.get(name) for name in _SHAPE)
        self._pace.begin(fresh=shape != self._shape)
        if self._shape is not None:
            self.cut(whole(event.get("resumed_from")))
        self._shape = shape
        self._gap = 0.0

    def keep(self) -> dict[str, Any]:
        """All that was noticed and seen, as JSON (with NaN), to go on from later."""
        parts = {"watch": self, "loss": self._loss, "validation": self._validation, "pace": self._pace}
        return {"board": self._board.keep(), **{name: plain(part) for name, part in parts.items()}}

    def take_back(self, kept: dict[str, Any]) -> None:
        """Go on from what `keep` gave; for a fresh one.

        Raises:
            KeyError, TypeError: where `kept` is none of that.
        """
        self._board.take_back(kept["board"])
        restore(self, kept["watch"])
        restore(self._loss, kept["loss"])
        restore(self._validation, kept["validation"])
        restore(self._pace, kept["pace"])

    def cut(self, step: int) -> None:
        """Forget what came after `step`: a restart trains it again."""
        self._board.cut(step)
        self._loss.cut(step)
        self._validation.cut(step)
        self._step = min(self._step, max(0, step))

    def look(self, around: Around) -> None:
        """Judge what is around the run now; for a run that works."""
        machine.look(self._board, around, self._step, self._gap)

    def rest(self) -> None:
        """The run does not work now: what is around it does not matter."""
        machine.rest(self._board)
