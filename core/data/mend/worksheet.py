"""What a person decided about a file, kept in Diapason's home: append-only, undone without limit, never lost.

One folder for each source by its path, in it one file of JSON Lines for each content that the source had. Where the
source changes, a new one is begun and the old one stays.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.dataset import fingerprint
from core.data.mend.catalogue import FIXES
from core.data.mend.plan import Plan, RowPlan
from core.data.place import find_place
from core.errors import DiapasonError
from core.files import JsonlWriter, Lock, read_jsonl
from core.home import home

REVIEWS = ("keep", "drop", "flag", "edit")


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry. `kind` is all (a fix of all of its kind), one (a fix of one row) or review.

    row: from 0, -1 for all; hash: `core.data.mend.plan.row_hash` of its bytes. edits: place → new text.
    """

    kind: str
    row: int = -1
    hash: str = ""
    code: str = ""
    choice: str = ""
    review: str = ""
    edits: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_record(self) -> dict[str, Any]:
        """The entry as it is written."""
        record: dict[str, Any] = {"kind": self.kind, "at": round(time.time(), 3)}
        if self.row >= 0:
            record |= {"row": self.row, "hash": self.hash}
        if self.kind == "review":
            record["review"] = self.review
            if self.review == "edit":
                record["edits"] = dict(self.edits)
        else:
            record |= {"code": self.code, "choice": self.choice}
        return record


