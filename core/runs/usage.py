"""What a run has used of the machine: GPU-hours and energy, from gpu.jsonl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.runs.folder import RunFolder
from core.runs.sample import Had, cards_of
from core.runs.series import number
from core.runs.tail import Tail

# Samples come every 5 s; across a longer silence (a restart, a suspended machine) nothing is assumed.
_GAP = 60.0


@dataclass(slots=True)
class Usage:
    """seconds: time measured. gpus: cards that it had. joules: their energy meanwhile, by the trapezoidal
    rule over their power draw; None where no card tells its power. peak_gpu_bytes, peak_ram_bytes: most
    memory in use."""

    seconds: float = 0.0
    gpus: int = 0
    joules: float | None = None
    peak_gpu_bytes: float = 0.0
    peak_ram_bytes: float = 0.0

    @property
    def kilowatt_hours(self) -> float | None:
        """The energy in kWh."""
        return None if self.joules is None else self.joules / 3.6e6


class Meter:
    """Follows what a run and its jobs use: each line of their gpu.jsonl is read once."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._owners: dict[str, _Owner] = {}
        self._used = Usage()

    def read(self) -> Usage:
        """What they have used so far; the same object each time."""
        for owner in (self._folder, *self._folder.jobs()):
            if owner.id not in self._owners:
                self._owners[owner.id] = _Owner(owner)
            self._owners[owner.id].read(self._used)
        return self._used


def usage(folder: RunFolder) -> Usage:
    """What the run and its jobs have used."""
    return Meter(folder).read()


class _Owner:
    """One job's samples; only the cards that it had count."""

    def __init__(self, folder: RunFolder) -> None:
        self._tail = Tail(folder.gpu)
        self._had = Had(folder)
        self._before: tuple[float, float | None] | None = None

    def read(self, used: Usage) -> None:
        """Add what is new."""
        self._had.refresh()
        for sample in self._tail.read():
            self._add(used, sample, cards_of(sample, self._had.at(number(sample.get("t")))))

    def _add(self, used: Usage, sample: dict[str, Any], cards: list[dict[str, Any]]) -> None:
        power = [number(card.get("power_w")) for card in cards]
        known = [watts for watts in power if watts == watts]
        now = number(sample.get("m")), sum(known) if known else None
        used.gpus = max(used.gpus, len(cards))
        for card in cards:
            used.peak_gpu_bytes = max(used.peak_gpu_bytes, _least(card.get("memory_used")))
        job: Any = sample.get("job")
        used.peak_ram_bytes = max(used.peak_ram_bytes, _least(job.get("rss") if isinstance(job, dict) else None))
        before, self._before = self._before, now
        if before is not None and 0 < now[0] - before[0] <= _GAP:
            passed = now[0] - before[0]
            used.seconds += passed
            if now[1] is not None and before[1] is not None:
                used.joules = (used.joules or 0.0) + passed * (now[1] + before[1]) / 2


def _least(value: Any) -> float:
    size = number(value)
    return size if size == size else 0.0
