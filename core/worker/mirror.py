"""Copies a run's folder elsewhere after each sealed checkpoint and at the end; a copy that fails stops no run."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.files import read_json
from core.runs.folder import RunFolder
from core.runs.tail import last_lines
from core.worker.desk import Desk
from core.worker.job import environment
from core.worker.timing import Timing
from core.worker.traffic import traffic

_TRIES = 3
_EXCLUDED = ("inbox.json", "notify.json", "control/", "runner.lock", "*.tmp")
# rsync's code for files that went away meanwhile, as old checkpoints do.
_VANISHED = 24


def is_command(value: str) -> bool:
    """Whether a mirror is a command of the person's rather than a target of rsync."""
    return "{run}" in value


def command_line(value: str, source: RunFolder) -> list[str]:
    """The command that copies the run folder `source` to the mirror `value`, once."""
    if is_command(value):
        words = {"{run}": shlex.quote(str(source.path)), "{id}": shlex.quote(source.id)}
        return ["/bin/sh", "-c", re.sub(r"\{run\}|\{id\}", lambda found: words[found.group()], value)]
    excluded = [f"--exclude={pattern}" for pattern in _EXCLUDED]
    return ["rsync", "-a", "--partial", *excluded, "--", f"{source.path}/", f"{value.rstrip('/')}/{source.id}/"]


class Mirror:
    """The copies of one run, one at a time, as children that nothing waits for before the run has ended.

    What is known of them stands in state.json: ``mirror: {status: copying|ok|failing, step, at, reason}``. A job of
    a run copies its run.

    Args:
        failing: is called when copies begin to fail.
    """

    def __init__(self, folder: RunFolder, desk: Desk, timing: Timing, failing: Callable[[], None]) -> None:
        self._desk, self._timing, self._tell_failing = desk, timing, failing
        self._source = folder.parent or folder
        spec = read_json(folder.spec_file)
        value = spec.get("mirror") if isinstance(spec, dict) else None
        self._value = value if isinstance(value, str) else ""
        before = desk.state.get("mirror")
        self._copied = (
            int(before.get("step") or 0) if isinstance(before, dict) and before.get("status") == "ok" else 0
        )
        self._child: subprocess.Popen[bytes] | None = None
        self._step = 0
        self._failures = 0
        self._next = 0.0
        self._busy_since: float | None = None
        self._printed = 0
        self._traffic = 0
        self._moved = self._looked = 0.0

    @property
    def _log(self) -> Path:
        return self._source.logs / "mirror.log"

    def look(self, sealed: int) -> None:
        """See to the copy that runs, and start one where step `sealed` is not copied yet. Returns at once."""
        if not self._value:
            return
        if self._child is not None:
            self._watch()
        elif sealed > self._copied and time.monotonic() >= self._next:
            self._start(sealed)

    def finish(self, step: int, while_waiting: Callable[[], None]) -> None:
        """Wait for the copy that runs, then copy the run as it is now; three tries, each as long as it moves."""
        if not self._value:
            return
        while self._child is not None:
            self._wait(while_waiting)
        self._failures, self._next = 0, 0.0
        self._copied = -1
        while self._copied < 0 and self._failures < _TRIES:
            self.look(step)
            self._wait(while_waiting)

    def _wait(self, while_waiting: Callable[[], None]) -> None:
        while_waiting()
        if self._child is not None:
            self._watch()
        time.sleep(min(self._timing.poll, 0.2))

    def _start(self, step: int) -> None:
        self._step = step
        log = -1
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # The children hold the lock too: a copy that outlived its runner, or a job's, is not run into.
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(log, f"{time.strftime('%Y-%m-%d %H:%M:%S')} copying, step {step}\n".encode())
            self._printed = os.fstat(log).st_size
            self._child = subprocess.Popen(
                command_line(self._value, self._source),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._source.path,
                # A password that is asked for would never be answered.
                env={"RSYNC_RSH": "ssh -o BatchMode=yes"} | environment(),
                start_new_session=True,
            )
        except BlockingIOError:
            self._busy()
        except OSError as error:
            self._failed(f"cannot start the copy: {error.strerror}")
        else:
            self._busy_since = None
            self._traffic, self._moved, self._looked = 0, time.monotonic(), 0.0
            if not self._fails():
                self._save("copying", None)
        finally:
            if log >= 0:
                os.close(log)

    def _busy(self) -> None:
        """Another copy of this run works: look again soon, but not for ever."""
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        self._next = now + min(1.0, self._timing.poll)
        if now - self._busy_since > self._timing.mirror:
            self._busy_since = None
            self._failed("an earlier copy of this run does not end")

    def _watch(self) -> None:
        assert self._child is not None
        if self._child.poll() is None:
            self._check_moving(self._child.pid)
            return
        code, self._child = self._child.returncode, None
        if code == 0 or (code == _VANISHED and not is_command(self._value)):
            self._failures, self._next = 0, 0.0
            self._copied = self._step
            self._desk.note("mirror", status="ok", step=self._step)
            self._save("ok", None)
        else:
            self._failed(self._why(code))

    def _check_moving(self, pid: int) -> None:
        """Kill a copy that neither reads, writes nor prints for long."""
        now = time.monotonic()
        if now - self._looked < self._timing.mirror / 60:
            return
        self._looked = now
        moved = traffic(pid) + _size(self._log)
        if moved != self._traffic:
            self._traffic, self._moved = moved, now
        elif now - self._moved > self._timing.mirror:
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass

    def _why(self, code: int) -> str:
        if code == -signal.SIGKILL and time.monotonic() - self._moved > self._timing.mirror:
            return f"the copy did not move for {self._timing.mirror:.0f} s and was ended"
        said = last_lines(self._log, 1) if _size(self._log) > self._printed else []
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the copy {how}" + (f": {said[0][:300]}" if said and said[0] else "")

    def _failed(self, reason: str) -> None:
        self._failures += 1
        waits = self._timing.mirror_waits
        wait = waits[min(self._failures, len(waits)) - 1]
        self._next = time.monotonic() + wait
        self._desk.note("mirror", status="failing", step=self._step, reason=reason, again=wait)
        known = self._fails()
        self._save("failing", reason)
        if not known:
            self._tell_failing()

    def _fails(self) -> bool:
        """Whether the last copy failed, which stands until one succeeds."""
        known = self._desk.state.get("mirror")
        return isinstance(known, dict) and known.get("status") == "failing"

    def _save(self, status: str, reason: str | None) -> None:
        found: dict[str, Any] = {"status": status, "step": self._step, "at": time.time(), "reason": reason}
        self._desk.save(mirror=found)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
