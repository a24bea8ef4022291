"""What runs, waits and is paused, in the order in which a person would ask."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.home import jobs_dir, runs_dir
from core.runs.folder import FINAL, RunFolder, folders_in
from core.runs.status import status_of
from core.worker.queue import Request, waiting

_ORDER = ("running", "unsupervised", "queued", "paused")


class Entry(NamedTuple):
    """One run or job: `place` in the queue, from 1, of one that waits; `reason`, what it waits for or does."""

    folder: RunFolder
    status: str
    place: int | None
    reason: str | None
    request: Request

    def to_json(self) -> dict[str, Any]:
        """As `diapason queue --json` prints it."""
        return {
            "id": self.folder.id,
            "name": self.folder.name,
            "kind": self.folder.kind,
            "status": self.status,
            "place": self.place,
            "reason": self.reason,
            "gpus": 0 if self.request.device == "cpu" else self.request.count,
            "gpu_bytes": None if self.request.device == "cpu" else self.request.bytes,
            "path": str(self.folder.path),
        }


def overview() -> list[Entry]:
    """All that has not ended: what works first, then what waits in its order, then what is paused."""
    places = {item.folder: place for place, item in enumerate(waiting(), 1)}
    runs = folders_in(runs_dir())
    found: list[Entry] = []
    for folder in [*runs, *(job for run in runs for job in run.jobs()), *folders_in(jobs_dir())]:
        state = folder.state()
        if state.get("status") in FINAL:
            continue
        status = status_of(folder, state)
        if status in _ORDER:
            request = Request(folder.spec().get("gpu_request"))
            found.append(Entry(folder, status, places.get(folder), state.get("reason"), request))
    return sorted(found, key=lambda entry: (_ORDER.index(entry.status), entry.place or 0, entry.folder.id))
