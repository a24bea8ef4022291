"""Files that survive a crash: atomic writes, append-only JSON lines, locks, and sortable identifiers."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Crockford's base 32, which sorts as it counts.
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_ulid() -> str:
    """A new ULID in lower case: 48 bits of milliseconds, 80 random bits (github.com/ulid/spec)."""
    number = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10))
    return "".join(DIGITS[(number >> shift) & 31] for shift in range(125, -1, -5))


def sync_dir(path: Path) -> None:
    """Flush a directory's entries to disk, where the file system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o600) -> None:
    """Replace `path` by `content`: readers see the old or the new file, whole, even after a crash.

    Raises:
        OSError: when the folder is missing, read-only or full; the old file is then untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinities become null, as JSON has neither."""
    write_atomic(path, json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any | None:
    """The value in the JSON file `path`, or None where the file is missing or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def finite(value: Any) -> Any:
    """`value` with every NaN and infinity inside replaced by None."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


class JsonlWriter:
    """Appends one JSON object a line to a file that this process alone writes.

    A torn last line, left by a crash, is ended first, so that it cannot swallow the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        size = os.fstat(self._handle.fileno()).st_size
        self._torn = size > 0 and os.pread(self._handle.fileno(), 1, size - 1) != b"\n"

    def write(self, value: dict[str, Any], *, sync: bool = False) -> None:
        """Append `value`; with `sync` it is on disk when this returns. Raises OSError when the disk is full."""
        line = json.dumps(finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._torn:
            data = b"\n" + data
        # A nearly full disk takes part of a line without an error: such a line must not pass for written.
        self._torn = True
        if self._handle.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._torn = False
        if sync:
            os.fdatasync(self._handle.fileno())

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def read_jsonl(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The objects in `path` from byte `offset` on, and the offset to go on from.

    A last line without its line feed is held back for the next call; lines that are not JSON objects
    (torn ones, NUL blocks) are passed over. A missing file gives none; a file shorter than `offset` is
    read again from its start.
    """
    try:
        with path.open("rb") as handle:
            if os.fstat(handle.fileno()).st_size < offset:
                offset = 0
            handle.seek(offset)
            data = handle.read()
    except FileNotFoundError:
        return [], 0
    end = data.rfind(b"\n") + 1
    return list(objects(data[:end])), offset + end


def objects(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines of `data`; other lines are passed over."""
    for line in data.split(b"\n"):
        try:
            value = json.loads(line.strip(b"\0"))
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


class Lock:
    """An advisory lock on a file (flock), held while this object is: released when the process dies.

    The handle is close-on-exec, so that a child never keeps it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self, *, wait: bool = False, mode: int = 0o600) -> bool:
        """Take the lock; without `wait` return False at once where someone else has it.

        Raises:
            OSError: where the file system has no locks.
        """
        if self._handle is not None:
            return True
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        # A reader's probe (`is_locked`) holds the lock for microseconds: try again before giving up.
        for last in (False, False, False, True):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                if last:
                    break
                time.sleep(0.01)
            except BaseException:
                os.close(handle)
                raise
            else:
                self._handle = handle
                return True
        os.close(handle)
        return False

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Lock:
        self.acquire(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether another holder has the lock on `path`; a missing file is not locked."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks: nobody can have taken one.
        return False
    finally:
        os.close(handle)
    return False
