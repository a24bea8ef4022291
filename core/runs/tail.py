"""Follow files that another process appends to, reading each byte once."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CHUNK = 1 << 18


class Tail:
    """The objects appended to one JSONL file since the last look.

    A torn last line is held back, a line that is not an object is passed over, and a file that was
    replaced or cut is read again from its start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._inode = 0

    @property
    def position(self) -> tuple[int, int]:
        """(inode, offset) up to which the file was read."""
        return self._inode, self._offset

    def seek(self, position: tuple[int, int]) -> None:
        """Go on from a `position` that another reader of the file has reached."""
        self._inode, self._offset = position

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield what is new; nothing where the file is missing or unreadable."""
        try:
            about = self.path.stat()
            if about.st_ino != self._inode or about.st_size < self._offset:
                self._inode, self._offset = about.st_ino, 0
            if about.st_size == self._offset:
                return
            handle = self.path.open("rb")
        except OSError:
            return
        with handle:
            handle.seek(self._offset)
            rest = b""
            while chunk := handle.read(_CHUNK):
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line, value in zip(lines, _parsed(lines), strict=True):
                    self._offset += len(line) + 1
                    if isinstance(value, dict):
                        yield value


def _parsed(lines: list[bytes]) -> list[Any]:
    """The value of each line, None where it is no JSON."""
    try:
        # All at once is three times as fast as one by one.
        values = json.loads(b"[" + b",".join(lines) + b"]")
        if len(values) == len(lines):
            return values
    except ValueError:
        pass
    return [_value(line) for line in lines]


def _value(line: bytes) -> Any:
    try:
        return json.loads(line.strip(b"\0"))
    except ValueError:
        return None


def last_object(path: Path, window: int = 1 << 16) -> dict[str, Any] | None:
    """The last whole JSON object in the last `window` bytes of `path`, or None."""
    found = last_objects(path, 1, window)
    return found[0] if found else None


def last_objects(path: Path, count: int, window: int = 1 << 16) -> list[dict[str, Any]]:
    """The last `count` whole JSON objects in the last `window` bytes of `path`, in the order of the file."""
    found: list[dict[str, Any]] = []
    for line in reversed(_end(path, window).split(b"\n")[:-1]):
        if len(found) >= count:
            break
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found[::-1]


def last_lines(path: Path, count: int, window: int = 1 << 17) -> list[str]:
    """The last `count` lines within the last `window` bytes of a text file, as they are (make them visible to show).

    Of a line that a progress bar wrote over with carriage returns, what it showed last.
    """
    text = _end(path, window).decode("utf-8", "replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")]
    return lines[-count:] if text and count > 0 else []


def lines_with(path: Path, needle: str, count: int, window: int = 1 << 26) -> list[str]:
    """The last `count` lines that hold `needle`, whatever the case, within the last `window` bytes of a text file."""
    wanted = needle.casefold()
    found: deque[str] = deque(maxlen=count)
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, os.fstat(handle.fileno()).st_size - window))
            for raw in handle:
                line = raw.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
                if wanted in line.casefold():
                    found.append(line)
    except OSError:
        return []
    return list(found)


def _end(path: Path, window: int) -> bytes:
    try:
        with path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            handle.seek(max(0, size - window))
            data = handle.read(window)
    except OSError:
        return b""
    return data if size <= window else data[data.find(b"\n") + 1 :]
