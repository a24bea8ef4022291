"""The watchers of the training loss: not a number, 0, spike, slow divergence."""

from __future__ import annotations

import math
from collections import deque

from core.runs.watch import thresholds as at
from core.runs.watch.board import Board
from core.runs.watch.robust import median, median_error, residuals, scale

_NOT_A_NUMBER = "Resume it with a third of train.learning_rate, or look for odd rows with `diapason data check`."
_ZERO = "Look at the tokens with loss: `diapason data check FILE --model M`; the template may mask every answer."
_APART = "Nothing more is learned. Compare its answers with the start's; fewer train.epochs or a lower learning rate."
_SPIKE = "It may recover. Where it does not: a lower train.learning_rate, a longer train.warmup, or odd rows there."
_DIVERGED = "Stop it with `diapason stop RUN`, its best checkpoint is kept; try a third of train.learning_rate."


class LossWatch:
    """Follows the losses of the logged steps, one at a time."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._steps: deque[int] = deque(maxlen=at.ROLLING)
        self._losses: deque[float] = deque(maxlen=at.ROLLING)
        self._new = 0
        self._level = self._scale = 0.0
        self._limit = math.inf
        self._above: list[float] = []  # robust z of the losses in a row above the limit
        self._first = 0
        self._back = 0  # losses in a row below the limit
        self._odd: deque[tuple[int, float]] = deque(maxlen=at.ROLLING)  # (step, z) of single ones before
        self._zeros = 0
        self._span = at.WINDOW
        self._rolling = at.ROLLING
        self._best: tuple[float, int, int] | None = None  # median, step, number of losses

    def expect(self, total_steps: int) -> None:
        """Say how many steps the run takes, 0 where that is unknown: short ones are judged by shorter windows."""
        if total_steps:
            self._span = max(at.LEAST, min(at.WINDOW, total_steps // 6))
            self._rolling = max(at.LEAST, min(at.ROLLING, total_steps // 8))

    def recent(self) -> float | None:
        """The median of the last losses; None before there are `LEAST`."""
        losses = list(self._losses)
        return median(losses[-at.LEAST :]) if len(losses) >= at.LEAST else None

    def cut(self, step: int) -> None:
        """Forget the losses after `step`."""
        while self._steps and self._steps[-1] > step:
            self._steps.pop()
            self._losses.pop()
        self._above = []
        self._zeros = 0
        if self._best and self._best[1] > step:
            self._best = None
        self._look(step)

    def take(self, step: int, loss: float, *, judged: bool = False) -> None:
        """One logged step; `loss` in nats a token, or `judged`: that of dpo or kto, which nears 0 with the margin."""
        board = self._board
        if not math.isfinite(loss):
            if "nonfinite_loss" not in board.open:
                text = f"the loss at step {step} is not a number"
                board.begin("nonfinite_loss", step, text, _NOT_A_NUMBER, severity="error")
            return
        if abs(loss) < at.ZERO:
            self._zeros += 1
            if self._zeros == at.ZERO_RUN:
                text = f"the loss is 0 at step {step} and before it"
                text += ": good and bad answers are told apart wholly" if judged else ""
                board.begin("zero_loss", step, text, _APART if judged else _ZERO)
        elif self._zeros or "zero_loss" in board.open:
            self._zeros = 0
            board.end("zero_loss", step)
        if loss > self._limit:
            self._higher(step, loss)
        elif self._above or board.open:
            self._lower(step)
        self._steps.append(step)
        self._losses.append(loss)
        self._new += 1
        if self._new * at.LOOKS >= self._span:
            self._look(step)

    def _higher(self, step: int, loss: float) -> None:
        self._back = 0
        if "loss_spike" in self._board.open:
            return
        self._first = self._first if self._above else step
        self._above.append((loss - self._level) / self._scale)
        # Where noise is heavy-tailed, three odd batches come together by chance: not three that beat all before.
        while self._odd and self._odd[0][0] < self._first - at.ROLLING:
            self._odd.popleft()
        highest = max((z for _, z in self._odd), default=0.0)
        beat = sum(z > highest for z in self._above) >= at.SPIKE_RUN
        if len(self._above) >= (at.SPIKE_RUN if beat else 2 * at.SPIKE_RUN):
            self._above = []
            text = f"the loss jumped to {loss:.3g} at step {self._first}, far above its usual range"
            self._board.begin("loss_spike", self._first, text, _SPIKE)

    def _lower(self, step: int) -> None:
        self._odd.extend((step, z) for z in self._above)
        self._above = []
        self._back += 1
        if self._back >= at.SPIKE_RUN:
            self._board.end("loss_spike", step)

    def _look(self, step: int) -> None:
        """Judge the window as a whole, and set the limit for the next losses."""
        self._new = 0
        losses = list(self._losses)
        if len(losses) < at.LEAST:
            self._limit = math.inf
            return
        level, left = residuals(losses[-self._span :])
        noise = scale(left)
        self._level, self._scale = level, max(noise, at.LEAST_SCALE * abs(level), at.LEAST_SCALE_NATS)
        self._limit = level + at.SPIKE_Z * self._scale
        rolling = losses[-self._rolling :]
        now, count = median(rolling), len(rolling)
        if self._best is None or now < self._best[0]:
            self._best = (now, step, count)
        best, where, number = self._best
        sure = now - best > max(at.DIVERGED_NATS, at.SURE * median_error(noise, count, number))
        if now > at.DIVERGED * best and sure:
            text = f"the loss climbs: {now:.3g} over the last {count} logged steps, {best:.3g} at step {where}"
            self._board.begin("slow_divergence", step, text, _DIVERGED)
        elif now < at.RECOVERED * best or now - best < at.DIVERGED_NATS:
            self._board.end("slow_divergence", step)
