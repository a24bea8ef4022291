"""What the runner follows of its job's events: the last sealed step, and how long a step takes."""

from __future__ import annotations

import time
from pathlib import Path

from core.runs.folder import RunFolder
from core.runs.tail import Tail


class Progress:
    """Attributes: sealed: the last sealed step. total_steps."""

    def __init__(self, folder: RunFolder) -> None:
        self.sealed = 0
        self.total_steps = 0
        self._step = 0.0
        self._checkpoint = 0.0
        self._longest = 0.0
        self._tail = Tail(folder.events)
        self._logs = folder.logs
        self._printed = 0
        self._heard = time.monotonic()

    def refresh(self) -> None:
        """Read the events that were written since the last call."""
        for event in self._tail.read():
            self._heard = time.monotonic()
            name = event.get("event")
            if name in ("step", "eval", "checkpoint", "preflight"):
                self._longest = max(self._longest, _seconds(event.get("seconds"), 0.0))
            if name == "checkpoint":
                self.sealed = _whole(event.get("step"), self.sealed)
                self._checkpoint = _seconds(event.get("seconds"), self._checkpoint)
            elif name == "start":
                self.total_steps = _whole(event.get("total_steps"), self.total_steps)
                # Later checkpoints turned out to be damaged where it goes on from an earlier one.
                self.sealed = _whole(event.get("resumed_from"), 0)
            elif name == "step":
                self._step = _seconds(event.get("seconds"), self._step)
        printed = _size(self._logs)
        if printed != self._printed:
            self._printed, self._heard = printed, time.monotonic()

    def begin(self) -> None:
        """A new attempt starts now: its silence counts from here."""
        self._heard = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the job last wrote an event or a line."""
        return time.monotonic() - self._heard

    def patience(self, least: float) -> float:
        """Seconds of silence after which the job hangs: `least`, or 20 times its longest step, evaluation or save."""
        return max(least, 20 * self._longest)

    @property
    def pause(self) -> float:
        """Seconds that the job may well need to finish its step and save, four times what it last took."""
        return 4 * (self._step + self._checkpoint)


def _size(logs: Path) -> int:
    """Bytes that all attempts have printed."""
    try:
        return sum(path.stat().st_size for path in logs.glob("attempt-*.log"))
    except OSError:
        return 0


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _seconds(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
