"""The course of the machine beside a run, from gpu.jsonl, in bounded room."""

from __future__ import annotations

import math

from core.runs.course import FINE
from core.runs.decimate import Decimated
from core.runs.folder import RunFolder
from core.runs.sample import Had, cards_of
from core.runs.series import number
from core.runs.tail import Tail

#: Quantity → its name in a sample: of each card, and of the host.
CARD = {"gpu_use": "utilisation", "gpu_memory": "memory_used", "gpu_heat": "temperature", "gpu_power": "power_w"}
HOST = {"ram": "ram_used", "disk": "disk_free"}
_CARDS = 4


class MachineCourse:
    """Follows gpu.jsonl: each quantity against unix time, `columns[quantity][card]` (card 0 for the host's).

    Units: percent, bytes, °C, watts. Only the first four cards of the run are kept. `last` is the time of the last
    sample.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.columns: dict[str, list[Decimated]] = {name: [] for name in (*CARD, *HOST)}
        self.taken = 0
        self.tail = Tail(folder.gpu)
        self._had = Had(folder)
        self.last = -math.inf

    def refresh(self) -> None:
        """Read what is new."""
        self._had.refresh()
        for sample in self.tail.read():
            moment = number(sample.get("t"))
            if not math.isfinite(moment):
                continue
            # Where the clock was put back, time stands still until it has caught up.
            self.last = max(self.last, moment)
            self.taken += 1
            cards = cards_of(sample, self._had.at(moment))
            for name, key in CARD.items():
                for place, card in enumerate(cards[:_CARDS]):
                    self._add(name, place, number(card.get(key)))
            for name, key in HOST.items():
                self._add(name, 0, number(sample.get(key)))

    def _add(self, name: str, place: int, value: float) -> None:
        column = self.columns[name]
        while len(column) <= place:
            column.append(Decimated(FINE))
        column[place].add(self.last, value)
