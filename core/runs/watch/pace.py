"""The watcher of the throughput."""

from __future__ import annotations

import math
from collections import deque

from core.runs.watch import thresholds as at
from core.runs.watch.board import Board
from core.runs.watch.robust import median, median_error

_HINT = "`nvidia-smi` or `top` shows who else uses the machine, and whether the card is hot and throttles."


class PaceWatch:
    """Follows the tokens a second of the logged steps."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._recent: deque[float] = deque(maxlen=at.PACE_RECENT)
        self.begin(fresh=True)

    def begin(self, *, fresh: bool) -> None:
        """An attempt begins; `fresh` where its pace cannot be compared with that of the attempt before."""
        self._skip = at.PACE_SKIPPED
        self._recent.clear()
        self._new = 0
        if fresh:
            self._all: list[float] = []
            self._stride = 1
            self._count = 0
            self._usual = self._noise = math.nan
            self._due = at.PACE_LEAST

    def take(self, step: int, speed: float) -> None:
        """One logged step at `speed` tokens a second."""
        if not math.isfinite(speed) or speed <= 0:
            return
        if self._skip:
            self._skip -= 1
            return
        self._recent.append(speed)
        self._count += 1
        if self._count % self._stride == 0:
            self._all.append(speed)
            if len(self._all) > at.PACE_KEPT:
                del self._all[::2]
                self._stride *= 2
        self._new += 1
        if self._new >= at.PACE_EVERY:
            self._look(step)

    def _look(self, step: int) -> None:
        self._new = 0
        if self._count >= self._due:
            self._due = self._count + max(1, self._count // 10)
            self._usual = median(self._all)
            # Of the faster half alone: slow steps must not hide behind the noise that they make.
            self._noise = 1.4826 * median([value - self._usual for value in self._all if value >= self._usual])
        if len(self._recent) < at.PACE_RECENT // 2:
            return
        usual, now = self._usual, median(self._recent)
        sure = usual - now > at.PACE_SURE * median_error(self._noise, len(self._recent), len(self._all))
        if now < at.SLOW * usual and sure:
            text = f"training has slowed down: {now:.0f} tokens/s, {now / usual:.0%} of the usual {usual:.0f}"
            self._board.begin("slow_throughput", step, text, _HINT)
        elif now > at.FAST_AGAIN * usual:
            self._board.end("slow_throughput", step)
