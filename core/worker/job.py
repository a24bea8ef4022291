"""The job's process: started or adopted, waited for, signalled, and swept away with all that it left."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import core
from core.runs.folder import RunFolder
from core.runs.process import identify, is_alive, is_rank, marked

#: Names the module that is started instead of ``core.engine``. For tests.
ENGINE = "DIAPASON_ENGINE"
# The marks of another job, and what makes a process a rank: pods and shells of cluster schedulers set it.
_ELSEWHERE = re.compile(
    r"(DIAPASON_(RUN|ATTEMPT)|(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)|"
    r"TORCHELASTIC_\w+|PET_\w+)$"
)


def python(*arguments: str) -> list[str]:
    """The command line that runs one of our modules with this Python, whatever lies in the working folder."""
    return [sys.executable, "-P", "-m", *arguments]


def environment() -> dict[str, str]:
    """This process's environment so that a child finds our packages, without the marks of a job."""
    found = {name: value for name, value in os.environ.items() if not _ELSEWHERE.match(name)}
    root = Path(core.__file__).resolve().parent.parent
    # In site-packages they are found anyway, and that folder must not come before the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), *(path for path in found.get("PYTHONPATH", "").split(os.pathsep) if path)]
        found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    # glibc gives big tensors back to the kernel after each use; faulting their pages in again slows the CPU.
    for name, value in (("MALLOC_MMAP_MAX_", "0"), ("MALLOC_TRIM_THRESHOLD_", "8000000000")):
        found.setdefault(name, value)
    return found


class JobProcess:
    """A job that runs now: our child, or one that another runner started."""

    def __init__(self, identity: dict[str, Any], child: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self._child = child
        self._handle: int | None = None
        try:
            self._handle = os.pidfd_open(self.pid)
        except OSError:  # an old kernel, or it has just ended
            return
        # The number may have gone to another process before it was opened: then the job is gone.
        if child is None and not is_alive(identity):
            self.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.identity["pid"])

    @classmethod
    def start(
        cls,
        folder: RunFolder,
        attempt: int,
        extra: dict[str, str],
        handles: Sequence[int] = (),
        processes: int = 1,
    ) -> JobProcess:
        """Launch attempt number `attempt`, in a session of its own, printing to logs/attempt-N.log.

        Args:
            extra: variables of its environment.
            handles: file descriptors that it inherits, with the locks on them: where its runner is killed, the job
                itself holds its slots.
            processes: ranks that it consists of; where they are several, the job is the launcher that starts them.

        Raises:
            OSError: where the process or its log cannot be made.
        """
        variables = environment() | extra | {"DIAPASON_RUN": folder.id, "DIAPASON_ATTEMPT": str(attempt)}
        variables["PYTHONUNBUFFERED"] = "1"
        module = os.environ.get(ENGINE) or "core.engine"
        launcher = ["core.engine.launch", str(processes)] if processes > 1 else []
        log = os.open(folder.attempt_log(attempt), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            child = subprocess.Popen(
                python(*launcher, module, str(folder.path)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder.path,
                env=variables,
                start_new_session=True,
                pass_fds=tuple(handles),
            )
        finally:
            os.close(log)
        return cls(identify(child.pid), child)

    @classmethod
    def adopt(cls, folder: RunFolder, state: dict[str, Any]) -> JobProcess | None:
        """The living job that another runner of this run started, or None.

        Where that runner died before it could write down whom it had started, the mark tells.
        """
        identity = state.get("job")
        if isinstance(identity, dict) and is_alive(identity):
            return cls(identity)
        for pid, attempt in sorted(marked(folder.id)):
            # A rank leads a session too, but without its launcher nobody would judge its end.
            if attempt == state.get("attempt") and _leads(pid) and not is_rank(pid):
                return cls(identify(pid))
        return None

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the job's end. True where it has ended."""
        if self._child is not None and self._child.poll() is not None:
            return True
        if self._handle is None:
            time.sleep(min(seconds, 0.2))
            return self._child.poll() is not None if self._child is not None else not is_alive(self.identity)
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        if not poller.poll(seconds * 1000):
            return False
        if self._child is not None:
            self._child.wait()
        return True

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs, or where it is not our child."""
        return self._child.returncode if self._child is not None else None

    def send(self, number: int) -> None:
        """Send a signal to the job's own process, and to no other that has got its number since."""
        try:
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)
            elif is_alive(self.identity):
                os.kill(self.pid, number)
        except OSError:
            pass

    def close(self) -> None:
        """Let go of the process."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def sweep(run_id: str, seconds: float = 5.0) -> int:
    """Kill every process that was started for the run `run_id`; gives their number. Waits for them to be gone."""
    killed: set[int] = set()
    deadline = time.monotonic() + seconds
    while (left := marked(run_id)) and time.monotonic() < deadline:
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except OSError:
                pass
        time.sleep(0.02)
    return len(killed)
