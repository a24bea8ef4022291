"""What the runner is told: commands from ``control/`` and SIGTERM, carried out on the job, each acknowledged."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

from core.worker.desk import Desk
from core.worker.job import JobProcess
from core.worker.progress import Progress
from core.worker.timing import Timing

_ENDED = "its runner was told to end (SIGTERM), as when the machine shuts down"
_TICKET = re.compile(r"[0-9]{2}-[0-9a-z]{1,80}")


class Orders:
    """The commands of one run.

    Attributes:
        asked: ``stop``, ``pause`` or ``kill``, where the job shall end. because: why, where no person asked.
        resumed: whether a paused run was told to go on. ticket: the place in the queue that was asked for.
        force: whether the job shall go on although recipe, data or packages have changed.
    """

    def __init__(self, desk: Desk, timing: Timing, progress: Progress) -> None:
        self.asked: str | None = None
        self.because: str | None = None
        self.resumed = False
        self.ticket: str | None = None
        self.force = False
        self._desk, self._timing, self._progress = desk, timing, progress
        self._terminated = False
        self._deadline = 0.0
        self._pushed = False

    def catch_signals(self) -> None:
        """From here on SIGTERM and SIGINT ask for an orderly end, and SIGHUP means nothing."""

        def term(number: int, frame: object) -> None:
            self._terminated = True

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, term)

    def clear(self) -> None:
        """Forget a pause that is over."""
        self.asked, self.resumed, self._pushed = None, False, False

    def hear(self, job: JobProcess | None, *, paused: bool = False) -> None:
        """Read the commands, and take a SIGTERM for one. `job` is the one that runs now; `paused`: none shall."""
        if self._terminated and self.asked != "stop":
            self.because = f"stopped, as {_ENDED}"
            self._end("stop", f"term-{os.getpid()}-{time.time_ns()}", job)
        for record in self._desk.commands():
            command, name = str(record["command"]), str(record["id"])
            say: Callable[[str], None] = lambda result, record=record: self._desk.answer(record, result)  # noqa: E731
            if command == "kill":
                self.asked, self.because = "kill", None
                say("killing the job" if job is not None else "taken out of the queue")
                if job is not None:
                    job.send(signal.SIGKILL)
            elif command == "priority":
                say(self._move(record.get("value"), job, paused))
            elif command == "resume":
                self.resumed = paused
                self.force = self.force or (paused and record.get("value") == "force")
                say("it goes back to the queue" if paused else "it is not paused")
            elif command == "checkpoint":
                say(self._tell(command, name, job))
            elif self.asked == "stop" or self.asked == "kill" or self.asked == command:
                say("it is stopping already" if self.asked != "pause" else "it is pausing already")
            elif command == "pause" and paused:
                say("it is paused already")
            else:
                self._end(command, name, job)
                say(_ending(command, job is not None))

    def _end(self, command: str, command_id: str, job: JobProcess | None) -> None:
        self.asked, self._pushed = command, False
        # A runner that takes over has to know what a job that stops was asked for.
        self._desk.save(asked=command)
        self._deadline = time.monotonic() + max(self._timing.stop, min(600.0, self._progress.pause))
        self._tell(command, command_id, job)

    def _tell(self, command: str, command_id: str, job: JobProcess | None) -> str:
        if job is None:
            return "there is no job to tell yet"
        try:
            self._desk.tell_job(command, command_id)
        except OSError as error:
            # The inbox cannot be written: SIGTERM asks for the same.
            if command != "checkpoint":
                job.send(signal.SIGTERM)
            return f"cannot write the inbox: {error.strerror}"
        return "the job has been told"

    def _move(self, value: object, job: JobProcess | None, paused: bool) -> str:
        if job is not None or paused:
            return "it does not wait in the queue"
        if not isinstance(value, str) or not _TICKET.fullmatch(value):
            return "not a place in the queue"
        self.ticket = value
        return "it takes that place in the queue"

    def push(self, job: JobProcess) -> None:
        """Be firmer with a job that was asked to end and does not."""
        if self.asked not in ("stop", "pause") or time.monotonic() < self._deadline:
            return
        number = signal.SIGKILL if self._pushed else signal.SIGTERM
        self._desk.note("push", signal=int(number), pid=job.pid)
        job.send(number)
        self._pushed = True
        self._deadline = time.monotonic() + self._timing.term


def _ending(command: str, works: bool) -> str:
    if command == "pause":
        return "the job finishes its step, saves and gives its slot back" if works else "it waits until it is resumed"
    return "the job finishes its step, saves and ends" if works else "taken out of the queue"
