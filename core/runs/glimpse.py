"""A quick look at a long run: its newest lines whole and a sample of the rest, until all of it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from core.runs.course import Course
from core.runs.folder import RunFolder
from core.runs.machine import MachineCourse
from core.runs.tail import Tail
from core.runs.view import RunView

#: A longer file of events is not read in full before the first look.
LONG_BYTES = 4 << 20
_END = 1 << 15
_SAMPLES = 240
_WINDOW = 1 << 11


class SampledTail(Tail):
    """Yields at first lines from all over the file, without a gap at its start and its end; then what is new."""

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield what the class says, in the order of the file."""
        try:
            about = self.path.stat()
            if self.position[1] or about.st_size <= 4 * _END:
                yield from super().read()
                return
            with self.path.open("rb") as handle:
                yield from _objects(handle.read(_END).split(b"\n")[:-1])
                stride = max(1, (about.st_size - 2 * _END) // _SAMPLES)
                for place in range(_END, about.st_size - _END, stride):
                    # The window's first and last line are torn.
                    yield from _objects(os.pread(handle.fileno(), _WINDOW, place).split(b"\n")[1:-1][:1])
                handle.seek(max(_END, about.st_size - _END))
                lines = handle.read().split(b"\n")
                end = handle.tell() - len(lines[-1])
        except OSError:
            return
        self.seek((about.st_ino, end))
        yield from _objects(lines[1:-1])


def _objects(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def glimpse(folder: RunFolder) -> tuple[RunView, Course, MachineCourse]:
    """The run as a sample of its steps shows it: evaluations, checkpoints and watchers may be missing."""
    course, machine = Course(), MachineCourse(folder)
    machine.tail = SampledTail(folder.gpu)
    return RunView(folder, course, events=SampledTail(folder.events)), course, machine
