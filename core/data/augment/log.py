"""What was asked and answered, line by line beside the output, so that nothing is asked twice."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from core.errors import DiapasonError, UsageError

Pair = tuple[str, str]
_LONGEST_ABOUT = 1 << 20
_BEGIN = b'{"about": '
# Logs of earlier versions do not name these.
_NEWER = frozenset({"format"})
_MOST_COUNTED = 10**12


@dataclass(slots=True)
class Kept:
    """What an earlier run left: variants by row and the tokens spent (prompt, answer)."""

    variants: dict[int, list[Pair]] = field(default_factory=dict[int, list[Pair]])
    given: int = 0
    made: int = 0


def read_about(path: Path) -> dict[str, Any] | None:
    """What the log at `path` is for, as it was given to `Log`; None where there is no such log."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_ABOUT)
    except OSError:
        return None
    about = _entry(line).get("about")
    return about if isinstance(about, dict) else None


class Log:
    """An append-only file of JSON lines. Its first line says what for; a half-written last line is dropped."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        """Open or begin the log.

        Args:
            about: what makes answers comparable (source, model, prompt …).

        Raises:
            UsageError: there is a log of something else, or another run writes it.
            DiapasonError: it cannot be written.
        """
        self.path = path
        self._lock = threading.Lock()
        try:
            # With what people wrote in it, so for its owner alone.
            self._file: IO[bytes] = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b")
        except OSError as error:
            raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UsageError("another run is writing it", where=str(path), hint="Wait for its end.") from None
        try:
            self.kept = self._open(about)
        except BaseException:
            self._file.close()
            raise

    def asking(self, row: int, given: int, made: int) -> None:
        """Note before a request what it may cost, so that a killed run counts it."""
        self._write({"asking": row, "given": given, "made": made})

    def free(self, row: int) -> None:
        """Note that the request for `row` ended without costing anything."""
        self._write({"free": row})

    def wasted(self, row: int, given: int, made: int) -> None:
        """Note a request that may have cost so much and brought nothing."""
        self._write({"wasted": row, "given": given, "made": made})

    def answered(self, row: int, variants: list[Pair], given: int, made: int) -> None:
        """Note the variants of `row` and what they really cost."""
        self._write({"row": row, "variants": variants, "given": given, "made": made})

    def refused(self, row: int, why: str) -> None:
        """Note that `row` gets no answer."""
        self._write({"refused": row, "why": why})

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            try:
                self._file.write(line)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise DiapasonError(f"cannot be written: {error.strerror}", where=str(self.path)) from error

    def _open(self, about: dict[str, Any]) -> Kept:
        data = self._file.read()
        if data and not data.startswith(_BEGIN[: len(data)]):
            raise UsageError("is no log of variants", where=str(self.path), hint="Move it, or choose another -o.")
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        lines = data[:whole].split(b"\n")[:-1]
        if not lines:
            self._write({"about": about})
            return Kept()
        entries = [_entry(line) for line in lines]
        there = entries[0].get("about")
        if names := _unlike(there if isinstance(there, dict) else {}, about):
            raise UsageError(
                f"an earlier run began it with other values of: {', '.join(names)}",
                where=str(self.path),
                hint="Give the same ones to go on, or delete that file to begin again.",
            )
        kept, open_requests = Kept(), dict[int, tuple[int, int]]()
        for number, entry in enumerate(entries[1:], 2):
            try:
                _take(entry, kept, open_requests)
            except (ValueError, TypeError):
                raise DiapasonError(
                    "the log of an earlier run is damaged here",
                    where=f"{self.path}:{number}",
                    hint="Delete this line to ask for its row again, or the file to begin again.",
                ) from None
        # Asked and never heard of again: the endpoint may have counted it.
        kept.given += sum(given for given, _ in open_requests.values())
        kept.made += sum(made for _, made in open_requests.values())
        return kept


def _unlike(there: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """What a log says otherwise than `about`, by name."""
    names = (there.keys() | about.keys()) - (_NEWER - there.keys())
    missing = object()
    return sorted(name for name in names if there.get(name, missing) != about.get(name, missing))


def _take(entry: dict[str, Any], kept: Kept, open_requests: dict[int, tuple[int, int]]) -> None:
    """Count one entry in. Raises ValueError or TypeError where it is none that `Log` writes."""
    row = next((entry[name] for name in ("asking", "free", "wasted", "row", "refused") if name in entry), None)
    if row is None:
        return
    row = _count(row)
    open_requests.pop(row, None)
    cost = (_count(entry.get("given", 0)), _count(entry.get("made", 0)))
    if "asking" in entry:
        open_requests[row] = cost
        return
    kept.given += cost[0]
    kept.made += cost[1]
    if "row" in entry:
        kept.variants[row] = [(str(prompt), str(answer)) for prompt, answer in entry.get("variants", [])]


def _count(value: Any) -> int:
    """Raises ValueError where `value` is no number that Log writes: a whole one from 0 on."""
    if type(value) is not int or not 0 <= value <= _MOST_COUNTED:
        raise ValueError
    return value


def _entry(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
