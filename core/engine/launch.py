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
import tempfile
import time
from pathlib import Path

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from core.engine.failures import failures, first_cause
from core.files import read_json, write_json
from core.hardware import cpu_count
from core.runs.process import marked


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
        with tempfile.TemporaryDirectory(prefix="diapason-torchrun-") as logs:
            torchrun.run(torchrun.parse_args([*options, f"--log-dir={logs}", "-m", module, str(folder)]))
    except ChildFailedError as error:
        ends = {rank: failure.exitcode for rank, failure in error.failures.items()}
        verdict = folder / f"exit.{attempt}.json"
        if not isinstance(read_json(verdict), dict):
            told = failures(folder, attempt)
            found = first_cause([record["error"] for record in told], ends, count)
            print(f"error: {found['message']}", file=sys.stderr, flush=True)
            step = max((record["step"] for record in told), default=0)
            write_json(verdict, {"status": "failed", "step": step, "error": found})
        return 1
    return 0


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
