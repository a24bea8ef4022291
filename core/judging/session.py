"""A judging session: which pairs are judged, in which order and on which sides; kept in the run's folder."""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
import time
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import new_ulid, read_jsonl, sync_dir, write_atomic
from core.judging.pairs import ARMS, BLOCK, Pair, choose, pair_up

SCHEMA = 1
COUNT = 50


class NothingToJudge(DiapasonError):
    """There are no two answers to compare yet."""

    def __init__(self, run: Path) -> None:
        super().__init__(
            "there are no answers of base and tuned to compare yet",
            where=run.name,
            hint="`diapason judge RUN` generates them first; `diapason evaluate RUN` does too, with the metrics.",
        )


@dataclass(frozen=True)
class Session:
    """What session.json holds.

    Attributes:
        folder: the judging folder of the run.
        id: a ULID; votes name it, so that votes of an earlier session are never counted in a later one.
        created: seconds since 1970.
        seed: gives the order of the pairs and their sides.
        pairs: in the order of judging, identical ones among them.
        source: the answers file that the pairs came from: path relative to the run, size, sha256.
        versions: of Diapason and Python, when the session began.
    """

    folder: Path
    id: str
    created: float
    seed: int
    pairs: tuple[Pair, ...]
    source: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> list[Pair]:
        """The pairs that a person is asked about, in order."""
        return [pair for pair in self.pairs if pair.left is not None]

    def answers_changed(self) -> bool:
        """Whether the answers were made again since, or are gone; the session keeps those that it began with."""
        path = self.folder.parent / self.source["path"]
        try:
            return path.stat().st_size != self.source["size"] or _sha256(path) != self.source["sha256"]
        except OSError:
            return True


def judging_folder(run: Path) -> Path:
    """The folder of session.json and votes.jsonl in the run folder `run`."""
    return run / "judging"


def find_answers(run: Path) -> Path | None:
    """The file with an answer of base and of tuned to the same prompt: the evaluation's, else judging's own."""
    for path in (run / "evaluation" / "answers.jsonl", judging_folder(run) / "answers.jsonl"):
        if pair_up(read_jsonl(path)[0]):
            return path
    return None


def load(run: Path) -> Session | None:
    """The session of the run folder `run`, or None where none was begun.

    Raises:
        DiapasonError: where session.json cannot be read as one.
    """
    path = judging_folder(run) / "session.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DiapasonError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        value = json.loads(data)
        if value["schema"] != SCHEMA:
            raise DiapasonError(
                f"was written by another version (schema {value['schema']})",
                where=str(path),
                hint="Judge with the version that began it, or begin anew with `diapason judge RUN --new`.",
            )
        source = value["answers"]
        return Session(
            folder=path.parent,
            id=str(value["id"]),
            created=float(value["created"]),
            seed=int(value["seed"]),
            pairs=tuple(Pair.from_json(pair) for pair in value["pairs"]),
            source={"path": source["path"], "size": source["size"], "sha256": source["sha256"]},
            versions=dict(value.get("versions", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DiapasonError(
            "is not a judging session",
            where=str(path),
            hint="Restore the file, or begin anew with `diapason judge RUN --new`; votes.jsonl stays as it is.",
        ) from error


def prepare(run: Path, count: int | None = None, *, seed: int | None = None, new: bool = False) -> Session:
    """The session of the run folder `run`, begun or lengthened where needed. The caller holds the judging lock.

    Args:
        count: pairs to ask about; None: 50 for a new session, else as many as it has. A session never shrinks,
            and grows only while its answers file is the same.
        seed: of a new session; None draws one.
        new: begin anew; the old session moves to ``session-<id>.json`` and its votes no longer count.

    Raises:
        NothingToJudge: where there are no answers of both arms.
        DiapasonError: where the session cannot be read or written.
    """
    if new:
        if find_answers(run) is None:
            raise NothingToJudge(run)
        _set_aside(run)
    session = load(run)
    if session is None:
        session = _begin(run, count or COUNT, secrets.randbits(32) if seed is None else seed)
    elif count is None or count <= len(session.asked) or session.answers_changed():
        return session
    else:
        path = session.folder.parent / session.source["path"]
        pairs = tuple(choose(pair_up(read_jsonl(path)[0]), session.seed, count))
        if len(pairs) == len(session.pairs):
            return session
        session = replace(session, pairs=pairs)
    _write(session)
    return session


def _begin(run: Path, count: int, seed: int) -> Session:
    path = find_answers(run)
    if path is None:
        raise NothingToJudge(run)
    rows, _ = read_jsonl(path)
    return Session(
        folder=judging_folder(run),
        id=new_ulid(),
        created=time.time(),
        seed=seed,
        pairs=tuple(choose(pair_up(rows), seed, count)),
        source={
            "path": path.relative_to(run).as_posix(),
            "size": path.stat().st_size,
            "sha256": _sha256(path),
        },
        versions={"diapason": version(), "python": platform.python_version()},
    )


def _write(session: Session) -> None:
    value = {
        "schema": SCHEMA,
        "id": session.id,
        "created": session.created,
        "seed": session.seed,
        "block": BLOCK,
        "arms": list(ARMS),
        "answers": session.source,
        "versions": session.versions,
        "pairs": [pair.to_json() for pair in session.pairs],
    }
    # Lone surrogates, which JSON escapes can bring in, stay escapes: "backslashreplace" writes them as such.
    text = json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    path = session.folder / "session.json"
    try:
        session.folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _set_aside(run: Path) -> None:
    path = judging_folder(run) / "session.json"
    try:
        old = load(run)
        name = f"session-{old.id}.json" if old else ""
    except DiapasonError:
        name = f"session-unreadable-{new_ulid()}.json"
    if name:
        path.rename(path.with_name(name))
        sync_dir(path.parent)


def version() -> str:
    """Diapason's version, or ``unknown`` where it runs without being installed."""
    try:
        return metadata.version("diapason")
    except metadata.PackageNotFoundError:
        return "unknown"


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
