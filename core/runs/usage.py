"""What a run has used of the machine: GPU-hours and energy, from gpu.jsonl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.runs.folder import RunFolder
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


def usage(folder: RunFolder) -> Usage:
    """What the run and its jobs have used."""
    found = Usage()
    for owner in (folder, *folder.jobs()):
        slot = owner.state().get("slot")
        _add(found, owner.gpu, slot if isinstance(slot, str) else None)
    return found


def _add(found: Usage, path: Path, slot: str | None) -> None:
    """Count the cards that the job had (`slot`: their UUIDs, or cpu); all of the machine where that is not known."""
    had = None if slot is None else slot.split(",")
    before: tuple[float, float | None] | None = None
    for sample in Tail(path).read():
        cards: Any = sample.get("gpus")
        cards = [card for card in cards if isinstance(card, dict)] if isinstance(cards, list) else []
        cards = [card for card in cards if had is None or card.get("uuid") in had]
        power = [number(card.get("power_w")) for card in cards]
        known = [watts for watts in power if watts == watts]
        now = number(sample.get("m")), sum(known) if known else None
        found.gpus = max(found.gpus, len(cards))
        for card in cards:
            found.peak_gpu_bytes = max(found.peak_gpu_bytes, _least(card.get("memory_used")))
        job: Any = sample.get("job")
        found.peak_ram_bytes = max(found.peak_ram_bytes, _least(job.get("rss") if isinstance(job, dict) else None))
        if before is not None and 0 < now[0] - before[0] <= _GAP:
            passed = now[0] - before[0]
            found.seconds += passed
            if now[1] is not None and before[1] is not None:
                found.joules = (found.joules or 0.0) + passed * (now[1] + before[1]) / 2
        before = now


def _least(value: Any) -> float:
    size = number(value)
    return size if size == size else 0.0
