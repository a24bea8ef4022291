"""The most memory that a piece of work took."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

from core.engine.loading import resident_bytes

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Peak:
    """bytes: the most that torch held of the GPU's memory, else the most of the RAM that this process held; what
    earlier work left is part of it. None until the work is done."""

    def __init__(self) -> None:
        self.bytes: int | None = None


@contextlib.contextmanager
def measured(device: torch.device) -> Iterator[Peak]:
    """Measure the work of the block on `device`."""
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        # 5 resets the peak of the resident set (proc(5), /proc/pid/clear_refs); without it the peak is the process's.
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5")
    yield peak
    peak.bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _resident_peak()


def _resident_peak() -> int:
    """The most bytes in RAM since the last reset."""
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    except (OSError, StopIteration, ValueError, IndexError):
        return resident_bytes()
