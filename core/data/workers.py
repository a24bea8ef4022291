"""The rows of a large file, read by several processes at once."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from core.data.dataset import Dataset
from core.data.scan import Scan, Scanner
from core.data.scan_worker import Job
from core.data.tally import Maker
from core.errors import DiapasonError
from core.hardware import cpu_count

SHARED_FROM = 16 << 20
"""Files of fewer bytes are read by the process that asks: the others would take longer to start."""
_RANGE = 24 << 20
_WAIT = 0.2
Told = Callable[[int, int], object]
"""``told(rows, bytes)``, how much is done of all; it may raise to end the pass."""


def scan_all(dataset: Dataset, makers: Sequence[Maker], told: Told) -> Scan:
    """Look at every row, in as many processes as there are processors where the file is large.

    Raises:
        DiapasonError: a process ended before it was done, or the file changed.
    """
    total = len(dataset)
    dataset.detect_format()
    count = min(cpu_count(), 8)
    if count < 2 or dataset.size < SHARED_FROM or not dataset.source.shareable:
        rows = size = 0

        def tell(more: int, read: int) -> None:
            nonlocal rows, size
            rows, size = rows + more, size + read
            told(rows, size)

        return Scanner(dataset, makers).scan(0, total, tell)
    job = Job(dataset.path, dataset.forced, str(dataset.mapping) if dataset.mapping else None, total, tuple(makers))
    return _Crew(job, list(_ranges(dataset)), count, told).run()


def _ranges(dataset: Dataset) -> Iterator[tuple[int, int]]:
    """Ranges of rows of about the same size in bytes."""
    ends = dataset.source.index().ends
    first = 0
    while first < len(ends):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _RANGE, side="right")))
        yield first, last
        first = last


class _Crew:
    """Processes that read the ranges, each the next one that nobody has."""

    def __init__(self, job: Job, ranges: list[tuple[int, int]], count: int, told: Told) -> None:
        self._job, self._ranges, self._told = job, ranges, told
        self._next = 0
        self._done: dict[int, Scan] = {}
        self._rows = self._bytes = 0
        self._busy: dict[int, int] = {}
        self._answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._workers = [_start() for _ in range(min(count, len(ranges)))]

    def run(self) -> Scan:
        """The passes over all ranges, put together in order."""
        merged = Scan()
        upcoming = 0
        try:
            for number, worker in enumerate(self._workers):
                Thread(target=self._read, args=(number, worker), daemon=True).start()
                self._send(worker, self._job)
                self._give(number)
            while upcoming < len(self._ranges):
                with suppress(Empty):
                    self._take(*self._answers.get(timeout=_WAIT))
                self._told(self._rows, self._bytes)
                while upcoming in self._done:
                    merged.merge(self._done.pop(upcoming))
                    upcoming += 1
        finally:
            for worker in self._workers:
                worker.kill()
                worker.wait()
        return merged

    def _read(self, number: int, worker: subprocess.Popen[bytes]) -> None:
        """Pass on what a worker answers; None at its end. Runs in a thread of its own."""
        assert worker.stdout is not None
        with worker.stdout as pipe:
            try:
                while True:
                    self._answers.put((number, pickle.load(pipe)))
            except (EOFError, OSError, pickle.UnpicklingError):
                self._answers.put((number, None))

    def _take(self, number: int, answer: Any) -> None:
        if answer is None:
            if number in self._busy:
                code = self._workers[number].wait()
                raise DiapasonError(
                    f"a process of the check ended before it was done (exit code {code})",
                    where=str(self._job.path),
                    hint="Perhaps memory ran out: `dmesg` says so. Check the file again.",
                )
        elif answer[0] == "told":
            self._rows += answer[1]
            self._bytes += answer[2]
        elif answer[0] == "done":
            self._done[self._busy.pop(number)] = answer[1]
            self._give(number)
        else:
            _, message, where, hint = answer
            raise DiapasonError(message, where=where or str(self._job.path), hint=hint)

    def _give(self, number: int) -> None:
        """Give a worker the next range, or let it end where there is none."""
        worker = self._workers[number]
        if self._next < len(self._ranges):
            self._busy[number] = self._next
            self._send(worker, self._ranges[self._next])
            self._next += 1
        elif worker.stdin:
            worker.stdin.close()

    def _send(self, worker: subprocess.Popen[bytes], message: object) -> None:
        assert worker.stdin is not None
        # One that has ended says so at the other end.
        with suppress(BrokenPipeError):
            pickle.dump(message, worker.stdin, pickle.HIGHEST_PROTOCOL)
            worker.stdin.flush()


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(item for item in (root, os.environ.get("PYTHONPATH", "")) if item)
    # One thread each: numpy's own would only stand in each other's way.
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "core.data.scan_worker"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )
