"""Why a job of several processes failed: what each wrote of its own end, and which of them the others followed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from core.files import read_json

# Ends that follow from another process's: NCCL's watchdog aborts, torchrun terminates.
_FOLLOWS = (signal.SIGABRT, signal.SIGTERM)
#: How a process's failure begins whose cause is another one's.
PEER_GONE = "another process of this training is gone: "
_EXCHANGE = "In a container, give it more shared memory (--shm-size=8g); NCCL_DEBUG=INFO makes the log tell more."


def failure_file(folder: Path, attempt: int, rank: int | str) -> Path:
    """Where process `rank` of a job writes its failure: ``{"t", "status", "step", "error"}``."""
    return folder / "logs" / f"attempt-{attempt}.rank-{rank}.json"


def failures(folder: Path, attempt: int) -> list[dict[str, Any]]:
    """What the processes of an attempt wrote of their own failures, oldest first."""
    pattern = failure_file(folder, attempt, "*")
    records = [record for path in pattern.parent.glob(pattern.name) if isinstance(record := read_json(path), dict)]
    return sorted(records, key=lambda record: record["t"])


def first_cause(told: list[dict[str, Any]], ends: dict[int, int], count: int) -> dict[str, Any]:
    """The error that the others followed from, as exit.json keeps it.

    Args:
        told: errors that processes wrote of their own end, oldest first.
        ends: exit codes by rank of those that failed, negative for a signal.
        count: processes in all.
    """
    own = [error for error in told if error.get("kind") != "peer"]
    if own:
        return own[0]
    signals = {rank: -code for rank, code in ends.items() if code < 0}
    killed = [rank for rank, number in signals.items() if number not in _FOLLOWS] or list(signals)
    if killed:
        rank, number = killed[0], signals[killed[0]]
        who = f"process {rank + 1} of {count}"
        message = f"{who} was killed by {signal.Signals(number).name}"
        return {"kind": "signal", "signal": number, "who": who, "message": message, "hint": None, "traceback": None}
    if told:
        # Nobody died: it is the exchange itself that fails.
        message = "the processes cannot exchange: " + str(told[0].get("message") or "").removeprefix(PEER_GONE)
        return told[0] | {"kind": "crash", "message": message, "hint": _EXCHANGE}
    rank, code = next(iter(ends.items()))
    message = f"process {rank + 1} of {count} ended with exit code {code} and no verdict"
    return {"kind": "crash", "message": message, "hint": None, "traceback": None}
