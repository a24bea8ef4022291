"""Who a process is, beyond a pid that the kernel gives again: start time, boot, pid namespace, host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def boot_id() -> str:
    """The kernel's identifier of this boot (random(4)), or an empty text."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def namespace() -> str:
    """The pid namespace of this process (pid_namespaces(7)), or an empty text."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of `pid` (proc_pid_stat(5), field 22); None if dead or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name, in parentheses, may itself hold spaces and parentheses.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x"):
        return None
    return int(fields[19])


def identify(pid: int) -> dict[str, Any]:
    """Everything that tells `pid` from another process of the same number, as state.json keeps it."""
    return {
        "pid": pid,
        "start": start_time(pid),
        "boot_id": boot_id(),
        "namespace": namespace(),
        "host": os.uname().nodename,
    }


def is_here(identity: dict[str, Any]) -> bool:
    """Whether this process could see the identified one: same boot and same pid namespace."""
    return identity.get("boot_id") == boot_id() and identity.get("namespace") == namespace()


def is_alive(identity: dict[str, Any] | None) -> bool:
    """Whether the identified process runs on, on this machine; a zombie is dead."""
    if not identity or not isinstance(identity.get("pid"), int) or identity.get("start") is None:
        return False
    return is_here(identity) and start_time(identity["pid"]) == identity["start"]


def marked(run_id: str) -> list[tuple[int, int]]:
    """Living processes started for the run `run_id`, as (pid, attempt): those with ``DIAPASON_RUN`` of it.

    Only processes of this user can be seen so (proc_pid_environ(5)).
    """
    marker = b"DIAPASON_RUN=" + os.fsencode(run_id)
    found: list[tuple[int, int]] = []
    for entry in Path("/proc").iterdir():
        name = entry.name
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            pairs = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marker in pairs and start_time(int(name)) is not None:
            texts = [pair[17:] for pair in pairs if pair.startswith(b"DIAPASON_ATTEMPT=")]
            found.append((int(name), int(texts[0]) if texts and texts[0].isdigit() else 0))
    return found


def is_rank(pid: int) -> bool:
    """Whether `pid` is one of the processes that torchrun started for a job."""
    try:
        return b"\0TORCHELASTIC_RUN_ID=" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
