"""What the runner follows of its job's events: the last sealed step, and how long a step takes."""

from __future__ import annotations

from core.runs.folder import RunFolder
from core.runs.tail import Tail


class Progress:
    """Attributes: sealed: the last sealed step. total_steps. pause: seconds of the longest of the last step and
    checkpoint, which a stop has to wait for."""

    def __init__(self, folder: RunFolder) -> None:
        self.sealed = 0
        self.total_steps = 0
        self._step = 0.0
        self._checkpoint = 0.0
        self._tail = Tail(folder.events)

    def refresh(self) -> None:
        """Read the events that were written since the last call."""
        for event in self._tail.read():
            name = event.get("event")
            if name == "checkpoint":
                self.sealed = _whole(event.get("step"), self.sealed)
                self._checkpoint = _seconds(event.get("seconds"), self._checkpoint)
            elif name == "start":
                self.total_steps = _whole(event.get("total_steps"), self.total_steps)
            elif name == "step":
                self._step = _seconds(event.get("seconds"), self._step)

    @property
    def pause(self) -> float:
        """Seconds that the job may well need to finish its step and save, four times what it last took."""
        return 4 * (self._step + self._checkpoint)


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _seconds(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
