"""What a run is doing, read from its state, its runner's lock and its job's process."""

from __future__ import annotations

from typing import Any

from core.files import is_locked
from core.runs.folder import FINAL, RunFolder
from core.runs.process import is_alive

#: Statuses in which the run needs somebody to go on.
CUT_OFF = frozenset({"interrupted", "unsupervised"})


def status_of(folder: RunFolder, state: dict[str, Any] | None = None) -> str:
    """queued, running, paused, completed, stopped, failed, interrupted or unsupervised.

    A paused run may have a runner or none. The last two are seen, never written: the runner is gone, and the job with
    it (interrupted) or not (unsupervised). Nothing is judged by a pid alone.
    """
    state = folder.state() if state is None else state
    written = str(state.get("status", "queued"))
    supervised = is_locked(folder.lock_file)
    if written in FINAL or supervised:
        return written
    # The runner may have ended the run between the two looks.
    again = str(folder.state().get("status", "queued"))
    # A paused run has no job; that its runner left with the machine changes nothing for it.
    if again in FINAL or again == "paused":
        return again
    return "unsupervised" if is_alive(state.get("job")) else "interrupted"
