"""Runs that were cut off: found, given a new runner, taken up again."""

from __future__ import annotations

import time

from core.errors import DiapasonError
from core.files import is_locked
from core.home import jobs_dir, runs_dir
from core.runs.commands import send
from core.runs.folder import FINAL, RunFolder, folders_in
from core.runs.process import is_here
from core.runs.status import CUT_OFF, status_of
from core.worker.launch import launch
from core.worker.queue import check_locks

_FRESH = 120.0
# Seconds that a runner may take to leave after its run has ended, copies aside.
_LEAVING = 15.0


def _every() -> list[RunFolder]:
    runs = folders_in(runs_dir())
    return [*runs, *(job for run in runs for job in run.jobs()), *folders_in(jobs_dir())]


def adopt_orphans() -> list[RunFolder]:
    """Start a runner for each job that lives without one; gives those that got one. Cheap; never raises."""
    adopted: list[RunFolder] = []
    try:
        for folder in _every():
            state = folder.state()
            if state.get("status") not in FINAL and status_of(folder, state) == "unsupervised":
                launch(folder)
                adopted.append(folder)
    except (DiapasonError, OSError):
        # What cannot be adopted now shows as unsupervised; the command itself is not to fail of it.
        pass
    return adopted


def cut_off() -> list[tuple[RunFolder, str]]:
    """Runs and jobs that ended against everybody's will, with their status, oldest first.

    Their runner is gone (interrupted, unsupervised), or was told to end by a signal (stopped), as a shutdown does.
    """
    found: list[tuple[RunFolder, str]] = []
    for folder in _every():
        state = folder.state()
        status = state.get("status")
        if status not in FINAL:
            status = status_of(folder, state)
        if status in CUT_OFF or (status == "stopped" and state.get("cut_off")):
            found.append((folder, str(status)))
    return found


def resume(folder: RunFolder, *, force: bool = False) -> None:
    """Let a run go on: from its last sealed checkpoint, or from the queue if it had not begun.

    Args:
        force: tell the job to go on although recipe, data or packages are not those of its checkpoint.

    Raises:
        DiapasonError: where it is completed, is running, or may still be running on another machine; where locks do
            not work.
    """
    check_locks()
    status = status_of(folder)
    if status == "paused" and is_locked(folder.lock_file):
        send(folder, "resume", who="resume", value="force" if force else None)
        return
    if status == "completed":
        raise DiapasonError(f"the run `{folder.name}` is completed; there is nothing to resume")
    if status not in CUT_OFF and status not in ("stopped", "failed", "paused"):
        raise DiapasonError(f"the run `{folder.name}` is {status}: it has a runner")
    state = folder.state()
    if status in FINAL:
        _wait_for_its_runner(folder)
    job = state.get("job")
    if status == "interrupted" and isinstance(job, dict) and not is_here(job) and _changed_lately(folder):
        raise DiapasonError(
            f"the run `{folder.name}` wrote to its folder within the last two minutes, from {job.get('host')}",
            hint="It may still run there. Stop it there, or try again in two minutes.",
        )
    launch(folder, resume=True, force=force)


def _wait_for_its_runner(folder: RunFolder) -> None:
    """Let the runner of a run that has ended leave: it may still give notice, or copy the run to its mirror."""
    deadline = time.monotonic() + _LEAVING
    while is_locked(folder.lock_file):
        if time.monotonic() > deadline:
            raise DiapasonError(
                f"the run `{folder.name}` has ended, but its runner has not: it copies the run to its mirror",
                hint=f"Try again when that is done. {folder.logs / 'mirror.log'} tells how it goes.",
            )
        time.sleep(0.1)


def _changed_lately(folder: RunFolder) -> bool:
    newest = 0.0
    for path in (folder.events, folder.gpu):
        try:
            newest = max(newest, path.stat().st_mtime)
        except OSError:
            continue
    return 0 <= time.time() - newest < _FRESH
