"""A smaller micro-batch after the GPU ran out of memory, with the same effective batch."""

from __future__ import annotations

from typing import Any


def smaller_batch(state: dict[str, Any]) -> tuple[int, int] | None:
    """(micro-batch, accumulation) to go on with: the micro-batch divided by its smallest divisor, the accumulation
    times the same, so that each optimizer step sees the same rows. None where one row at a time is too much already,
    or where the state of the run names no sizes.
    """
    micro, accumulation = state.get("micro_batch"), state.get("accumulation")
    if not isinstance(micro, int) or not isinstance(accumulation, int) or micro < 2:
        return None
    divisor = next((number for number in range(2, int(micro**0.5) + 1) if micro % number == 0), micro)
    return micro // divisor, accumulation * divisor
