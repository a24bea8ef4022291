"""A job without a model, for tests of the runner: real events, checkpoints, inbox and verdicts, and accidents.

``spec["fake"]``: steps; pause (seconds a step); seal (steps between checkpoints); accidents {attempt: [step,
kill|segv|hang|raise|exit|child|oom|gpu]}; deaf: takes no stop; the step it resumes from is its last sealed one.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.engine.job import Job, JobError, describe
from core.files import read_jsonl, write_json


def _resume_step(job: Job) -> int:
    events = read_jsonl(job.folder / "events.jsonl")[0]
    return max((event["step"] for event in events if event["event"] == "checkpoint"), default=0)


def _accident(kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "raise":
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    elif kind == "oom":
        raise JobError("gpu_oom", "the GPU ran out of memory")
    elif kind == "gpu":
        raise JobError("gpu_lost", "the GPU failed: CUDA error: unspecified launch failure")
    elif kind == "hang":
        time.sleep(600)
    elif kind == "exit":
        print("ImportError: libnothing.so: cannot open shared object file", flush=True)
        os._exit(7)
    elif kind == "child":
        # A rank that outlives its launcher: same environment, a session of its own.
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        Path("child.pid").write_text(str(child.pid))


def _seal(job: Job, step: int) -> None:
    folder = job.folder / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "MANIFEST.json", {"files": {}, "step": step})
    job.emit("checkpoint", sync=True, step=step, path=str(folder), seconds=0.01, best=False)


def _work(job: Job, plan: dict[str, Any]) -> str:
    steps, first = int(plan.get("steps", 5)), _resume_step(job)
    job.emit(
        "start", attempt=job.attempt, pid=os.getpid(), total_steps=steps, resumed_from=first or None, device="cpu",
        micro_batch=os.environ.get("DIAPASON_MICRO_BATCH"), accumulation=os.environ.get("DIAPASON_ACCUMULATION"),
        forced=os.environ.get("DIAPASON_FORCE"),
    )  # fmt: skip
    at, kind = (plan.get("accidents") or {}).get(str(job.attempt), [None, ""])
    for step in range(first + 1, steps + 1):
        time.sleep(float(plan.get("pause", 0.02)))
        job.step = step
        loss = 2.0 / step
        job.emit("step", step=step, epoch=step / steps, loss=loss, learning_rate=1e-4, seconds=0.02)
        if step == at:
            _accident(kind)
        job.look()
        stop = job.stop_asked and not plan.get("deaf")
        if step % int(plan.get("seal", 2)) == 0 or stop or job.take("checkpoint"):
            _seal(job, step)
        if stop:
            return "stopped"
    return "completed"


def main(folder: str) -> int:
    """Run the job in `folder`."""
    job = Job(Path(folder), int(os.environ["DIAPASON_ATTEMPT"]))
    plan = job.spec.get("fake") or {}
    print(f"attempt {job.attempt}, cards {os.environ.get('CUDA_VISIBLE_DEVICES')!r}", flush=True)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if plan.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        job.catch_signals()
    try:
        job.end(_work(job, plan))
    except (RuntimeError, JobError) as error:
        job.end("failed", describe(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
