"""The runner's measuring child, which can be killed when a driver hangs: ``python -m core.sampler cards``
prints the cards; ``… watch FILE PID`` appends a sample of the machine and of the job PID to FILE every 5 s.

It stands outside `core.worker`, which imports the standard library only.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from core.files import JsonlWriter, Lock
from core.hardware import gpus, sample

_EVERY = 5.0
_NAP = 0.5


def watch(path: Path, pid: int) -> None:
    """Append a sample to `path` every 5 s until the process `pid` or the parent of this one has ended.

    Each line is what `core.hardware.sample` gives, with ``m`` (monotonic seconds) and ``job``: ``{"pid", "rss"
    (bytes, of its whole tree), "cpu_percent" (100 a core)}``, and ``disk_free``: bytes free where `path` is.
    """
    parent = os.getppid()
    # The sampler of a runner that was killed leaves within a second; until then the file is its own.
    with Lock(path):
        writer = JsonlWriter(path)
        processes: dict[int, psutil.Process] = {}
        first = True
        while os.getppid() == parent:
            try:
                job = _measure(pid, processes)
                value = sample()
                # A rate needs two looks: the first line would show no use at all.
                if not first:
                    free = shutil.disk_usage(path.parent).free
                    writer.write({**value, "m": time.monotonic(), "job": job, "disk_free": free})
            except psutil.NoSuchProcess:
                return
            except OSError:  # a full disk: the next sample may find room
                pass
            # In short naps: it leaves as soon as its runner is gone.
            for _ in range(1 if first else int(_EVERY / _NAP)):
                time.sleep(_NAP)
                if os.getppid() != parent:
                    return
            first = False


def _measure(pid: int, known: dict[int, psutil.Process]) -> dict[str, Any]:
    root = known.setdefault(pid, psutil.Process(pid))
    if root.status() == psutil.STATUS_ZOMBIE:
        raise psutil.NoSuchProcess(pid)
    tree = {process.pid: known.get(process.pid, process) for process in [root, *root.children(recursive=True)]}
    known.clear()
    known.update(tree)
    memory, load = 0, 0.0
    for process in tree.values():
        try:
            memory += process.memory_info().rss
            load += process.cpu_percent(None)
        except psutil.Error:
            continue
    return {"pid": pid, "rss": memory, "cpu_percent": round(load, 1)}


def main(arguments: list[str]) -> int:
    """The command line."""
    if arguments == ["cards"]:
        print(json.dumps([dataclasses.asdict(gpu) for gpu in gpus()]))
        return 0
    if len(arguments) == 3 and arguments[0] == "watch" and arguments[2].isdigit():
        watch(Path(arguments[1]), int(arguments[2]))
        return 0
    print("usage: python -m core.sampler cards | watch FILE PID", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
