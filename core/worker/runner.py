"""One run's runner: waits for its slot, starts the job, watches it, judges its end, starts it again or ends."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from core.errors import DiapasonError
from core.files import Lock
from core.home import free_bytes
from core.runs.folder import FINAL, RunFolder
from core.runs.process import identify
from core.runs.tail import last_lines
from core.worker.after import follow_ups
from core.worker.cards import Card, cards, has_card
from core.worker.desk import Desk
from core.worker.job import JobProcess, sweep
from core.worker.measure import Measuring
from core.worker.mirror import Mirror
from core.worker.notices import Notices
from core.worker.orders import Orders
from core.worker.progress import Progress
from core.worker.queue import Request, Ticket
from core.worker.shrink import smaller_batch
from core.worker.slots import CPU, Slots
from core.worker.timing import Timing
from core.worker.verdict import SHOW_LOG, Verdict, judge, oom_kills, stalled

# Less than this many bytes left is a full disk: a verdict takes a few hundred, a block of a file system 4096.
_NO_ROOM = 1 << 20
# Times that the cards' driver may give no answer before a run goes by that there are none.
_SILENT = 5


class _Leave(Exception):
    """The run ends before there is a job to judge."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class _Gone(Exception):
    """The runner of a paused run is told to end: the run stays paused."""


