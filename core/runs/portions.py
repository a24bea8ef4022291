"""What the parts of the steps took over a course of any length, and its MFU, in bounded room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from core.runs.series import OTHER, PARTS

#: Portions of a course: each has as many steps as the others, but for the last one.
MOST = 320
FIELDS = 10


class Portion(NamedTuple):
    """Some neighbouring steps: what each part took of their `seconds`, and the MFU of those `timed` seconds of theirs
    in which it is known, times these seconds."""

    first: float
    last: float
    points: float
    seconds: float
    data: float
    forward: float
    backward: float
    optimizer: float
    worked: float
    timed: float

    @property
    def shares(self) -> dict[str, float]:
        """Percent of the time of each part and of `other`; NaN where none was measured."""
        if not self.seconds > 0:
            return dict.fromkeys((*PARTS, OTHER), math.nan)
        found = {name: 100 * getattr(self, name) / self.seconds for name in PARTS}
        return {**found, OTHER: max(0.0, 100 - sum(found.values()))}

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation, in percent; NaN where it is not known."""
        return 100 * self.worked / self.timed if self.timed > 0 else math.nan


class Portions:
    """Follows a course step by step."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []
        self._size = 1

    def add(self, step: float, seconds: float, parts: Sequence[float], mfu: float) -> None:
        """Take one more step; `step` never falls. `parts` are in the order of `PARTS`, what is unknown is NaN."""
        rows = self.rows
        if not rows or rows[-1][2] >= self._size:
            if len(rows) >= MOST:
                self._halve()
                rows = self.rows
            if not rows or rows[-1][2] >= self._size:
                rows.append([step, *[0.0] * (FIELDS - 1)])
        row = rows[-1]
        row[1] = step
        row[2] += 1
        total = parts[0] + parts[1] + parts[2] + parts[3]
        # NaN fails every comparison.
        if not 0 < seconds < math.inf:
            return
        if 0 <= total < math.inf:
            row[3] += seconds
            row[4] += parts[0]
            row[5] += parts[1]
            row[6] += parts[2]
            row[7] += parts[3]
        if 0 <= mfu < math.inf:
            row[8] += mfu * seconds
            row[9] += seconds

    def cut(self, step: float) -> None:
        """Forget what comes after `step`; a portion that reaches across it goes as a whole."""
        while self.rows and self.rows[-1][1] > step:
            self.rows.pop()

    def restore(self, values: Sequence[float]) -> None:
        """Go on from the numbers of all rows, one after the other."""
        self.rows = [list(values[at : at + FIELDS]) for at in range(0, len(values), FIELDS)]
        self._size = int(max((row[2] for row in self.rows), default=1))

    def now(self) -> tuple[Portion, ...]:
        """The portions as they are."""
        return tuple(Portion(*row) for row in self.rows)

    def _halve(self) -> None:
        rows = self.rows
        merged = [
            [one[0], two[1], *(a + b for a, b in zip(one[2:], two[2:]))] for one, two in zip(rows[::2], rows[1::2])
        ]
        if len(rows) % 2:
            merged.append(rows[-1])
        self.rows = merged
        self._size *= 2
