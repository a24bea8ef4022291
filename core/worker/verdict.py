"""What the end of a job means: judged by its own record first, then by the signal that killed it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, NamedTuple

SHOW_LOG = "`diapason logs RUN` shows what it printed last."


# What a job says of its own end that a new start can mend.
_AGAIN = frozenset({"gpu_oom", "gpu_lost"})


class Verdict(NamedTuple):
    """status: completed, stopped, paused or failed. retry: whether starting the job again can help."""

    status: str
    kind: str
    reason: str | None = None
    hint: str | None = None
    retry: bool = False


def judge(
    record: dict[str, Any] | None,
    code: int | None,
    *,
    oom_killed: bool,
    tail: list[str],
    asked: str | None,
    full: bool = False,
) -> Verdict:
    """Judge how a job ended.

    Args:
        record: exit.<attempt>.json, the job's own verdict, if it left one: trusted before all else.
        code: its exit code, negative for a signal; None where it is unknown (the job of another runner).
        oom_killed: whether the kernel's count of out-of-memory kills rose while it ran.
        tail: the last lines of its log.
        full: whether the disk of its folder has no room left: then it could not write its verdict.
        asked: ``stop``, ``pause`` or ``kill`` where a person asked for its end.
    """
    who = "the job"
    error: Any = (record or {}).get("error")
    if isinstance(error, dict) and isinstance(error.get("signal"), int):
        # A launcher wrote down how one of its processes ended, which could not do so itself.
        who, code, record = str(error.get("who") or who), -int(error["signal"]), None
    status = (record or {}).get("status")
    if record is not None and status == "completed":
        return Verdict("completed", "completed")
    if asked == "pause" and (record is None or status == "stopped"):
        kept = (
            "after saving" if record is not None else "by force, as it did not end in time; what was sealed is kept"
        )
        return Verdict("paused", "paused", f"paused as asked, {kept}")
    if record is not None and status == "stopped":
        return Verdict("stopped", "stopped", "stopped as asked, after saving" if asked else "it was asked to stop")
    if record is not None and status == "failed":
        return _failed(record.get("error"))
    if asked == "kill":
        return Verdict("stopped", "killed", "killed as asked; what was sealed before is kept")
    if asked:
        return Verdict("stopped", "killed", "stopped by force, as it did not end in time; what was sealed is kept")
    if full and code is not None and code > 0:
        hint = "Free some space, then resume the run: it goes on from its last sealed checkpoint."
        return Verdict("failed", "disk_full", "the disk is full", hint)
    if code is not None and code >= 0:
        return _left(code, tail)
    if oom_killed and code in (-signal.SIGKILL, None):
        return Verdict(
            "failed",
            "host_oom",
            f"the machine ran out of memory and the kernel killed {who}",
            "Close other programs, or lower train.micro_batch_size or train.max_length.",
            retry=True,
        )
    if code is None:
        return Verdict("failed", "killed", "the job was killed while its runner was gone", SHOW_LOG, retry=True)
    return Verdict("failed", "signal", f"{who} was killed by {_signal(-code)}", SHOW_LOG, retry=True)


def _failed(error: Any) -> Verdict:
    details = error if isinstance(error, dict) else {}
    reason = str(details.get("message") or "the job failed without saying why")
    hint, kind = details.get("hint"), str(details.get("kind") or "crash")
    return Verdict("failed", kind, reason, str(hint) if hint else SHOW_LOG, retry=kind in _AGAIN)


def stalled(seconds: float) -> Verdict:
    """The verdict on a job that wrote nothing for `seconds` and was ended for it."""
    reason = f"the job hung: it wrote nothing for {seconds / 60:.0f} minutes"
    return Verdict("failed", "stall", reason, f"Where it hung stands at the end of its log. {SHOW_LOG}", retry=True)


def _left(code: int, tail: list[str]) -> Verdict:
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    said = f"; it last printed: {last[:200]}" if last else ""
    if code == 0:
        return Verdict("failed", "no_verdict", f"the job ended without a verdict{said}", SHOW_LOG)
    return Verdict("failed", "crash", f"the job ended with exit code {code} and no verdict{said}", SHOW_LOG)


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def oom_kills(root: Path = Path("/")) -> int:
    """The kernel's count of out-of-memory kills: of our cgroup (memory.events, oom_control), else of the machine.

    Sources: the kernel's admin-guide/cgroup-v2 (memory.events) and cgroup-v1/memory (memory.oom_control);
    /proc/vmstat's ``oom_kill``.
    """
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        name, base = "memory.events", root / "sys/fs/cgroup"
        if controllers:
            if "memory" not in controllers.split(","):
                continue
            name, base = "memory.oom_control", base / "memory"
        # In a container the path may be the host's: our own group is then the top.
        for folder in (base / group.lstrip("/"), base):
            if (count := _count(folder / name)) is not None:
                return count
    return _count(root / "proc/vmstat") or 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii", "replace").splitlines()
    except OSError:
        return []


def _count(path: Path) -> int | None:
    for line in _lines(path):
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return None