class _Hold(Exception):
    """The run is paused before there is a job to pause."""


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
        self.slot: Slots | None = None
        self.orders = Orders(self.desk, self.timing, self.progress)
        self.notices = Notices(folder, self.desk, self.timing)
        self.mirror = Mirror(folder, self.desk, self.timing, failing=lambda: self.notices.tell("mirror"))
        self.attempt = int(self.desk.state.get("attempt") or 0)
        self._failures = 0
        self._wait = 0.0

    def run(self, stale: list[Any]) -> None:
        """Bring the run to its end."""
        self.orders.catch_signals()
        status = self.desk.state.get("status")
        if status in FINAL and (not self.resume or self._left() == "completed"):
            return
        self.desk.refuse(stale)
        status = "queued" if status in FINAL or status == "paused" else status
        self.desk.save(runner=identify(os.getpid()), status=status, ended=None, reason=None, hint=None)
        self.desk.note("runner", pid=os.getpid(), resume=self.resume)
        self.progress.refresh()
        try:
            verdict = self._attempts()
        except _Gone:
            return
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

    def _left(self) -> str | None:
        """The status that the last attempt's own record tells, if it left one."""
        record = self.folder.exit_record(self.attempt)
        return str(record.get("status")) if record else None

    def _attempts(self) -> Verdict:
        """Start the job as often as it helps; gives the last verdict."""
        verdict = self._adopt()
        while verdict is None or verdict.retry or verdict.status == "paused":
            try:
                if verdict is not None and verdict.status == "paused":
                    self._hold(verdict.reason)
                if self._wait:
                    self._pause(self._wait)
                    self._wait = 0.0
                if self.slot is None:
                    self._queue()
                sealed = self.progress.sealed
                verdict = self._watch(self._start())
                if verdict.retry:
                    self._retry(verdict, sealed)
            except _Hold:
                verdict = Verdict("paused", "paused", "paused as asked")
        return verdict

    def _adopt(self) -> Verdict | None:
        """The verdict on a job that an earlier runner started and did not judge; None where there is none."""
        if not self.attempt or self.attempt == self.desk.state.get("judged"):
            return None
        if self.desk.state.get("asked") == "pause":
            self.orders.asked = "pause"
        self.job = JobProcess.adopt(self.folder, self.desk.state)
        if self.job is not None:
            self.desk.note("adopt", pid=self.job.pid, attempt=self.attempt)
        elif self._left() is None:
            # What is left of it would hold the card that the next attempt waits for.
            sweep(self.folder.id)
            return None
        sealed = self.progress.sealed
        verdict = self._watch(self.desk.state.get("oom_kills"))
        if verdict.retry:
            self._retry(verdict, sealed)
        return verdict

    def _hold(self, reason: str | None) -> None:
        """Stay paused, without a slot, until somebody resumes or stops the run."""
        if self.slot is not None:
            self.slot.release()
            self.slot = None
        self.desk.save(status="paused", reason=reason, hint="`diapason resume RUN` goes on.", judged=self.attempt)
        self.desk.note("paused", step=self.progress.sealed)
        self.orders.clear()
        while not self.orders.resumed:
            self.orders.hear(None, paused=True)
            if self.orders.because:
                self.desk.note("gone", reason=self.orders.because)
                raise _Gone
            self._look_after()
            if self.orders.asked in ("stop", "kill"):
                raise _Leave(Verdict("stopped", "stopped", self.orders.because or "stopped while it was paused"))
            time.sleep(self.timing.poll)
        self.orders.clear()
        self.desk.note("resumed")

    def _retry(self, verdict: Verdict, sealed: int) -> None:
        """Prepare the next attempt: a smaller micro-batch, or a wait that grows with each death without progress.

        Raises _Leave where that does not help, or where they were too many.
        """
        if verdict.kind == "gpu_oom":
            found = smaller_batch(self.desk.state)
            if found is None:
                raise _Leave(verdict)
            micro, accumulation = found
            self.desk.note("oom_retry", micro_batch=micro, accumulation=accumulation)
            self.desk.save(
                micro_batch=micro, accumulation=accumulation, hint=None,
                reason=f"{verdict.reason}; it is started again with a micro-batch of {micro} and an accumulation of "
                f"{accumulation}: the same effective batch",
            )  # fmt: skip
            return
        self._failures = 1 if self.progress.sealed > sealed else self._failures + 1
        if self._failures > len(self.timing.backoff):
            raise _Leave(
                verdict._replace(reason=f"{verdict.reason}, {self._failures} times in a row without progress")
            )
        self._wait = self.timing.backoff[self._failures - 1]
        self.desk.note("restart", after=self._wait, failure=self._failures, reason=verdict.reason)
        self.desk.save(reason=f"{verdict.reason}; it is started again from its last sealed checkpoint", hint=None)

    def _queue(self) -> None:
        """Wait for a slot."""
        self.desk.save(status="queued", reason=None, hint=None)
        ticket = Ticket(self.folder)
        seen: list[Card] = []
        measured, silent = -self.timing.cards, 0
        try:
            while True:
                if ticket.request.device != "cpu" and time.monotonic() - measured >= self.timing.cards:
                    found, measured = cards(), time.monotonic()
                    # Where the driver was too slow to answer once, the cards are still there.
                    seen, silent = found or seen, silent + (not found and has_card())
                    if not seen and 0 < silent <= _SILENT:
                        self.desk.save(reason="waiting for the driver of the cards: it does not answer")
                        self._pause(self.timing.cards)
                        continue
                self.slot, why = ticket.choose(seen)
                if self.slot is not None:
                    self.desk.note("slot", name=self.slot.name)
                    return
                self.desk.save(reason=why)
                self._pause(self.timing.queue)
                if self.orders.ticket is not None:
                    ticket.move(self.orders.ticket)
                    self.orders.ticket = None
        finally:
            if self.slot is None:
                ticket.leave()

    def _pause(self, seconds: float) -> None:
        """Let time pass while there is no job. Raises _Leave or _Hold where a command ends or pauses the run."""
        deadline = time.monotonic() + seconds
        while True:
            self.orders.hear(None)
            self._look_after()
            if self.orders.asked == "pause":
                raise _Hold
            if self.orders.asked:
                raise _Leave(Verdict("stopped", "stopped", self.orders.because or "stopped before it began"))
            left = deadline - time.monotonic()
            if left <= 0 or self.orders.ticket is not None:
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
        slot = self.slot.name if self.slot else None
        self.desk.save(
            status="running", attempt=self.attempt, started=started, job=None, oom_kills=kills, slot=slot, asked=None
        )
        self.job = JobProcess.start(
            self.folder, self.attempt, self._variables(), self.slot.handles if self.slot else (),
            Request(self.folder.spec().get("gpu_request")).processes,
        )  # fmt: skip
        self.desk.note("start", pid=self.job.pid, attempt=self.attempt, slot=self.slot.name if self.slot else None)
        self.desk.save(job=self.job.identity, reason=None, hint=None)
        return kills

    def _variables(self) -> dict[str, str]:
        """What the job finds in its environment: its card, and the batch where it is not the recipe's."""
        names = {"DIAPASON_MICRO_BATCH": "micro_batch", "DIAPASON_ACCUMULATION": "accumulation"}
        sizes = {name: self.desk.state.get(key) for name, key in names.items()}
        force = {"DIAPASON_FORCE": "1"} if self.orders.force else {}
        return self._pin() | force | {name: str(value) for name, value in sizes.items() if isinstance(value, int)}

    def _pin(self) -> dict[str, str]:
        """The variables that give the job its cards, and no others."""
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
        silent = 0.0
        self.progress.begin()
        if self.job is not None:
            self.desk.save(status="running", job=self.job.identity, reason=None, hint=None)
            with Measuring(self.folder, self.job.pid) as measuring:
                while not self.job.wait(self.timing.poll):
                    self.orders.hear(self.job)
                    self.orders.push(self.job)
                    self._follow()
                    measuring.check()
                    if not silent and self.progress.silent > self.progress.patience(self.timing.stall):
                        silent = self.progress.silent
                        self._end_stall(silent)
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
        verdict = judge(
            record,
            code,
            oom_killed=killed,
            tail=tail,
            asked=self.orders.asked,
            full=free_bytes(self.folder.path) < _NO_ROOM,
        )
        if silent and (record is None or verdict.kind == "signal") and not self.orders.asked:
            verdict = stalled(silent)
        self.desk.note(
            "exit", attempt=self.attempt, code=code, verdict=verdict.status, kind=verdict.kind,
            reason=verdict.reason, swept=left,
        )  # fmt: skip
        self.desk.save(job=None)
        if verdict.status == "stopped" and self.orders.because:
            return verdict._replace(reason=self.orders.because)
        return verdict

    def _end_stall(self, silent: float) -> None:
        """Have the job write down where it hangs, then end it."""
        assert self.job is not None
        self.desk.note("stall", silent=round(silent, 1), pid=self.job.pid)
        self.job.send(signal.SIGUSR1)
        self.job.wait(min(2.0, self.timing.term))
        self.job.send(signal.SIGKILL)

    def _follow(self) -> None:
        self.progress.refresh()
        self.desk.save(step=self.progress.sealed, total_steps=self.progress.total_steps)
        self._look_after()

    def _look_after(self) -> None:
        """See to the copies and notices; waits for neither."""
        self.mirror.look(self.progress.sealed)
        self.notices.look()

    def _finish(self, verdict: Verdict) -> None:
        """Write down how the run ended, and start what shall follow."""
        if self.slot is not None:
            self.slot.release()
        if verdict.status == "completed":
            follow_ups(self.folder, self.desk)
        self.desk.save(
            status=verdict.status, reason=verdict.reason, hint=verdict.hint, ended=time.time(), job=None,
            judged=self.attempt, cut_off=verdict.status == "stopped" and self.orders.because is not None,
        )  # fmt: skip
        # A disk that is full now may have room in a moment, and the verdict matters more than leaving at once.
        for _ in range(30):
            if not self.desk.unsaved:
                break
            time.sleep(2)
            self.desk.save()
        self.desk.note("end", status=verdict.status, reason=verdict.reason)
        if verdict.status != "stopped" or self.orders.because is not None:
            self.notices.tell(verdict.status)
        self.mirror.finish(self.progress.sealed, self.notices.look)
        self.notices.finish()
