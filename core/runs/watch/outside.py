"""Reads what is around a run from its folder and its disk: cheap enough for every look at it."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from core.files import read_json, read_jsonl
from core.home import free_bytes
from core.runs.folder import RunFolder
from core.runs.series import number, whole
from core.runs.tail import last_objects
from core.runs.watch import thresholds as at
from core.runs.watch.machine import Around


class Outside:
    """Looks around the run in `folder`."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._attempt = -1
        self._card: str | None = None
        self._sealed = -1
        self._size = math.nan
        self._mark: tuple[int, int] | None = None
        self._samples: list[dict[str, Any]] = []

    def look(self, start: dict[str, Any] | None, checkpoints: list[dict[str, Any]], attempt: int) -> Around:
        """What is around it now.

        Args:
            start: the last ``start`` event. checkpoints: the ``checkpoint`` events. attempt: the attempt's number.
        """
        try:
            silent = time.time() - os.stat(self._folder.events).st_mtime  # noqa: PTH116
        except OSError:
            silent = math.nan
        try:
            free = float(free_bytes(self._folder.path))
        except OSError:
            free = math.nan
        if attempt != self._attempt:
            self._attempt, self._card = attempt, self._pinned()
        card = "" if start is not None and start.get("device") == "cpu" else self._card
        return Around(silent, free, self._checkpoint(start, checkpoints), self._read_samples(), card)

    def _pinned(self) -> str | None:
        """The UUID of the card that the runner gave to the last attempt."""
        for note in reversed(read_jsonl(self._folder.runner_events)[0]):
            if note.get("event") == "start":
                slot = note.get("slot")
                return str(slot) if slot and str(slot).startswith("GPU-") else None
        return None

    def _read_samples(self) -> list[dict[str, Any]]:
        try:
            about = os.stat(self._folder.gpu)  # noqa: PTH116
        except OSError:
            return []
        if (mark := (about.st_size, about.st_mtime_ns)) != self._mark:
            self._mark, self._samples = mark, last_objects(self._folder.gpu, at.IDLE_SAMPLES)
        # Older ones are of an attempt before.
        return [one for one in self._samples if number(one.get("t")) > time.time() - 10 * at.IDLE_SAMPLES]

    def _checkpoint(self, start: dict[str, Any] | None, checkpoints: list[dict[str, Any]]) -> float:
        """Bytes of the last checkpoint, or what the first one will take."""
        if not checkpoints:
            return at.PARAMETER_BYTES * number((start or {}).get("trainable_parameters"))
        step = whole(checkpoints[-1].get("step"))
        if step != self._sealed:
            self._sealed = step
            manifest = read_json(self._folder.checkpoints / f"checkpoint-{step}" / "MANIFEST.json")
            files = manifest.get("files") if isinstance(manifest, dict) else None
            sizes = [number(one.get("size")) for one in files.values()] if isinstance(files, dict) else []
            self._size = math.fsum(size for size in sizes if math.isfinite(size)) or math.nan
        return self._size
