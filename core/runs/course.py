"""The course of a training of any length in bounded room: its last steps exactly, all of it in buckets."""

from __future__ import annotations

import math
from typing import Any

from core.runs.decimate import Decimated
from core.runs.portions import Portions
from core.runs.series import Series, whole

#: Buckets of each column: a run of fewer steps is kept exactly.
FINE = 2048
COLUMNS = ("loss", "grad_norm", "learning_rate", "tokens_per_second", "seconds", "tokens", "t", "worked")
_RECENT = 256
# A longer pause between two steps is none of work: the machine slept, or another boot's clock began.
_PAUSE = 3600.0


class Course(Series):
    """The lists hold the last steps only; `columns` the whole course against the step, `portions` where time went.

    The column `worked` is the time worked so far in seconds, pauses between attempts left out; `taken` grows with
    every step and every cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns = {name: Decimated(FINE) for name in COLUMNS}
        self.portions = Portions()
        self.worked = 0.0
        self.taken = 0

    def add(self, event: dict[str, Any]) -> None:
        """Take a ``step`` event; one that repeats earlier steps replaces them."""
        step = whole(event.get("step"))
        before = self.m[-1] if self.m else math.nan
        super().add(event)
        passed = self.m[-1] - before
        if not 0 <= passed <= _PAUSE:
            passed = self.seconds[-1] if math.isfinite(self.seconds[-1]) else 0.0
        self.worked += passed
        self.taken += 1
        x = float(step)
        for name, column in self.columns.items():
            column.add(x, getattr(self, name)[-1] if name != "worked" else self.worked)
        parts = (self.data[-1], self.forward[-1], self.backward[-1], self.optimizer[-1])
        self.portions.add(x, self.seconds[-1], parts, self.mfu[-1])
        if len(self.step) >= 2 * _RECENT:
            self.forget(_RECENT)

    def cut(self, step: int) -> None:
        """Forget what comes after `step`: a restart trains it again."""
        super().cut(step)
        self.taken += 1
        for column in self.columns.values():
            column.cut(float(step))
        self.portions.cut(float(step))
        worked = self.columns["worked"].buckets
        self.worked = worked[-1].high if worked else 0.0

    def keep(self) -> dict[str, Any]:
        """All but the columns, as JSON (with NaN)."""
        recent = {name: getattr(self, name) for name in _RECENT_COLUMNS}
        return {"recent": recent, "worked": self.worked, "taken": self.taken}

    def take_back(self, kept: dict[str, Any]) -> None:
        """Go on from what `keep` gave."""
        for name in _RECENT_COLUMNS:
            setattr(self, name, kept["recent"][name])
        self.worked, self.taken = kept["worked"], kept["taken"]


_RECENT_COLUMNS = tuple(Series.__dataclass_fields__)
