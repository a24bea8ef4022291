"""Run a job in its folder: ``python -m core.engine FOLDER``; or talk to a run's model: ``… chat RUN_FOLDER``."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from pathlib import Path

from core.engine.job import Job, Stopped, describe
from core.errors import DiapasonError
from core.home import cache_dir


def _environment() -> None:
    """Settings that must stand before torch and the Hugging Face libraries are imported."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A job's model and data are on this machine: nothing that it does needs the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # evaluate copies the metric modules that it loads; not into a cache that is not ours.
    with contextlib.suppress(DiapasonError):
        os.environ.setdefault("HF_MODULES_CACHE", str(cache_dir() / "modules"))
    # Several visible cards without a launcher make the Trainer raise; the runner pins one by its UUID.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")


def _room(job: Job) -> str:
    """Do what the job's spec says and return the status it ended with: completed or stopped."""
    kind = job.spec.get("kind")
    if kind == "train":
        from core.engine.train import train

        return train(job)
    if kind in ("evaluate", "generate"):
        from core.engine.evaluate import answer_and_score

        return answer_and_score(job)
    raise DiapasonError(f"there is no job of the kind `{kind}`", where=str(job.folder / "spec.json"))


def run(folder: Path) -> int:
    """Run the job in `folder` to its end; 0 where it completed or stopped, 1 where it failed."""
    try:
        attempt = int(os.environ.get("DIAPASON_ATTEMPT") or 1)
        rank = os.environ.get("RANK")
        job = Job(folder, attempt, int(rank) if rank else None)
    except (DiapasonError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    job.catch_signals()
    if job.finished():
        print("This job has been completed before; there is nothing to do.", flush=True)
        job.leave("completed")
        return 0
    try:
        if job.rank is None:
            job.check_stop()
        job.end(_room(job))
        return 0
    except Stopped:
        job.end("stopped")
        return 0
    except BaseException as error:
        record = describe(error)
        if record["kind"] == "crash" and job.spec.get("kind") not in ("train", None):
            # It has no checkpoints, and nobody resumes it: it is asked for again.
            record["hint"] = "The traceback is in this job's log. Ask for it again: answers that are there are kept."
        if record["traceback"]:
            traceback.print_exc()
        print(f"error: {record['message']}", file=sys.stderr, flush=True)
        if record["hint"]:
            print(f"  {record['hint']}", file=sys.stderr, flush=True)
        # A full disk may refuse the event: the verdict file must still be tried.
        with contextlib.suppress(OSError):
            job.emit("end", sync=True, status="failed", step=job.step, seconds=job.seconds)
        with contextlib.suppress(OSError):
            job.leave("failed", record)
        return 1


def main(arguments: list[str]) -> int:
    """The engine's command line."""
    faulthandler.enable()
    # The runner asks a job that hangs where it hangs.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    _environment()
    if len(arguments) == 2 and arguments[0] == "chat":
        from core.engine.chat import serve

        return serve(Path(arguments[1]))
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m core.engine FOLDER | chat RUN_FOLDER", file=sys.stderr)
        return 2
    if "RANK" not in os.environ:
        return run(Path(arguments[0]))
    return _run_rank(Path(arguments[0]))


def _run_rank(folder: Path) -> int:
    """Run the job as one of a launcher's processes."""
    from core.engine.ranks import die_with_launcher

    die_with_launcher()
    if os.environ["RANK"] != "0":
        # What all of them would say is said once; errors go to stderr.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123
    code = run(folder)
    if code:
        # Communication that was cut off hangs in its destructors.
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
