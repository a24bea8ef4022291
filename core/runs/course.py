"""The course of a training of any length in bounded room: its last steps exactly, all of it in buckets."""

from __future__ import annotations

import math
from typing import Any

from core.runs.decimate import Decimated
from core.runs.portions import Portions
from core.runs.series import OTHER, PARTS, Series

#: Buckets of each column: a run of fewer steps is kept exactly.
FINE = 2048
COLUMNS = ("loss", "grad_norm", "learning_rate", "tokens_per_second", "seconds", "tokens", "t", "worked")
_RECENT = 256
# A longer pause between two steps is none of work: the machine slept, or another boot's clock began.
_PAUSE = 3600.0


class Course(Series):
    """The lists hold the last steps only.

    The column `worked` is the time worked so far in seconds, pauses between attempts left out; `taken` grows with
    every step and every cut; `kept` is how much of that its file in the cache holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._columns = {name: Decimated(FINE) for name in COLUMNS}
        self._portions = Portions()
        self._worked: list[float] = []
        self._pending = 0  # the last steps, which neither of both has taken yet
        self.worked = 0.0
        self.taken = self.kept = 0
        self._cut = False  # time has passed since the last step that is none of work

    @property
    def columns(self) -> dict[str, Decimated]:
        """The whole course of each of `COLUMNS` against the step; `seconds` are those of one step."""
        self._take_pending()
        return self._columns

    @property
    def portions(self) -> Portions:
        """Where the time of the whole course went."""
        self._take_pending()
        return self._portions

    def _take_pending(self) -> None:
        if not self._pending:
            return
        first = len(self.step) - self._pending
        steps = [float(step) for step in self.step[first:]]
        before = [float(self.step[first - 1]) if first else steps[0] - 1, *steps]
        each = [seconds / (step - last) for seconds, step, last in zip(self.seconds[first:], steps, before)]
        own = {"worked": self._worked, "seconds": each}
        for name, column in self._columns.items():
            column.extend(steps, own.get(name) or getattr(self, name)[first:])
        parts = zip(*(getattr(self, name)[first:] for name in PARTS))
        for row in zip(steps, self.seconds[first:], parts, self.mfu[first:]):
            self._portions.add(*row)
        self._worked.clear()
        self._pending = 0

    def add(self, event: dict[str, Any]) -> None:
        """Take a ``step`` event; one that repeats earlier steps replaces them."""
        before = self.m[-1] if self.m else math.nan
        super().add(event)
        passed = math.nan if self._cut else self.m[-1] - before
        self._cut = False
        if not 0 <= passed <= _PAUSE:
            passed = self.seconds[-1] if math.isfinite(self.seconds[-1]) else 0.0
        self.worked += passed
        self._worked.append(self.worked)
        self.taken += 1
        self._pending += 1
        if len(self.step) >= 4 * _RECENT:
            self._take_pending()
            self.forget(_RECENT)

    def cut(self, step: int) -> None:
        """Forget what comes after `step`: a restart trains it again."""
        self._take_pending()
        super().cut(step)
        self._cut = True
        self.taken += 1
        for column in self._columns.values():
            column.cut(float(step))
        self._portions.cut(float(step))
        worked = self._columns["worked"].buckets
        self.worked = worked[-1].high if worked else 0.0

    def shares(self) -> dict[str, float]:
        """As of a `Series`: of the whole course."""
        rows = self.portions.now()
        total = math.fsum(row.seconds for row in rows)
        if total <= 0:
            return {}
        found = {name: math.fsum(getattr(row, name) for row in rows) / total for name in PARTS}
        return {**found, OTHER: max(0.0, 1.0 - sum(found.values()))}

    def mean_mfu(self) -> float:
        """As of a `Series`: of the whole course."""
        rows = self.portions.now()
        total = math.fsum(row.timed for row in rows)
        return math.fsum(row.worked for row in rows) / total if total > 0 else math.nan

    def keep(self) -> dict[str, Any]:
        """All but the columns, as JSON (with NaN)."""
        recent = {name: getattr(self, name)[-_RECENT:] for name in _RECENT_COLUMNS}
        return {"recent": recent, "worked": self.worked, "taken": self.taken, "cut": self._cut}

    def take_back(self, kept: dict[str, Any]) -> None:
        """Go on from what `keep` gave."""
        for name in _RECENT_COLUMNS:
            setattr(self, name, kept["recent"][name])
        self.worked, self.taken, self.kept = kept["worked"], kept["taken"], kept["taken"]
        self._cut = bool(kept["cut"])


_RECENT_COLUMNS = tuple(Series.__dataclass_fields__)
