"""Keeps the child that samples the hardware (gpu.jsonl) alive beside a job, and never waits for it."""

from __future__ import annotations

import subprocess
import time

from core.runs.folder import RunFolder
from core.worker.job import environment, python

_AGAIN = 60.0


class Measuring:
    """The sampling child of one attempt: ended with it; started again at most once a minute if it dies."""

    def __init__(self, folder: RunFolder, pid: int) -> None:
        self._command = python("core.sampler", "watch", str(folder.gpu), str(pid))
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def __enter__(self) -> Measuring:
        self._start()
        return self

    def _start(self) -> None:
        self._started = time.monotonic()
        try:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder.path,
                env=environment(),
            )
        except OSError:
            self._child = None

    def check(self) -> None:
        """Start the child again if it has died, but not at once."""
        dead = self._child is None or self._child.poll() is not None
        if dead and time.monotonic() - self._started > _AGAIN:
            self._start()

    def __exit__(self, *_: object) -> None:
        if self._child is None:
            return
        self._child.kill()
        try:
            self._child.wait(2)
        except subprocess.TimeoutExpired:  # it hangs in the driver; it dies as soon as it can
            pass