class Worksheet:
    """The decisions on one file. `decisions` are those in force, in order; `changed` says that older ones exist
    for another content of the file."""

    def __init__(self, path: Path, head: Mapping[str, Any], changed: str = "") -> None:
        self.path = path
        self.changed = changed
        self.decisions: list[Decision] = []
        self._head = head
        self._writer: JsonlWriter | None = None
        self._lock = Lock(path.with_suffix(".lock"))
        for record in read_jsonl(path)[0]:
            self._replay(record)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is decided."""
        return not self.decisions

    def open(self) -> Worksheet:
        """Make it ready for writing.

        Raises:
            DiapasonError: another Diapason writes to it, or the home cannot be written to.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = self._lock.acquire()
        except OSError as error:
            raise DiapasonError(f"cannot keep decisions: {error.strerror}", where=str(self.path.parent),
                                hint="Point DIAPASON_HOME at a folder that you can write to.") from error  # fmt: skip
        if not free:
            raise DiapasonError("another Diapason is deciding about this file", where=str(self._head["path"]),
                                hint="Close it there first.")  # fmt: skip
        # What another one has written since this one was read.
        self.decisions.clear()
        for record in read_jsonl(self.path)[0]:
            self._replay(record)
        fresh = not self.path.exists() or not self.path.stat().st_size
        self._writer = JsonlWriter(self.path)
        if fresh:
            self._writer.write({"kind": "head", "schema": 1, **self._head}, sync=True)
        return self

    def close(self) -> None:
        """Close the file and let others write."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._lock.release()

    def decide(self, decision: Decision) -> None:
        """Add a decision; it is on disk when this returns. Raises DiapasonError where the disk is full."""
        self._write(decision.to_record())
        self.decisions.append(decision)

    def undo(self) -> Decision | None:
        """Take the last decision back, and return it; None where there is none."""
        if not self.decisions:
            return None
        self._write({"kind": "undo", "at": round(time.time(), 3)})
        return self.decisions.pop()

    def reviews(self) -> dict[int, Decision]:
        """The last review of each row."""
        return {one.row: one for one in self.decisions if one.kind == "review"}

    def plan(self) -> Plan:
        """What the decisions come to."""
        fixes = {one.code: one.choice for one in self.decisions if one.kind == "all"}
        rows: dict[int, RowPlan] = {}
        single: dict[int, dict[str, str]] = {}
        for one in self.decisions:
            if one.kind == "one":
                single.setdefault(one.row, {})[one.code] = one.choice
        reviews = self.reviews()
        hashes = {one.row: one.hash for one in self.decisions if one.row >= 0}
        for row, known in hashes.items():
            review = reviews.get(row)
            said = review.review if review else ""
            rows[row] = RowPlan(
                known, review.edits if review else {}, said == "drop", said in ("keep", "edit"), said == "flag",
                single.get(row, {}),
            )  # fmt: skip
        return Plan(fixes, rows)

    def to_json(self) -> dict[str, Any]:
        """The document of ``data review --json``."""
        counts: dict[str, int] = dict.fromkeys(REVIEWS, 0)
        for one in self.reviews().values():
            counts[one.review] += 1
        return {
            "schema": 1,
            "path": self._head["path"],
            "sha256": self._head["sha256"],
            "worksheet": str(self.path),
            "changed": self.changed or None,
            "reviewed": counts,
            "rows": [
                {"row": row + 1, "review": one.review} | ({"edits": dict(one.edits)} if one.edits else {})
                for row, one in sorted(self.reviews().items())
            ],
            "fixes": [
                {"code": one.code, "choice": one.choice, "row": one.row + 1 if one.row >= 0 else None}
                for one in self.decisions if one.kind != "review"
            ],
        }  # fmt: skip

    def _write(self, record: dict[str, Any]) -> None:
        if self._writer is None:
            self.open()
        assert self._writer is not None
        try:
            self._writer.write(record, sync=True)
        except OSError as error:
            raise DiapasonError(f"the decision could not be kept: {error.strerror}", where=str(self.path)) from error

    def _replay(self, record: Mapping[str, Any]) -> None:
        if record.get("kind") == "undo":
            if self.decisions:
                self.decisions.pop()
        elif (decision := _decision(record)) is not None:
            self.decisions.append(decision)


def read_worksheet(path: Path) -> Worksheet:
    """The worksheet of the data set `path` as it is now; it may be empty. Nothing is written.

    Raises:
        DiapasonError: the data set cannot be read.
    """
    head = _fingerprint(path)
    folder = _folder(head["path"])
    own = folder / f"{head['sha256'][:20]}.jsonl"
    changed = ""
    if not own.exists() and (older := _older(folder)):
        number = f"{older} decision{'' if older == 1 else 's'}"
        changed = f"the file has changed since {number} about it; they are kept, and a new worksheet is begun"
    return Worksheet(own, head, changed)


def has_worksheet(path: Path) -> bool:
    """Whether anything was ever decided about the data set `path`: known at once, however large it is."""
    shown = str(path) if find_place(path).kind == "hub" else str(path.absolute())
    return _folder(shown).is_dir()


def _folder(shown: str) -> Path:
    return home() / "worksheets" / hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _fingerprint(path: Path) -> dict[str, Any]:
    """The data set's fingerprint; that of a file which has not changed meanwhile is not made twice."""
    if not path.is_file():
        return fingerprint(path)
    status = path.stat()
    return dict(_of_file(path.absolute(), status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=8)
def _of_file(path: Path, *_: int) -> dict[str, Any]:
    return fingerprint(path)


def _older(folder: Path) -> int:
    """How many decisions there are about other contents of the file."""
    try:
        sheets = sorted(folder.glob("*.jsonl"))
    except OSError:
        return 0
    return sum(sum(1 for _ in _entries(sheet)) for sheet in sheets)


def _entries(sheet: Path) -> Iterator[Decision]:
    for record in read_jsonl(sheet)[0]:
        if (decision := _decision(record)) is not None:
            yield decision


def _decision(record: Mapping[str, Any]) -> Decision | None:
    """The decision in a record; None for any other record, and for one that a newer Diapason wrote."""
    kind, row = record.get("kind"), record.get("row", -1)
    if kind not in ("all", "one", "review") or not isinstance(row, int) or (kind == "all") != (row < 0):
        return None
    code, choice = str(record.get("code", "")), str(record.get("choice", ""))
    edits = record.get("edits", {})
    if kind == "review" and record.get("review") not in REVIEWS:
        return None
    if kind != "review" and (code not in FIXES or choice not in FIXES[code].choices):
        return None
    if not isinstance(edits, dict) or not all(isinstance(text, str) for text in edits.values()):
        return None
    return Decision(str(kind), row, str(record.get("hash", "")), code, choice, str(record.get("review", "")), edits)
