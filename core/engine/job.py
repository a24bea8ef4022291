"""A job as the engine's rooms see it: its folder and spec, the events it writes, the commands it gets, its end."""

from __future__ import annotations

import errno
import signal
import time
import traceback
from pathlib import Path
from typing import Any

from core.engine.failures import PEER_GONE, failure_file
from core.errors import DiapasonError
from core.files import JsonlWriter, read_json, read_jsonl, write_json

_PULSE = 20.0


class Stopped(Exception):
    """The job was asked to stop, at a point where nothing is left to save."""


class PeerFailed(Exception):
    """Another process of this training has failed, and says why itself."""


class JobError(DiapasonError):
    """A failure whose kind the runner acts upon: ``nonfinite_loss``, ``gpu_oom``, ``refused``, …"""

    def __init__(self, kind: str, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.kind = kind


class Job:
    """One job in its folder. This process alone writes its events.jsonl; where a launcher started several, the first.

    Args:
        folder: the job's folder, which holds spec.json.
        attempt: which launch of the job this is, from 1.
        rank: this process's number among those of a launcher, from 0; None without one.

    Raises:
        DiapasonError: where spec.json is missing or damaged.
    """

    def __init__(self, folder: Path, attempt: int = 1, rank: int | None = None) -> None:
        self.folder = folder.absolute()
        self.attempt = attempt
        self.rank = rank
        self.main = not rank
        spec = read_json(self.folder / "spec.json")
        if not isinstance(spec, dict):
            raise DiapasonError("this is not a job's folder: spec.json is missing or damaged", where=str(folder))
        self.spec: dict[str, Any] = spec
        self.step = 0
        self._began = time.monotonic()
        self._pulsed = self._began
        self._signalled = False
        self._inbox_seen: tuple[int, int] | None = None
        self._handled = _handled(self.folder / "events.jsonl")
        self._asked: set[str] = set()
        self._events = JsonlWriter(self.folder / "events.jsonl") if self.main else None

    @property
    def seconds(self) -> float:
        """Seconds since this attempt began."""
        return time.monotonic() - self._began

    def emit(self, event: str, *, sync: bool = False, **fields: Any) -> None:
        """Append an event to events.jsonl; with `sync` it is on disk when this returns."""
        if self._events is not None:
            self._events.write({"t": time.time(), "m": time.monotonic(), "event": event, **fields}, sync=sync)

    def pulse(self, phase: str, done: int, total: int) -> None:
        """Tell of long work now and then (every 20 s), so that nobody takes it for a job that hangs."""
        now = time.monotonic()
        if now - self._pulsed >= _PULSE:
            self._pulsed = now
            self.emit("pulse", phase=phase, done=done, total=total)

    def log(self, level: str, message: str) -> None:
        """Tell the person something, in the events and in the log. Levels: info, warning, error."""
        self.emit("log", level=level, message=message)
        print(message if level == "info" else f"{level}: {message}", flush=True)

    def catch_signals(self) -> None:
        """From here on SIGTERM and SIGINT ask for an orderly stop, and SIGHUP means nothing."""

        def stop(number: int, frame: object) -> None:
            self._signalled = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def look(self) -> None:
        """Read the inbox where it has changed; each new command is remembered and noted in the events.

        The first process reads it for all: what it is told they hear of from it, at the same step.
        """
        if not self.main:
            return
        try:
            status = (self.folder / "inbox.json").stat()
        except OSError:
            return
        if (seen := (status.st_mtime_ns, status.st_ino)) == self._inbox_seen:
            return
        inbox = read_json(self.folder / "inbox.json")
        if not isinstance(inbox, dict):
            return
        self._inbox_seen = seen
        commands = inbox.get("commands")
        for item in commands if isinstance(commands, list) else []:
            if not isinstance(item, dict) or item.get("id") in self._handled:
                continue
            self._handled.add(item.get("id"))
            command = str(item.get("command"))
            self._asked.add(command)
            self.emit("command", id=item.get("id"), command=command, step=self.step)

    @property
    def stop_asked(self) -> bool:
        """Whether a signal or the inbox asked for a stop."""
        return self._signalled or not self._asked.isdisjoint(("stop", "pause"))

    def take(self, command: str) -> bool:
        """Whether `command` was asked for since the last call; a stop stays asked for."""
        if command not in self._asked:
            return False
        self._asked.discard(command)
        return True

    def check_stop(self) -> None:
        """Look at the inbox, and raise Stopped where a stop is asked for."""
        self.look()
        if self.stop_asked:
            raise Stopped

    def finished(self) -> bool:
        """Whether an earlier attempt already completed the job."""
        records = (read_json(path) for path in self.folder.glob("exit.*.json"))
        return any(isinstance(record, dict) and record.get("status") == "completed" for record in records)

    def end(self, status: str, error: dict[str, Any] | None = None) -> None:
        """Write the end event, on disk, then exit.<attempt>.json: the last thing that a job does."""
        self.emit("end", sync=True, status=status, step=self.step, seconds=self.seconds)
        self.leave(status, error)

    def leave(self, status: str, error: dict[str, Any] | None = None) -> None:
        """Write exit.<attempt>.json alone; of several processes the first does, and of a failure each its own file,
        from which the launcher takes the first cause."""
        record = {"status": status, "step": self.step, "error": error}
        if self.rank is not None and status == "failed":
            write_json(failure_file(self.folder, self.attempt, self.rank), {"t": time.time(), **record})
        elif self.main:
            write_json(self.folder / f"exit.{self.attempt}.json", record)


def _handled(events: Path) -> set[Any]:
    """Ids of the commands that earlier attempts have taken, so that none acts twice."""
    try:
        if b'"event":"command"' not in events.read_bytes():
            return set()
    except OSError:
        return set()
    return {line.get("id") for line in read_jsonl(events)[0] if line.get("event") == "command"}


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as exit.json keeps it: kind, message, hint and, unless we explain it ourselves, traceback."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, DiapasonError):
        message = f"{error.where}: {error.message}" if error.where else error.message
        kind = error.kind if isinstance(error, JobError) else "refused"
        return {"kind": kind, "message": message, "hint": error.hint, "traceback": None}
    name, text = type(error).__name__, str(error).strip()
    exchange = name in _PEER_ERRORS or "/gloo/" in text
    if isinstance(error, PeerFailed) or (exchange and "out of memory" not in text):
        message = f"{PEER_GONE}{text.splitlines()[0] if text else 'it failed'}"
        return {"kind": "peer", "message": message, "hint": None, "traceback": trace}
    first = text.splitlines()[0] if text else name
    # Matched by name: this module must not import torch.
    if (exchange or name in ("OutOfMemoryError", "AcceleratorError")) and "out of memory" in text:
        return {"kind": "gpu_oom", "message": "the GPU ran out of memory", "hint": OOM_HINT, "traceback": trace}
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in text:
        return {"kind": "host_oom", "message": "the machine ran out of memory", "hint": OOM_HINT, "traceback": trace}
    if name in ("AcceleratorError", "RuntimeError") and any(sign in text for sign in _LOST):
        message = f"the GPU failed: {first}"
        return {"kind": "gpu_lost", "message": message, "hint": LOST_HINT, "traceback": trace}
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(sign in text for sign in _FULL):
        hint = "Free some space, then resume the run: it goes on from its last sealed checkpoint."
        where = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return {"kind": "disk_full", "message": f"the disk is full{where}", "hint": hint, "traceback": trace}
    hint = "The traceback is in this run's log; `diapason resume RUN` tries again from the last checkpoint."
    return {"kind": "crash", "message": f"{name}: {first}", "hint": hint, "traceback": trace}


#: What torch.distributed raises when another process ends during an exchange; gloo names its own source file.
_PEER_ERRORS = ("DistBackendError", "DistNetworkError", "DistStoreError")
#: What CUDA says when a card has failed, not our code: cudaErrorDevicesUnavailable, cudaErrorECCUncorrectable,
#: cudaErrorNvlinkUncorrectable, cudaErrorHardwareStackError, cudaErrorLaunchFailure, cudaErrorUnknown
#: (docs.nvidia.com/cuda/cuda-runtime-api, "Data types used by CUDA Runtime").
_LOST = (
    "CUDA-capable device(s) is/are busy or unavailable",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "hardware stack error",
    "unspecified launch failure",
    "CUDA error: unknown error",
    "GPU is lost",
)
#: What safetensors and torch say of a full disk in errors of their own.
_FULL = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing file")
LOST_HINT = (
    "`nvidia-smi` and `dmesg | grep Xid` tell what happened to the card; where it stays away, restart the machine, "
    "then `diapason resume RUN`."
)
OOM_HINT = (
    "Halve train.micro_batch_size and double train.accumulation (same effective batch), shorten train.max_length, "
    "turn on train.gradient_checkpointing, or use method: qlora."
)
