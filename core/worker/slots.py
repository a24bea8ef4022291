"""Locks on what a job occupies, one per card and one for the processor: the machine's, for all of its users."""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from core.errors import DiapasonError
from core.files import is_locked

#: Names another folder for the locks than ``diapason-locks`` in the system's temporary folder.
LOCKS = "DIAPASON_LOCKS"
CPU = "cpu"


def locks_dir() -> Path:
    """The folder of the machine's locks, made on demand, that every user may put locks into (mode 1777).

    Raises:
        DiapasonError: where it cannot be made, or something else stands in its place.
    """
    chosen = os.environ.get(LOCKS)
    if chosen:
        path = Path(chosen).absolute()
    else:
        import tempfile  # only here: a runner is to stay small

        path = Path(tempfile.gettempdir()) / "diapason-locks"
    try:
        try:
            path.mkdir(mode=0o777)
            path.chmod(0o1777)
        except FileExistsError:
            pass
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise DiapasonError("this must be a folder", where=str(path), hint="Remove it, then try again.")
    except OSError as error:
        raise DiapasonError(
            f"cannot make the folder of locks: {error.strerror}",
            where=str(path),
            hint=f"Set TMPDIR or {LOCKS} to a local folder that you can write to.",
        ) from error
    return path


class Slot:
    """The right to use one card (named by its UUID) or the processor (``cpu``), for as long as it is held."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = locks_dir() / f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in name)}.lock"
        self._handle: int | None = None
        self._touched = 0.0

    def acquire(self) -> bool:
        """Take the slot; False where it is taken.

        Raises:
            OSError: where locks do not work.
        """
        handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A cleaner of temporary files may have removed the name in between: then somebody has another file.
            if os.fstat(handle).st_ino != self.path.stat().st_ino:
                os.close(handle)
                return False
        except (BlockingIOError, FileNotFoundError):
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        self._write({"user": os.getuid(), "pid": os.getpid(), "since": time.time()})
        self.keep()
        return True

    def _open(self) -> int:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self.path, os.O_RDWR | flags)
        except FileNotFoundError:
            pass
        # In a sticky folder the kernel forbids O_CREAT on a file of another user (fs.protected_regular).
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        try:
            os.fchmod(handle, 0o666)
        except PermissionError:
            pass
        return handle

    def _write(self, holder: dict[str, float]) -> None:
        if self._handle is None:
            return
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(holder).encode(), 0)
        except OSError:  # a full disk: the lock holds all the same
            pass

    @property
    def handle(self) -> int | None:
        """The lock's file descriptor: a child that inherits it holds the slot too, even without this process."""
        return self._handle

    def holder_ids(self) -> tuple[int, int] | None:
        """(user id, process id) of the runner that has the slot, where it is known."""
        try:
            found = json.loads(self.path.read_bytes()[:1000])
            return int(found["user"]), int(found["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def holder(self) -> str:
        """Who has the slot, for a person: ``user ada, process 4711``; empty where it is not known."""
        ids = self.holder_ids()
        if ids is None:
            return ""
        user, pid = ids
        try:
            import pwd

            name = pwd.getpwuid(user).pw_name
        except KeyError:
            name = str(user)
        return f"user {name}, process {pid}"

    @property
    def free_seconds(self) -> float:
        """How long ago a runner gave it back; 0 while one has it, infinite where none ever had it."""
        if self.taken:
            return 0.0
        try:
            return max(0.0, time.time() - self.path.stat().st_mtime)
        except OSError:
            return math.inf

    @property
    def taken(self) -> bool:
        """Whether a runner has the slot."""
        return is_locked(self.path)

    def keep(self) -> None:
        """Make the file look used, now and then, so that no cleaner of temporary files removes it."""
        now = time.monotonic()
        if self._handle is not None and (not self._touched or now - self._touched > 3600):
            self._touched = now
            try:
                os.utime(self._handle)
            except OSError:
                pass

    def release(self) -> None:
        """Give the slot back."""
        if self._handle is not None:
            try:
                os.utime(self._handle)
            except OSError:
                pass
            os.close(self._handle)
            self._handle = None


class Slots:
    """The slots of one job, held together."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = tuple(slots)

    @property
    def name(self) -> str:
        """Their names, with commas between them, as CUDA_VISIBLE_DEVICES takes them."""
        return ",".join(slot.name for slot in self._slots)

    @property
    def handles(self) -> list[int]:
        """The locks' file descriptors: a child that inherits them holds the slots too, even without this process."""
        return [slot.handle for slot in self._slots if slot.handle is not None]

    def keep(self) -> None:
        """Make the files look used, now and then."""
        for slot in self._slots:
            slot.keep()

    def release(self) -> None:
        """Give the slots back."""
        for slot in self._slots:
            slot.release()
