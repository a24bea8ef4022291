"""A command for when nothing runs or waits any more (stop a rented machine …): the last runner to end runs it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import is_locked, read_json, write_json
from core.home import home, jobs_dir, runs_dir
from core.runs.folder import RunFolder, folders_in
from core.runs.status import status_of
from core.worker.timing import Timing


def _file() -> Path:
    return home() / "when-empty.json"


def log_file() -> Path:
    """What the command printed."""
    return home() / "when-empty.log"


def active() -> list[RunFolder]:
    """Runs and jobs that work, wait, are paused, or are still being copied to their mirror."""
    runs = folders_in(runs_dir())
    every = [*runs, *(job for run in runs for job in run.jobs()), *folders_in(jobs_dir())]
    return [
        folder for folder in every if is_locked(folder.lock_file) or status_of(folder) in ("unsupervised", "paused")
    ]


def pending() -> dict[str, Any] | None:
    """``{command, since, held, runs}`` of the command that waits.

    held: why it was not run when all was done. runs: what ran or waited when it was left.
    """
    found = read_json(_file())
    if not isinstance(found, dict) or not isinstance(found.get("command"), str):
        return None
    if not found.get("held") and not active():
        lost = _cut_off(found)
        if lost is not None:
            found["held"] = f"{lost.name} was cut off; it is run once that is resumed and done"
    return found


def _cut_off(wanted: dict[str, Any]) -> RunFolder | None:
    """The first of the runs that the command waits for whose runner was killed; one that was removed is none."""
    runs = (RunFolder(path) for path in wanted.get("runs") or ())
    return next((run for run in runs if run.spec_file.is_file() and status_of(run) == "interrupted"), None)


def when_empty(command: str) -> None:
    """Have `command` run by the shell once all is done; takes the place of an earlier one.

    Raises:
        DiapasonError: where nothing runs or waits now.
    """
    runs = active()
    if not runs:
        raise DiapasonError("nothing runs or waits: there is no end to wait for", hint="Start a run first.")
    write_json(
        _file(), {"command": command, "since": time.time(), "held": None, "runs": [str(run.path) for run in runs]}
    )


def cancel() -> bool:
    """Forget the command; False where there was none."""
    try:
        _file().unlink()
    except FileNotFoundError:
        return False
    return True


def after_all(timing: Timing) -> None:
    """Called by a runner that has just ended: run the command if it was the last one, after a minute's grace.

    Nothing is run where a run's mirror has failed since: what it would have kept might be lost with the machine. Nor
    while one of the runs is cut off: the runner that resumes it runs the command.
    """
    wanted = pending()
    deadline = time.monotonic() + timing.grace
    while wanted is not None and not active():
        failing = _unmirrored(float(wanted.get("since") or 0))
        if failing:
            write_json(_file(), {**wanted, "held": f"the mirror of {failing[0].name} has failed"})
            return
        if _cut_off(wanted) is not None:
            return
        if time.monotonic() >= deadline:
            _run(wanted)
            return
        time.sleep(min(timing.poll, 1.0))
        if (now := pending()) is None or now.get("command") != wanted["command"]:
            return


def _unmirrored(since: float) -> list[RunFolder]:
    found: list[RunFolder] = []
    runs = folders_in(runs_dir())
    for run in [*runs, *(job for owner in runs for job in owner.jobs())]:
        state = run.state()
        mirror = state.get("mirror")
        late = float(state.get("ended") or 0) >= since
        if late and isinstance(mirror, dict) and mirror.get("status") != "ok":
            found.append(run)
    return found


def _run(wanted: dict[str, Any]) -> None:
    claimed = _file().with_name(f"when-empty.{os.getpid()}.json")
    try:
        # Of two runners that end together one gets the file.
        _file().rename(claimed)
    except FileNotFoundError:
        return
    log = os.open(log_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} all is done: {wanted['command']}\n".encode())
        subprocess.Popen(
            ["/bin/sh", "-c", str(wanted["command"])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home(),
            start_new_session=True,
        )
    except OSError as error:
        os.write(log, f"cannot run it: {error.strerror}\n".encode())
    finally:
        os.close(log)
        claimed.unlink(missing_ok=True)
