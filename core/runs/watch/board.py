"""The warnings of a run: what holds now, and what held once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.runs.watch.thresholds import WINDOW

#: Warnings that are kept, the latest.
_KEPT = 100


@dataclass(slots=True)
class RunWarning:
    """One thing that a watcher noticed.

    Attributes:
        code: see `core.runs.watch.thresholds`.
        severity: ``error`` where the run is lost as it is, else ``warning``.
        since: the step at which it began. until: the step at which it ended, None while it holds.
        message: what is wrong, for a person. hint: what to do; RUN stands for the run's identifier.
        checkpoint: the step of the checkpoint that it speaks of, if any.
    """

    code: str
    severity: str
    since: int
    message: str
    hint: str
    until: int | None = None
    checkpoint: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class Board:
    """The warnings of one run, oldest first; at most one of a code holds at a time.

    Attributes:
        all: the latest warnings, ended ones too. open: those that hold, by code.
    """

    def __init__(self) -> None:
        self.all: list[RunWarning] = []
        self.open: dict[str, RunWarning] = {}

    def begin(
        self,
        code: str,
        since: int,
        message: str,
        hint: str,
        *,
        severity: str = "warning",
        checkpoint: int | None = None,
    ) -> None:
        """The condition of `code` holds since the step `since`; one that holds already gets the new words.

        One that ended within the last `WINDOW` steps goes on: a condition that flickers is told once.
        """
        found = self.open.get(code)
        if found is None:
            found = next((old for old in reversed(self.all) if old.code == code), None)
            if found is None or found.until is None or since > found.until + WINDOW:
                found = RunWarning(code, severity, since, message, hint)
                self.all.append(found)
                self._forget()
            self.open[code] = found
        found.message, found.hint, found.until, found.checkpoint = message, hint, None, checkpoint

    def end(self, code: str, step: int) -> None:
        """The condition of `code` holds no more from `step` on."""
        if found := self.open.pop(code, None):
            found.until = step

    def drop(self, code: str) -> None:
        """Forget the warning of `code` that holds: what it told of is over with the run."""
        if found := self.open.pop(code, None):
            self.all.remove(found)

    def cut(self, step: int) -> None:
        """Forget what began after `step`: a restart trains it again."""
        self.all = [one for one in self.all if one.since <= step]
        for one in self.all:
            if one.until is not None and one.until > step:
                one.until = None
        self.open = {one.code: one for one in self.all if one.until is None}

    def keep(self) -> list[dict[str, Any]]:
        """The warnings as JSON."""
        return [one.to_json() for one in self.all]

    def take_back(self, kept: list[dict[str, Any]]) -> None:
        """Hold what `keep` gave."""
        self.all = [RunWarning(**one) for one in kept]
        self.open = {one.code: one for one in self.all if one.until is None}

    def _forget(self) -> None:
        for one in self.all[: max(0, len(self.all) - _KEPT)]:
            if one.until is not None:
                self.all.remove(one)
