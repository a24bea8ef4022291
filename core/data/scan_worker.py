"""A process that reads ranges of a file's rows for a check: `python -m core.data.scan_worker`.

It is spoken to through pipes, with pickles: a `Job` first, then ranges (first row, row after the last). It answers
each with ("told", rows, bytes) as it goes on and ("done", Scan) at the end, or with ("error", message, where, hint);
and it ends with its standard input, so that it never outlives who asked.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from core.data.dataset import open_dataset
from core.data.scan import Scanner
from core.data.tally import Maker
from core.errors import DiapasonError

_NICE = 10


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be read: the file as `open_dataset` takes it, how many rows it has, and who looks at them."""

    path: Path
    format: str | None
    map: str | None
    rows: int
    makers: tuple[Maker, ...]


def main() -> None:
    """Answer until the standard input ends."""
    # Whoever types comes first: the screen is drawn by the process that asked.
    os.nice(_NICE)
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever prints must not get between the answers.
    os.dup2(2, 1)
    asked = sys.stdin.buffer

    def say(*answer: object) -> None:
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    try:
        job: Job = pickle.load(asked)
        # A range takes seconds: who asked may be gone before it is done.
        parent = os.getppid()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        scanner = _open(job)
        while True:
            first, last = pickle.load(asked)
            say("done", scanner.scan(first, last, lambda rows, size: say("told", rows, size)))
    except (EOFError, BrokenPipeError):
        return
    except DiapasonError as error:
        say("error", error.message, error.where, error.hint)
    except Exception as error:
        say(
            "error",
            f"the check failed: {type(error).__name__}: {error}",
            "",
            "This is a bug of Diapason's: report it.",
        )


def _open(job: Job) -> Scanner:
    dataset = open_dataset(job.path, job.format, job.map)
    if len(dataset) != job.rows:
        raise DiapasonError("the file has changed while it was checked", where=str(job.path))
    dataset.detect_format()
    return Scanner(dataset, job.makers)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(1)


if __name__ == "__main__":
    main()
