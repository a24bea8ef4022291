"""One run's runner: waits for its slot, starts the job, watches it, judges its end, starts it again or ends."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from core.errors import DiapasonError
from core.files import Lock
from core.runs.folder import FINAL, RunFolder
from core.runs.process import identify
from core.runs.tail import last_lines
from core.worker.after import follow_ups
from core.worker.cards import Card, cards
from core.worker.desk import Desk
from core.worker.job import JobProcess, sweep
from core.worker.measure import Measuring
from core.worker.progress import Progress
from core.worker.queue import Ticket
from core.worker.slots import CPU, Slot
from core.worker.timing import Timing
from core.worker.verdict import SHOW_LOG, Verdict, judge, oom_kills

_ENDED = "its runner was told to end (SIGTERM), as when the machine shuts down"


class _Leave(Exception):
    """The run ends before there is a job to judge."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def run(folder: RunFolder, *, resume: bool = False) -> int:
    """Be the runner of `folder` until its run has ended. 0: it has; 3: it has another runner.

    Args:
        resume: whether a stopped or failed run shall go on; a completed one never does.
    """
    stale = list(folder.control.glob("*.json")) if resume else []
    lock = Lock(folder.lock_file)
    if not lock.acquire():
        return 3
    try:
        Runner(folder, resume=resume).run(stale)
    finally:
        lock.release()
    return 0


