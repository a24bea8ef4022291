"""Start a runner that outlives whoever starts it."""

from __future__ import annotations

import os
import subprocess
import time

from core.errors import DiapasonError
from core.files import is_locked
from core.home import home
from core.runs.folder import FINAL, RunFolder
from core.runs.tail import last_lines
from core.worker.job import environment, python

# Runners that this process started: looked at now and then, so that none stays a zombie.
_started: list[subprocess.Popen[bytes]] = []


def launch(folder: RunFolder, *, resume: bool = False, force: bool = False, seconds: float = 60.0) -> None:
    """Start the runner of `folder`, detached, and return when it holds its lock (or has already done its work).

    It has its own session, no terminal, and a regular file as its output: no hang-up, Ctrl-C, closed terminal or
    killed parent reaches it.

    Raises:
        DiapasonError: where it does not come up within `seconds`, with what it printed.
    """
    _started[:] = [child for child in _started if child.poll() is None]
    command = python("core.worker", str(folder.path), *(["--resume"] if resume else []))
    try:
        folder.logs.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(folder.runner_log, flags, 0o600)
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder.path,
                env=environment() | {"DIAPASON_HOME": str(home())} | ({"DIAPASON_FORCE": "1"} if force else {}),
                start_new_session=True,
                close_fds=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        raise DiapasonError(f"cannot start the runner: {error.strerror}", where=str(folder.path)) from error
    _started.append(child)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        if is_locked(folder.lock_file) and (folder.state().get("runner") or {}).get("pid") == child.pid:
            return
        time.sleep(0.02)
    if child.poll() in (0, 3) or folder.state().get("status") in FINAL:
        return
    raise DiapasonError(
        "the runner did not come up: " + (" ".join(last_lines(folder.runner_log, 2)) or "it printed nothing"),
        where=str(folder.path),
        hint=f"The whole log is {folder.runner_log}.",
    )
