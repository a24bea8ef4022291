"""What of ended runs can go: checkpoints but the best, damaged checkpoints, what can be made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.files import is_locked, read_json
from core.home import cache_dir, runs_dir
from core.runs import checkpoints
from core.runs.folder import FINAL, RunFolder, folders_in

_IN_USE = 86400.0


@dataclass(frozen=True, slots=True)
class Rubbish:
    """Something that can go: `what` for a person, `size` in bytes, of which run (None: of none)."""

    path: Path
    what: str
    size: int
    run: RunFolder | None = None


def rubbish(older_than: float = 0.0) -> list[Rubbish]:
    """All that can go of runs that ended at least `older_than` seconds ago, and of the home's cache.

    A completed run keeps its best whole checkpoint (the newest where none is known to be best), one that was stopped
    or failed its newest as well: it may be resumed. What lies in the cache for less than a day may be in use.
    Adapters, votes, specs, reports and data are never among it.
    """
    before = time.time() - older_than
    found: list[Rubbish] = []
    for run in folders_in(runs_dir()):
        state = run.state()
        ended = state.get("ended")
        old = isinstance(ended, int | float) and ended <= before
        if state.get("status") in FINAL and old and not is_locked(run.lock_file):
            found += _of_run(run, str(state["status"]))
    found += _of_cache(min(before, time.time() - _IN_USE))
    return found


def remove(item: Rubbish) -> None:
    """Remove it. Raises OSError where that is not possible."""
    if item.path.is_dir() and not item.path.is_symlink():
        # The manifest goes first: a half-removed checkpoint must not look whole.
        (item.path / checkpoints.MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(item.path)
    else:
        item.path.unlink(missing_ok=True)


def _of_run(run: RunFolder, status: str) -> Iterator[Rubbish]:
    steps = checkpoints.steps(run.checkpoints)
    sealed = checkpoints.sealed(run.checkpoints)
    newest = next((step for step in reversed(sealed) if _whole(run, step)), None)
    best: int | None = None
    for step in sealed:
        manifest = read_json(checkpoints.at(run.checkpoints, step) / checkpoints.MANIFEST)
        told = manifest.get("best") if isinstance(manifest, dict) else None
        best = told["step"] if isinstance(told, dict) and isinstance(told.get("step"), int) else best
    best = best if best in sealed and _whole(run, best) else None
    kept = {newest if best is None else best}
    if status != "completed":
        kept.add(newest)
    for step in steps:
        if step not in kept:
            what = "checkpoint" if step in sealed else "unfinished checkpoint"
            path = checkpoints.at(run.checkpoints, step)
            yield Rubbish(path, f"{what} of step {step}", _size(path), run)
    if run.checkpoints.is_dir():
        for path in sorted(run.checkpoints.glob(".bad-*")):
            yield Rubbish(path, "damaged checkpoint", _size(path), run)


def _whole(run: RunFolder, step: int) -> bool:
    return checkpoints.problem(checkpoints.at(run.checkpoints, step)) is None


def _of_cache(before: float) -> Iterator[Rubbish]:
    for path in sorted(cache_dir().iterdir()):
        try:
            if path.lstat().st_mtime <= before:
                yield Rubbish(path, "cache", _size(path))
        except OSError:
            continue


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        try:
            total += file.lstat().st_size if not file.is_dir() else 0
        except OSError:
            continue
    return total
