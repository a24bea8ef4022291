"""Start the processes of a job with torchrun: ``python -m core.engine.launch COUNT MODULE FOLDER``.

In this process, not by torchrun's command line: that turns every end into exit code 1. Here it is known which of the
processes failed and by which signal, and exit.<attempt>.json says so.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from core.engine.job import failures
from core.files import read_json, write_json
from core.hardware import cpu_count
from core.runs.process import marked

# A crash that follows from another process's end: NCCL's watchdog aborts, torchrun terminates.
_FOLLOWS = (signal.SIGABRT, signal.SIGTERM)


def launch(count: int, module: str, folder: Path, run_id: str, attempt: int) -> int:
    """Run `count` processes ``python -m module FOLDER`` to their end; 0 where all have ended well, else 1.

    SIGTERM and SIGINT are passed on to them: they save and end by themselves. SIGHUP means nothing.
    """

    def pass_on(number: int, frame: object) -> None:
        for pid, _ in marked(run_id):
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cpu_count() // count)))
    # One machine: no name has to be looked up, and no firewall is asked.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    # As -P for this process: what lies in the run's folder is not imported.
    os.environ["PYTHONSAFEPATH"] = "1"
    # --standalone meets on a free port. torchrun takes over the signals that it is given, so it gets a rare one.
    options = ["--standalone", f"--nproc-per-node={count}", "--max-restarts=0", "--signals-to-handle=SIGQUIT"]
    try:
        torchrun.run(torchrun.parse_args([*options, "-m", module, str(folder)]))
    except ChildFailedError as error:
        ends = {rank: failure.exitcode for rank, failure in error.failures.items()}
        verdict = folder / f"exit.{attempt}.json"
        if not isinstance(read_json(verdict), dict):
            found = first_cause(failures(folder, attempt), ends, count)
            print(f"error: {found['message']}", file=sys.stderr, flush=True)
            write_json(verdict, {"status": "failed", "step": found.pop("step", 0), "error": found})
        return 1
    return 0


def first_cause(told: list[dict[str, Any]], ends: dict[int, int], count: int) -> dict[str, Any]:
    """The error that the others followed from, as exit.json keeps it.

    Args:
        told: what processes wrote of their own failure, oldest first, each with ``rank``.
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
        return told[0] | {"kind": "crash"}
    rank, code = next(iter(ends.items()))
    message = f"process {rank + 1} of {count} ended with exit code {code} and no verdict"
    return {"kind": "crash", "message": message, "hint": None, "traceback": None}


def main(arguments: list[str]) -> int:
    """The command line."""
    faulthandler.enable()
    if len(arguments) != 3 or not arguments[0].isdecimal():
        print("usage: python -m core.engine.launch COUNT MODULE FOLDER", file=sys.stderr)
        return 2
    run_id = os.environ.get("DIAPASON_RUN") or f"by-hand-{os.getpid()}-{time.time_ns()}"
    os.environ["DIAPASON_RUN"] = run_id
    attempt = int(os.environ.get("DIAPASON_ATTEMPT") or 1)
    return launch(int(arguments[0]), arguments[1], Path(arguments[2]), run_id, attempt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
