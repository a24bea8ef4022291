"""The best evaluation so far, row by row, and how far a later one lies above it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.files import read_json, write_json
from core.runs.checkpoints import VALIDATION


def paired(now: Sequence[float], best: Sequence[float], tokens: Sequence[int]) -> tuple[float, float | None]:
    """How far the mean loss a token of one evaluation lies above that of another of the same rows.

    Args:
        now, best: each row's summed negative log-likelihood in nats. tokens: each row's tokens with loss.

    Returns:
        The difference D = Σ dᵢ / Σ nᵢ, with dᵢ = nowᵢ − bestᵢ and nᵢ tokens, and its standard error over rows,
        √(k/(k−1) · Σ (dᵢ − D·nᵢ)²) / Σ nᵢ for k rows, None for a single one. Rows, not tokens, are the sample; D is a
        ratio of two sums over them: W. G. Cochran, Sampling Techniques, 3rd ed. 1977, §6.3-6.4 (ratio estimate).
    """
    total, rows = sum(tokens), len(tokens)
    differences = [a - b for a, b in zip(now, best, strict=True)]
    above = math.fsum(differences) / total
    if rows < 2:
        return above, None
    squares = math.fsum((d - above * n) ** 2 for d, n in zip(differences, tokens, strict=True))
    return above, math.sqrt(rows / (rows - 1) * squares) / total


class Validation:
    """The evaluations of one run as far as the next one needs them.

    Attributes:
        step, loss: of the lowest mean validation loss so far; None and infinite before the first evaluation.
        worse: evaluations in a row, the last among them, above the best by more than one paired standard error.
    """

    def __init__(self) -> None:
        self.step: int | None = None
        self.loss = math.inf
        self.worse = 0
        self._rows: list[float] | None = None  # summed nats of each row at the best

    def take(self, step: int, parts: Sequence[tuple[int, float, int]]) -> dict[str, Any]:
        """Judge the evaluation of `step` by its `parts` (row, summed nats, tokens); the fields of its event.

        ``{"loss", "best", "above_best", "standard_error"}``: the latter two None where there is nothing to compare
        with. Step 0 is the untuned model: a line to compare with, not a checkpoint to keep.
        """
        ordered = sorted(parts)
        now, tokens = [nll for _, nll, _ in ordered], [count for _, _, count in ordered]
        loss = math.fsum(now) / sum(tokens)
        above: float | None = None
        error: float | None = None
        if self._rows is not None and len(self._rows) == len(now):
            above, error = paired(now, self._rows, tokens)
        best = step > 0 and loss < self.loss
        if best:
            self.step, self.loss, self._rows, self.worse = step, loss, now, 0
        elif step > 0:
            self.worse = self.worse + 1 if above is not None and error is not None and above > error else 0
        return {"loss": loss, "best": best, "above_best": above, "standard_error": error}

    @property
    def best(self) -> dict[str, Any] | None:
        """The best as a manifest names it: ``{"step", "loss"}``."""
        return {"step": self.step, "loss": self.loss} if self.step is not None else None

    def save(self, checkpoint: Path) -> None:
        """Write it into the folder of a checkpoint, before it is sealed."""
        write_json(checkpoint / VALIDATION, {"step": self.step, "rows": self._rows, "worse": self.worse})

    def load(self, checkpoint: Path, best: dict[str, Any]) -> None:
        """Take up the best that the manifest of `checkpoint` names, with its rows where they were saved."""
        self.step, self.loss = best["step"], best["loss"]
        kept = read_json(checkpoint / VALIDATION)
        if isinstance(kept, dict) and kept.get("step") == self.step:
            self._rows, self.worse = kept.get("rows"), int(kept.get("worse") or 0)
