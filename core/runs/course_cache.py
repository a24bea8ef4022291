"""The course of a run on disk, so that a look at a long run need not read all of it again.

A file for each run in the home's cache folder: a line of JSON, which says of what it is, and numbers. It holds no
more than can be read again; one that does not fit its run, or is damaged, counts for nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import write_atomic
from core.home import cache_dir
from core.runs.course import COLUMNS, FINE, Course
from core.runs.decimate import Bucket, Decimated
from core.runs.folder import RunFolder
from core.runs.glimpse import LONG_BYTES
from core.runs.machine import MachineCourse
from core.runs.view import RunView

#: Steps that are read again at the next look, at most about: a tenth of a second's work.
SAVE_EVERY = 5000
_VERSION = 4
_BEFORE = 4096
_FILES = 50
_FIELDS = 7


def cache_file(folder: RunFolder) -> Path:
    """Where the course of `folder` is kept."""
    return cache_dir() / "courses" / folder.id


def open_run(folder: RunFolder) -> tuple[RunView, Course, MachineCourse]:
    """A look at a run, in bounded room: from what was kept of it, else from its files, which is kept then."""
    found = load(folder)
    if found is None:
        course, machine = Course(), MachineCourse(folder)
        found = RunView(folder, course), course, machine
    keep_new(*found)
    return found


def keep_new(view: RunView, course: Course, machine: MachineCourse) -> None:
    """Keep what was read of a run, where there is enough that is new."""
    long = not course.kept and view.folder.events.is_file() and view.folder.events.stat().st_size > LONG_BYTES
    if long or course.taken - course.kept >= SAVE_EVERY:
        machine.refresh()
        save(view, course, machine)


def quick(folder: RunFolder) -> tuple[RunView, Course, MachineCourse] | None:
    """As `open_run`, where it takes no longer than a look may; None: more than that is yet to be read."""
    try:
        size = folder.events.stat().st_size
    except OSError:
        size = 0
    if size <= LONG_BYTES:
        return open_run(folder)
    return load(folder, LONG_BYTES)


def save(view: RunView, course: Course, machine: MachineCourse) -> None:
    """Keep what was read of a run; where that cannot be written the next look reads all of it."""
    # At least 1: what is long by other things than steps is kept once.
    course.kept = max(1, course.taken)
    columns = _columns(course, machine)
    numbers = array("d")
    for column in columns:
        for one in column.buckets:
            numbers.extend((one.first, one.last, one.low, one.high, one.total, one.count, one.points))
    for row in course.portions.rows:
        numbers.extend(row)
    state = {
        "view": view.keep(),
        "course": course.keep(),
        "sizes": [len(column.buckets) for column in columns],
        "cards": {name: len(many) for name, many in machine.columns.items()},
        "machine": [machine.last, machine.taken, machine.tail.position],
    }
    body = json.dumps(state).encode() + b"\n" + numbers.tobytes()
    about = {
        "version": _VERSION,
        "run": view.folder.id,
        "marks": {path.name: [*place, _mark(path, place[1])] for path, place in _places(view, machine)},
        "sum": hashlib.blake2b(body).hexdigest(),
    }
    with contextlib.suppress(OSError, DiapasonError):
        path = cache_file(view.folder)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, json.dumps(about).encode() + b"\n" + body)
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)[:-_FILES]:
            old.unlink(missing_ok=True)


def load(folder: RunFolder, most: float = math.inf) -> tuple[RunView, Course, MachineCourse] | None:
    """Go on from what was kept of `folder`; None where there is nothing that fits it, or more than `most` bytes are
    still to be read."""
    try:
        head, state, numbers = cache_file(folder).read_bytes().split(b"\n", 2)
        about = json.loads(head)
        right = about["version"] == _VERSION and about["run"] == folder.id
        if not right or about["sum"] != hashlib.blake2b(state + b"\n" + numbers).hexdigest():
            return None
        if folder.events.stat().st_size - about["marks"][folder.events.name][1] > most:
            return None
        if not all(_fits(folder.path / name, *mark) for name, mark in about["marks"].items()):
            return None
        return _restored(folder, json.loads(state), array("d", numbers))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DiapasonError):
        return None


def _columns(course: Course, machine: MachineCourse) -> list[Decimated]:
    return [*(course.columns[name] for name in COLUMNS), *(one for many in machine.columns.values() for one in many)]


def _places(view: RunView, machine: MachineCourse) -> Iterator[tuple[Path, tuple[int, int]]]:
    kept = view.keep()
    yield view.folder.events, kept["events"]
    yield view.folder.samples, kept["answers"]
    yield view.folder.gpu, machine.tail.position


def _fits(path: Path, inode: int, offset: int, mark: str) -> bool:
    """Whether the file is still the one that was read up to `offset`, grown at most."""
    if not offset:
        return True
    about = path.stat()
    return about.st_ino == inode and about.st_size >= offset and _mark(path, offset) == mark


def _mark(path: Path, offset: int) -> str:
    """What the file holds right before `offset`, in brief."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        start = max(0, offset - _BEFORE)
        file.seek(start)
        return hashlib.blake2b(file.read(offset - start), digest_size=16).hexdigest()
    return ""


def _restored(
    folder: RunFolder, state: dict[str, Any], numbers: array[float]
) -> tuple[RunView, Course, MachineCourse]:
    course, machine = Course(), MachineCourse(folder)
    course.take_back(state["course"])
    for name, many in state["cards"].items():
        machine.columns[name] = [Decimated(FINE) for _ in range(many)]
    columns = _columns(course, machine)
    at = 0
    for column, size in zip(columns, state["sizes"], strict=True):
        end = at + size * _FIELDS
        column.restore(partial(_buckets, numbers[at:end]))
        at = end
    course.portions.restore(numbers[at:].tolist())
    machine.last, machine.taken, (inode, offset) = state["machine"]
    machine.tail.seek((inode, offset))
    return RunView(folder, course, state["view"]), course, machine


def _buckets(values: array[float]) -> list[Bucket]:
    each = [iter(values)] * _FIELDS
    return [
        Bucket(first, last, low, high, total, int(count), int(points))
        for first, last, low, high, total, count, points in zip(*each)
    ]
