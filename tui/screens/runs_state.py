"""What the table of runs shows: read in a thread, handed over as plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import DiapasonError
from core.runs.folder import list_runs
from core.runs.pins import pinned
from core.runs.series import number
from core.runs.usage import Meter
from core.runs.view import RunView
from tui.looks import Looks


@dataclass(frozen=True)
class RunLine:
    """One run. `left` and `worked` are seconds, `loss` and `best` nats a token, `energy` kWh; None: not known."""

    id: str
    name: str
    status: str
    reason: str | None
    what: str
    step: int
    total: int
    left: float | None
    loss: float | None
    best: float | None
    worked: float | None
    gpu_hours: float | None
    energy: float | None
    begun: float
    pinned: bool

    @property
    def text(self) -> str:
        """What a filter looks at."""
        return f"{self.id} {self.name} {self.status} {self.what}".casefold()


#: Orders of the table: name → what is compared; the smallest comes first.
ORDERS: dict[str, Callable[[RunLine], Any]] = {
    "newest": lambda line: 0,  # as they come
    "best eval": lambda line: math.inf if line.best is None else line.best,
    "last loss": lambda line: math.inf if line.loss is None else line.loss,
    "name": lambda line: line.name.casefold(),
    "status": lambda line: line.status,
    "GPU-hours": lambda line: -(line.gpu_hours or 0.0),
    "energy": lambda line: -(line.energy or 0.0),
}


def chosen(lines: Sequence[RunLine], needle: str, order: str) -> list[RunLine]:
    """The lines that hold every word of `needle`, those that are pinned first, in the order so named."""
    words = needle.casefold().split()
    found = [line for line in lines if all(word in line.text for word in words)]
    return sorted(found, key=lambda line: (not line.pinned, ORDERS[order](line)))


class RunsReader:
    """Follows every run of the home; used by one thread at a time."""

    def __init__(self) -> None:
        self.looks = Looks()
        self._meters: dict[str, Meter] = {}

    def read(self) -> tuple[RunLine, ...]:
        """Every run, newest first."""
        pins = pinned()
        found: list[RunLine] = []
        for folder in list_runs():
            view = self.looks.look(folder)
            meter = self._meters.setdefault(folder.id, Meter(folder))
            found.append(_line(view, meter, folder.id in pins, partial=self.looks.is_partial(folder)))
        return tuple(found)


def _line(view: RunView, meter: Meter, pin: bool, partial: bool) -> RunLine:
    try:
        spec = view.folder.spec()
    except DiapasonError:
        spec = {}
    recipe, model = spec.get("recipe"), spec.get("model")
    method = str(recipe.get("method") or "") if isinstance(recipe, dict) else ""
    name = str(model.get("name") or "") if isinstance(model, dict) else ""
    begun = number(view.state.get("started") or view.state.get("submitted"))
    loss = view.steps.loss[-1] if len(view.steps) else None
    return RunLine(
        id=view.id,
        name=view.name,
        status=view.status,
        reason=view.reason,
        what=f"{method} {name.rpartition('/')[2]}".strip(),
        step=view.step,
        total=view.total_steps,
        left=None if view.final else view.eta_seconds,
        loss=loss if loss is not None and math.isfinite(loss) else None,
        best=view.best[1] if view.best and not partial else None,
        worked=None if partial else view.elapsed_seconds if view.final else math.floor(view.elapsed_seconds),
        gpu_hours=None if partial else view.gpu_hours,
        energy=meter.read().kilowatt_hours,
        begun=begun if math.isfinite(begun) else 0.0,
        pinned=pin,
    )
