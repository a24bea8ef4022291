"""A line that says how far a pass over a file is, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tui.format import count

_PACE, _PATIENCE = 0.2, 1.0


@contextmanager
def shown_progress(what: str) -> Generator[Callable[[int, int], bool]]:
    """Give a function that takes (rows, bytes) done, always says True, and shows them from the second second on."""
    began = last = time.monotonic()
    shown = False

    def tell(rows: int, size: int) -> bool:
        nonlocal last, shown
        now = time.monotonic()
        if sys.stderr.isatty() and now - began > _PATIENCE and now - last > _PACE:
            last, shown = now, True
            speed = size / (now - began) / 1e6
            line = f"{what}: {count(rows)} rows · {speed:.0f} MB/s"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        return True

    try:
        yield tell
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
