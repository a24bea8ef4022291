"""A line of gpu.jsonl as its readers take it: numbers only, and of the machine's cards those that the job has."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from core.runs.folder import RunFolder
from core.runs.series import number
from core.runs.tail import Tail

_CARD = ("index", "memory_used", "memory_total", "utilisation", "temperature", "power_w")
_HOST = ("t", "m", "cpu_percent", "ram_used", "ram_total", "disk_free")
_JOB = ("pid", "cpu_percent", "rss")


class Had:
    """Which cards a job had when: from the runner's notes, else from its state."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._tail = Tail(folder.runner_events)
        self._times: list[float] = []
        self._cards: list[list[str]] = []

    def refresh(self) -> None:
        """Read what the runner has noted since."""
        for note in self._tail.read():
            moment = number(note.get("t"))
            if note.get("event") == "slot" and isinstance(note.get("name"), str) and math.isfinite(moment):
                self._times.append(max(moment, self._times[-1] if self._times else moment))
                self._cards.append(note["name"].split(","))

    def at(self, moment: float) -> list[str] | None:
        """The UUIDs of the cards at the unix time `moment`; none for a job on the processor, None: not known."""
        if self._times:
            return self._cards[max(0, bisect_right(self._times, moment) - 1)]
        slot = self._folder.state().get("slot")
        return slot.split(",") if isinstance(slot, str) else None


def cards_of(sample: dict[str, Any], had: list[str] | None) -> list[dict[str, Any]]:
    """The sample's cards, of all that it names those whose UUID is among `had` (all where that is None)."""
    found: Any = sample.get("gpus")
    cards = [card for card in found if isinstance(card, dict)] if isinstance(found, list) else []
    return [card for card in cards if had is None or card.get("uuid") in had]


def own(sample: dict[str, Any], had: list[str] | None) -> dict[str, Any]:
    """The sample with the cards of the job alone; what should be a number and is none is None."""
    cards = [{"name": str(card.get("name") or ""), **_numbers(card, _CARD)} for card in cards_of(sample, had)]
    for place, card in enumerate(cards):
        card["index"] = place if card["index"] is None else int(card["index"])
    job: Any = sample.get("job")
    return {**_numbers(sample, _HOST), "gpus": cards, "job": _numbers(job, _JOB) if isinstance(job, dict) else None}


def _numbers(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: number(values.get(name)) for name in names}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
