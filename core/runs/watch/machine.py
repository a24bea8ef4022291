"""The watchers of what is around a run: its card, its disk, its silence. Each look judges by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.runs.series import number
from core.runs.watch import thresholds as at
from core.runs.watch.board import Board
from core.runs.watch.robust import median

CODES = ("gpu_idle", "disk_low", "stalled")


@dataclass(slots=True)
class Around:
    """What is around a run now.

    Attributes:
        silent: seconds since the job last wrote an event; NaN where unknown.
        free: bytes free for checkpoints. checkpoint: bytes of one. Both NaN where unknown.
        samples: the last lines of gpu.jsonl, oldest first. card: the UUIDs of the run's cards, None where unknown;
            an empty one where it has none.
    """

    silent: float = math.nan
    free: float = math.nan
    checkpoint: float = math.nan
    samples: Sequence[dict[str, Any]] = field(default_factory=tuple)
    card: str | None = None


def look(board: Board, around: Around, step: int, longest_gap: float) -> None:
    """Judge `around` at the step `step`; 0 before the first. longest_gap: seconds between two events so far."""
    _stall(board, around.silent, step, longest_gap)
    _disk(board, around, step)
    _card(board, around, step)


def rest(board: Board) -> None:
    """The run does not work now: nothing around it matters."""
    for code in CODES:
        board.drop(code)


def patience(step: int, longest_gap: float) -> float:
    """Seconds of silence from which on a run stalls."""
    return max(at.SILENT_SECONDS if step else at.SILENT_START, at.SILENT_GAPS * longest_gap)


def _stall(board: Board, silent: float, step: int, longest_gap: float) -> None:
    if silent > patience(step, longest_gap):
        hint = "The runner ends a job that hangs and starts it again from its last checkpoint."
        text = f"nothing was written for {silent / 60:.0f} min"
        board.begin("stalled", step, text, hint, severity="error")
    else:
        board.end("stalled", step)


def _disk(board: Board, around: Around, step: int) -> None:
    if around.free < at.CHECKPOINTS * around.checkpoint:
        text = (
            f"the disk has room for less than {at.CHECKPOINTS} checkpoints: {around.free / 2**30:.1f} GiB are free, "
            f"one takes {around.checkpoint / 2**30:.1f}"
        )
        board.begin("disk_low", step, text, "Free some space: `diapason clean` lists what ended runs left behind.")
    else:
        board.end("disk_low", step)


def _card(board: Board, around: Around, step: int) -> None:
    use: list[float] = []
    for sample in around.samples[-at.IDLE_SAMPLES :] if step and around.card != "" else ():
        cards = sample.get("gpus")
        found = [
            number(card.get("utilisation"))
            for card in (cards if isinstance(cards, list) else ())
            if isinstance(card, dict) and (around.card is None or card.get("uuid") in around.card.split(","))
        ]
        # Which card is the run's may be unknown: then the busiest stands for it.
        use += [max(found)] if found and all(math.isfinite(value) for value in found) else []
    if len(use) >= at.IDLE_SAMPLES and (middle := median(use)) < at.IDLE_PERCENT:
        text = f"the card is idle most of the time: {middle:.0f} % use in the last two minutes"
        hint = "A larger train.micro_batch_size (with a smaller accumulation) gives it more to do at once."
        board.begin("gpu_idle", step, text, hint)
    else:
        board.end("gpu_idle", step)
