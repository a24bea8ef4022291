"""Tells the person what became of a run, through a child that nothing waits for before the run has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass

from core.files import read_json
from core.runs.folder import RunFolder
from core.runs.tail import last_lines
from core.worker.desk import Desk
from core.worker.job import environment, python
from core.worker.timing import Timing


@dataclass(slots=True)
class _Notice:
    event: str
    child: subprocess.Popen[bytes]
    deadline: float


class Notices:
    """The notices of one run: `core.notify` as a child for each; what fails is noted and stops nothing."""

    def __init__(self, folder: RunFolder, desk: Desk, timing: Timing) -> None:
        self._folder, self._desk, self._timing = folder, desk, timing
        wanted = read_json(folder.notify_file)
        self._wanted = isinstance(wanted, dict) and bool(wanted.get("command") or wanted.get("webhook"))
        self._log = folder.logs / "notify.log"
        self._under_way: list[_Notice] = []

    def tell(self, event: str) -> None:
        """Send a notice of `event` (completed, failed, stopped or mirror), if the person wants any."""
        if not self._wanted:
            return
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                child = subprocess.Popen(
                    python("core.notify", str(self._folder.path), event),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder.path,
                    env=environment(),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except OSError as error:
            self._desk.note("notify", about=event, problem=error.strerror)
            return
        # It ends by itself in time: the rest is what Python needs to start.
        self._under_way.append(_Notice(event, child, time.monotonic() + self._timing.notify + 10))

    def look(self) -> None:
        """Note what became of the notices. Returns at once."""
        for notice in list(self._under_way):
            code = notice.child.poll()
            if code is None:
                if time.monotonic() > notice.deadline:
                    os.killpg(notice.child.pid, signal.SIGKILL)
                continue
            self._under_way.remove(notice)
            said = last_lines(self._log, 1)
            problem = None if code == 0 else (said[0][:300] if said else f"it ended with code {code}")
            self._desk.note("notify", about=notice.event, problem=problem)

    def finish(self) -> None:
        """Wait for the notices that are under way; they have a time-out of their own."""
        while self._under_way:
            self.look()
            time.sleep(min(self._timing.poll, 0.1))
