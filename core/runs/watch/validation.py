"""The watcher of the validation loss: overfitting, by paired differences."""

from __future__ import annotations

import math
from typing import Any

from core.runs.series import number, whole
from core.runs.watch import thresholds as at
from core.runs.watch.board import Board


class ValidationWatch:
    """Follows the ``eval`` events."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._seen: list[tuple[dict[str, Any], float | None]] = []
        self._reset()

    def _reset(self) -> None:
        self._best: int | None = None
        self._trained: float | None = None  # training loss at the best evaluation
        self._worse: list[int] = []  # evaluations in a row above the best by more than one standard error

    def take(self, event: dict[str, Any], trained: float | None) -> None:
        """One evaluation, with the recent training loss."""
        self._seen.append((event, trained))
        step = whole(event.get("step"))
        above, error = number(event.get("above_best")), number(event.get("standard_error"))
        if event.get("best"):
            self._reset()
            self._best, self._trained = step, trained
        elif self._best is None or not (math.isfinite(above) and above > error):
            self._worse = []
        else:
            self._worse.append(step)
            self._judge(step, number(event.get("loss")) - above, above, error, trained)
        if not self._worse:
            self._board.end("overfitting", step)

    def _judge(self, step: int, best: float, above: float, error: float, trained: float | None) -> None:
        falls = trained is not None and self._trained is not None and trained < at.FELL * self._trained
        # The lowest of n like values lies about √(2 ln n) of their scales below their mean: √(ln n) standard errors
        # of the difference of two.
        chance = math.sqrt(math.log(len(self._seen)))
        clear = above > max((chance + at.WORSE_SURE) * error, at.WORSE_SHARE * best)
        if len(self._worse) >= at.WORSE_EVALS and (falls and clear or "overfitting" in self._board.open):
            self._board.begin(
                "overfitting",
                self._worse[0],
                f"it overfits: the validation loss is {above:.3g} above its best (step {self._best}, {best:.4g}), "
                "while the training loss falls",
                f"`diapason stop RUN` ends it here and gives you checkpoint-{self._best}, its best; "
                "train.early_stopping does so by itself.",
                checkpoint=self._best,
            )

    def cut(self, step: int) -> None:
        """Forget the evaluations after `step`."""
        seen = [pair for pair in self._seen if whole(pair[0].get("step")) <= step]
        self._seen = []
        self._reset()
        for event, trained in seen:
            self.take(event, trained)