class Runner:
    """The runner of one run; its lock is held by the caller."""

    def __init__(self, folder: RunFolder, *, resume: bool) -> None:
        self.folder = folder
        self.resume = resume
        self.timing = Timing()
        self.desk = Desk(folder)
        self.progress = Progress(folder)
        self.job: JobProcess | None = None
        self.slot: Slot | None = None
        self.attempt = int(self.desk.state.get("attempt") or 0)
        self.asked: str | None = None
        self._because: str | None = None
        self._terminated = False
        self._deadline = 0.0
        self._pushed = False

    def run(self, stale: list[Any]) -> None:
        """Bring the run to its end."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_term)
        status = self.desk.state.get("status")
        if status in FINAL and (not self.resume or self._left() == "completed"):
            return
        self.desk.refuse(stale)
        status = "queued" if status in FINAL else status
        self.desk.save(runner=identify(os.getpid()), status=status, ended=None, reason=None, hint=None)
        self.desk.note("runner", pid=os.getpid(), resume=self.resume)
        self.progress.refresh()
        try:
            verdict = self._attempts()
        except _Leave as leave:
            verdict = leave.verdict
        except DiapasonError as error:
            verdict = Verdict("failed", "refused", error.message, error.hint)
        except OSError as error:
            if self.job is not None:  # it lives on: the next runner adopts it
                raise
            place = f": {error.filename}" if error.filename else ""
            verdict = Verdict("failed", "system", f"{error.strerror or error}{place}", SHOW_LOG)
        self._finish(verdict)

    def _on_term(self, number: int, frame: object) -> None:
        self._terminated = True

    def _left(self) -> str | None:
        """The status that the last attempt's own record tells, if it left one."""
        record = self.folder.exit_record(self.attempt)
        return str(record.get("status")) if record else None

    def _attempts(self) -> Verdict:
        """Start the job as often as it helps; gives the last verdict."""
        failures = 0
        if self.attempt and self.attempt != self.desk.state.get("judged"):
            self.job = JobProcess.adopt(self.folder, self.desk.state)
            if self.job is not None:
                self.desk.note("adopt", pid=self.job.pid, attempt=self.attempt)
            if self.job is not None or self._left() is not None:
                sealed = self.progress.sealed
                verdict = self._watch(self.desk.state.get("oom_kills"))
                if not verdict.retry:
                    return verdict
                failures = self._failed(failures, verdict, sealed)
        while True:
            if self.slot is None:
                self._queue()
            sealed = self.progress.sealed
            kills = self._start()
            verdict = self._watch(kills)
            if not verdict.retry:
                return verdict
            failures = self._failed(failures, verdict, sealed)

    def _failed(self, before: int, verdict: Verdict, sealed: int) -> int:
        """Wait before the next attempt; gives how many in a row have died without sealing a step, this one included.

        Raises _Leave where they were too many.
        """
        count = 1 if self.progress.sealed > sealed else before + 1
        if count > len(self.timing.backoff):
            raise _Leave(verdict._replace(reason=f"{verdict.reason}, {count} times in a row without progress"))
        wait = self.timing.backoff[count - 1]
        self.desk.note("restart", after=wait, failure=count, reason=verdict.reason)
        self.desk.save(reason=f"{verdict.reason}; it is started again from its last sealed checkpoint", hint=None)
        self._pause(wait)
        return count

    def _queue(self) -> None:
        """Wait for a slot."""
        self.desk.save(status="queued", reason=None, hint=None)
        ticket = Ticket(self.folder)
        seen: list[Card] = []
        measured = -self.timing.cards
        try:
            while True:
                if ticket.request.device != "cpu" and time.monotonic() - measured >= self.timing.cards:
                    seen, measured = cards(), time.monotonic()
                self.slot, why = ticket.choose(seen)
                if self.slot is not None:
                    self.desk.note("slot", name=self.slot.name)
                    return
                self.desk.save(reason=why)
                self._pause(self.timing.queue)
        finally:
            if self.slot is None:
                ticket.leave()

    def _pause(self, seconds: float) -> None:
        """Let time pass while there is no job. Raises _Leave where a command ends the run."""
        deadline = time.monotonic() + seconds
        while True:
            self._hear()
            if self.asked:
                raise _Leave(Verdict("stopped", "stopped", self._because or "stopped before it began"))
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, self.timing.poll))

    def _start(self) -> int:
        """Start the next attempt; gives the kernel's count of out-of-memory kills before it."""
        sweep(self.folder.id)
        self._pause(0)
        self.desk.clear_inbox()
        self.attempt += 1
        kills = oom_kills()
        started = self.desk.state.get("started") or time.time()
        self.desk.save(status="running", attempt=self.attempt, started=started, job=None, oom_kills=kills)
        self.job = JobProcess.start(self.folder, self.attempt, self._pin(), self.slot.handle if self.slot else None)
        self.desk.note("start", pid=self.job.pid, attempt=self.attempt, slot=self.slot.name if self.slot else None)
        self.desk.save(job=self.job.identity, reason=None, hint=None)
        return kills

    def _pin(self) -> dict[str, str]:
        """The variables that give the job its card, and no other."""
        request = self.folder.spec().get("gpu_request") or {}
        if request.get("device") == "cpu":
            return {"CUDA_VISIBLE_DEVICES": ""}
        if self.slot is not None and self.slot.name != CPU:
            return {"CUDA_VISIBLE_DEVICES": self.slot.name, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        visible = request.get("visible")
        return {} if visible is None else {"CUDA_VISIBLE_DEVICES": str(visible)}

    def _watch(self, kills: Any) -> Verdict:
        """Stay with the job until it has ended, and judge its end."""
        record_seen: float | None = None
        if self.job is not None:
            self.desk.save(status="running", job=self.job.identity, reason=None, hint=None)
            with Measuring(self.folder, self.job.pid) as measuring:
                while not self.job.wait(self.timing.poll):
                    self._hear()
                    self._push()
                    self._follow()
                    measuring.check()
                    if self.slot is not None:
                        self.slot.keep()
                    if record_seen is None and self.folder.exit_record(self.attempt) is not None:
                        record_seen = time.monotonic()
                    if record_seen is not None and time.monotonic() - record_seen > self.timing.linger:
                        self.job.send(signal.SIGKILL)
        code = self.job.code if self.job is not None else None
        if self.job is not None:
            self.job.close()
            self.job = None
        left = sweep(self.folder.id)
        self._follow()
        killed = isinstance(kills, int) and oom_kills() > kills
        tail = last_lines(self.folder.attempt_log(self.attempt), 20)
        record = self.folder.exit_record(self.attempt)
        verdict = judge(record, code, oom_killed=killed, tail=tail, asked=self.asked)
        self.desk.note(
            "exit", attempt=self.attempt, code=code, verdict=verdict.status, kind=verdict.kind,
            reason=verdict.reason, swept=left,
        )  # fmt: skip
        self.desk.save(job=None)
        if verdict.status == "stopped" and self._because:
            return verdict._replace(reason=self._because)
        return verdict

    def _follow(self) -> None:
        self.progress.refresh()
        self.desk.save(step=self.progress.sealed, total_steps=self.progress.total_steps)

    def _hear(self) -> None:
        """Read the commands, and take a SIGTERM for one."""
        if self._terminated and not self.asked:
            self._because = f"stopped, as {_ENDED}"
            self._stop(f"term-{os.getpid()}-{time.time_ns()}")
        for record in self.desk.commands():
            command = str(record["command"])
            if command == "checkpoint":
                self.desk.answer(record, self._tell(command, record["id"]))
            elif command == "kill":
                self.asked, self._because = "kill", None
                self.desk.answer(record, "killing the job")
                if self.job is not None:
                    self.job.send(signal.SIGKILL)
            elif self.asked:
                self.desk.answer(record, "it is stopping already")
            else:
                self._stop(record["id"])
                result = (
                    "the job finishes its step, saves and ends" if self.job is not None else "taken out of the queue"
                )
                self.desk.answer(record, result)

    def _stop(self, command_id: str) -> None:
        self.asked = "stop"
        self._deadline = time.monotonic() + max(self.timing.stop, min(600.0, self.progress.pause))
        self._tell("stop", command_id)

    def _tell(self, command: str, command_id: str) -> str:
        if self.job is None:
            return "there is no job to tell yet"
        try:
            self.desk.tell_job(command, command_id)
        except OSError as error:
            # The inbox cannot be written: SIGTERM asks for the same.
            if command == "stop":
                self.job.send(signal.SIGTERM)
            return f"cannot write the inbox: {error.strerror}"
        return "the job has been told"

    def _push(self) -> None:
        """Be firmer with a job that was asked to stop and does not."""
        if self.asked != "stop" or self.job is None or time.monotonic() < self._deadline:
            return
        number = signal.SIGKILL if self._pushed else signal.SIGTERM
        self.desk.note("push", signal=int(number), pid=self.job.pid)
        self.job.send(number)
        self._pushed = True
        self._deadline = time.monotonic() + self.timing.term

    def _finish(self, verdict: Verdict) -> None:
        """Write down how the run ended, and start what shall follow."""
        if self.slot is not None:
            self.slot.release()
        if verdict.status == "completed":
            follow_ups(self.folder, self.desk)
        self.desk.save(
            status=verdict.status, reason=verdict.reason, hint=verdict.hint, ended=time.time(), job=None,
            judged=self.attempt, cut_off=verdict.status == "stopped" and self._because is not None,
        )  # fmt: skip
        # A disk that is full now may have room in a moment, and the verdict matters more than leaving at once.
        for _ in range(30):
            if not self.desk.unsaved:
                break
            time.sleep(2)
            self.desk.save()
        self.desk.note("end", status=verdict.status, reason=verdict.reason)
