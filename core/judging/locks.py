"""Who may write what in a judging's folder: each judge has a file of votes, and all share one session."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DiapasonError
from core.files import Lock, is_locked

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
# Preparing a session takes milliseconds, a long one seconds.
_PATIENCE_SECONDS = 10.0


def file_name(judge: str) -> str:
    """`judge` as a part of a file's name: itself where it is plain, else made plain and told apart by a hash."""
    if _PLAIN.fullmatch(judge):
        return judge
    plain = re.sub(r"[^a-z0-9]+", "-", judge.casefold()).strip("-")[:30] or "judge"
    return f"{plain}-{hashlib.sha256(judge.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def votes_file(folder: Path, judge: str) -> Path:
    """Where the votes of `judge` are appended to."""
    return folder / f"votes-{file_name(judge)}.jsonl"


def judge_lock(folder: Path, judge: str) -> Lock:
    """The lock of `judge` on a judging, taken: several may judge at a time, but nobody twice.

    Raises:
        DiapasonError: where the same judge is at it elsewhere, or the folder cannot be locked.
    """
    path = folder / f"judge-{file_name(judge)}.lock"
    lock = Lock(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if lock.acquire():
            path.write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
            return lock
        holder = path.read_text("utf-8", "replace").strip() or "another process"
    except OSError as error:
        raise _no_locks(path, error) from error
    raise DiapasonError(
        f"is being judged already, by {judge}, {holder}",
        where=folder.parent.name if folder.name == "judging" else folder.name,
        hint="Close the other window first, or judge under another name: --judge NAME. Nothing is lost.",
    )


@contextmanager
def session_lock(folder: Path) -> Generator[None]:
    """Hold the lock under which the session is begun, lengthened or set aside.

    Raises:
        DiapasonError: where another process keeps it, or the folder cannot be locked.
    """
    path = folder / "judging.lock"
    lock = Lock(path)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not lock.acquire():
            if time.monotonic() > deadline:
                raise DiapasonError(
                    "is kept by another process", where=str(path), hint="Try again once it has ended."
                )
            time.sleep(0.02)
    except OSError as error:
        raise _no_locks(path, error) from error
    try:
        yield
    finally:
        lock.release()


def refuse_while_judged(folder: Path, judge: str | None = None) -> None:
    """Raise a DiapasonError where someone else than `judge` is judging: a session is not set aside under them."""
    own = f"judge-{file_name(judge)}.lock" if judge is not None else ""
    for path in sorted(folder.glob("judge-*.lock")):
        if path.name != own and is_locked(path):
            raise DiapasonError(
                "is being judged by someone else, so it cannot begin anew",
                where=str(path),
                hint="Wait until they have left it.",
            )


def _no_locks(path: Path, error: OSError) -> DiapasonError:
    return DiapasonError(
        f"cannot be locked for judging: {error.strerror}",
        where=str(path),
        hint="The folder must be writable, on a file system that has locks.",
    )
