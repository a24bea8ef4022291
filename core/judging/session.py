"""A judging session: which pairs are judged, in which order and on which sides; kept in the judging's folder."""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from core.errors import DiapasonError
from core.files import new_ulid, read_json, read_jsonl, sync_dir, write_atomic
from core.judging.pairs import BLOCK, Pair, arms_in, choose, pair_up, with_repeats
from core.judging.place import ARMS, SESSION, Judging, judging_folder, judging_of
from core.judging.telling import telling

SCHEMA = 2
# Of a run with base and tuned only, without repeats: what was written before there was anything else.
_FIRST_SCHEMA = 1
COUNT = 50
REPEATS = 0.1


class NothingToJudge(DiapasonError):
    """There are no answers to compare yet."""

    def __init__(self, judging: Judging) -> None:
        wanted = " and ".join(judging.arms) if judging.arms else "two models"
        super().__init__(
            f"there are no answers of {wanted} to compare yet",
            where=judging.name,
            hint="`diapason judge RUN` generates them first; `diapason evaluate RUN` does too, with the metrics.",
        )


@dataclass(frozen=True)
class Session:
    """What session.json holds.

    Attributes:
        folder: the judging's folder.
        id: a ULID; votes name it, so that votes of an earlier session are never counted in a later one.
        created: seconds since 1970.
        seed: gives the order of the pairs, their arms and sides, and the repeats.
        pairs: in the order of judging, identical ones among them, repeats not.
        source: the answers file that the pairs came from: path relative to the folder's parent, size, sha256.
        versions: of Diapason and Python, when the session began.
        arms: who answers, in a fixed order; in a run base and tuned by default.
        names: arm → the name that a person knows it by.
        repeats: the share of pairs that come back with their sides swapped.
        files: path, size and sha256 of the files of answers that the judging was made of, where it was.
    """

    folder: Path
    id: str
    created: float
    seed: int
    pairs: tuple[Pair, ...]
    source: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    arms: tuple[str, ...] = ARMS
    names: dict[str, str] = field(default_factory=dict)
    repeats: float = 0.0
    files: tuple[dict[str, Any], ...] = ()

    @cached_property
    def asked(self) -> list[Pair]:
        """The pairs that a person is asked about, in order, each once: what the score is of."""
        return [pair for pair in self.pairs if pair.left is not None]

    @cached_property
    def sequence(self) -> list[Pair]:
        """What is shown, in order: the pairs asked about, and among them the repeats (their `repeat_of` is set)."""
        return with_repeats(self.asked, self.seed, self.repeats)

    def answers_changed(self) -> bool:
        """Whether the answers were made again since, or are gone; the session keeps those that it began with.

        An evaluation writes the file anew each time: what counts is whether its rows still say the same.
        """
        path = self.folder.parent / self.source["path"]
        try:
            if path.stat().st_size == self.source["size"] and _sha256(path) == self.source["sha256"]:
                return False
        except OSError:
            return True
        now = {pair.row: pair for pair in pair_up(read_jsonl(path)[0], self.arms)}
        both = [(pair, now[pair.row]) for pair in self.pairs if pair.row in now]
        return not both or any(
            old.prompt != new.prompt or not old.answers.items() <= new.answers.items() for old, new in both
        )


def find_answers(run: Path | Judging) -> Path | None:
    """The first file of the judging (or of the run folder `run`) in which all its arms answer a prompt."""
    judging = judging_of(run) if isinstance(run, Path) else run
    for path in judging.sources:
        rows = read_jsonl(path)[0]
        wanted = judging.arms or arms_in(rows)
        if len(wanted) > 1 and pair_up(rows, wanted):
            return path
    return None


def load(run: Path | Judging) -> Session | None:
    """The session of the judging (or of the run folder `run`), or None where none was begun.

    Raises:
        DiapasonError: where session.json cannot be read as one.
    """
    folder = judging_folder(run) if isinstance(run, Path) else run.folder
    again = f"begin anew with `{judging_of(run).command if isinstance(run, Path) else run.command} --new`"
    path = folder / SESSION
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DiapasonError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        value = _parse(data)
        if value["schema"] not in (_FIRST_SCHEMA, SCHEMA):
            raise DiapasonError(
                f"was written by another version (schema {value['schema']})",
                where=str(path),
                hint=f"Judge with the version that began it, or {again}.",
            )
        return _from_json(folder, value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DiapasonError(
            "is not a judging session",
            where=str(path),
            hint=f"Restore the file, or {again}; the votes stay as they are.",
        ) from error


def _parse(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        # orjson takes no lone surrogates, which answers may hold.
        return json.loads(data)


def _from_json(folder: Path, value: dict[str, Any]) -> Session:
    source = value["answers"]
    arms = tuple(map(str, value["arms"]))
    names = value.get("names")
    return Session(
        folder=folder,
        id=str(value["id"]),
        created=float(value["created"]),
        seed=int(value["seed"]),
        pairs=tuple(Pair.from_json(pair) for pair in value["pairs"]),
        source={"path": source["path"], "size": source["size"], "sha256": source["sha256"]},
        versions=dict(value.get("versions", {})),
        arms=arms,
        names={arm: str(name) for arm, name in names.items()} if names else run_names(folder.parent, arms),
        repeats=float(value.get("repeats", 0.0)),
        files=tuple(value.get("files", ())),
    )


def run_names(run: Path, arms: Sequence[str]) -> dict[str, str]:
    """Arm → name: the base model's and the run's, from the run folder's spec.json; else the arm's own."""
    spec = read_json(run / "spec.json")
    found = {arm: arm for arm in arms}
    if isinstance(spec, dict):
        model = spec.get("model")
        if "base" in found and isinstance(model, dict) and isinstance(model.get("name"), str):
            found["base"] = model["name"]
        if "tuned" in found and isinstance(spec.get("name"), str):
            found["tuned"] = spec["name"]
    return found


def prepare(
    run: Path | Judging,
    count: int | None = None,
    *,
    seed: int | None = None,
    new: bool = False,
    repeats: float = REPEATS,
    names: dict[str, str] | None = None,
    files: Sequence[dict[str, Any]] = (),
) -> Session:
    """The session of the judging (or of the run folder `run`), begun or lengthened where needed.

    The caller holds the session's lock.

    Args:
        count: pairs to ask about; None: 50 for a new session, else as many as it has. A session never shrinks,
            and grows only while its answers are the same.
        seed: of a new session; None draws one.
        new: begin anew; the old session moves to ``session-<id>.json`` and its votes no longer count.
        repeats: of a new session, the share of pairs that come back with their sides swapped.
        names, files: of a new session, see `Session`; without names those of the run.

    Raises:
        NothingToJudge: where there are no answers of all arms.
        DiapasonError: where the session cannot be read or written, or compares other arms.
    """
    judging = judging_of(run) if isinstance(run, Path) else run
    if new:
        if find_answers(judging) is None:
            raise NothingToJudge(judging)
        _set_aside(judging)
    session = load(judging)
    if session is None:
        begun = _begin(judging, count or COUNT, secrets.randbits(32) if seed is None else seed)
        arms = begun.arms
        given = names or run_names(judging.run or judging.folder, arms)
        session = _marked(replace(begun, repeats=repeats, names=given, files=tuple(files)))
    elif judging.chosen and set(judging.arms or ()) != set(session.arms):
        raise DiapasonError(
            f"its session compares {' and '.join(session.arms)}",
            where=judging.name,
            hint=f"`{judging.command}` goes on with it; --new with --arms begins another, and keeps it aside.",
        )
    else:
        grown = _grown(session, count) if count is not None and count > len(session.asked) else None
        if grown is None:
            return session
        session = _marked(grown)
    _write(session)
    return session


def _begin(judging: Judging, count: int, seed: int) -> Session:
    path = find_answers(judging)
    if path is None:
        raise NothingToJudge(judging)
    rows, _ = read_jsonl(path)
    arms = judging.arms or arms_in(rows)
    return Session(
        folder=judging.folder,
        id=new_ulid(),
        created=time.time(),
        seed=seed,
        pairs=tuple(choose(pair_up(rows, arms), seed, count)),
        source={
            "path": path.relative_to(judging.folder.parent).as_posix(),
            "size": path.stat().st_size,
            "sha256": _sha256(path),
        },
        versions={"diapason": version(), "python": platform.python_version()},
        arms=arms,
    )


def _grown(session: Session, count: int) -> Session | None:
    """`session` with more pairs, or None where its file has no more, or does not begin with those that it has."""
    path = session.folder.parent / session.source["path"]
    pairs = tuple(choose(pair_up(read_jsonl(path)[0], session.arms), session.seed, count))
    had = [pair.id for pair in session.pairs]
    if len(pairs) == len(had) or [pair.id for pair in pairs[: len(had)]] != had:
        return None
    source = {**session.source, "size": path.stat().st_size, "sha256": _sha256(path)}
    return replace(session, pairs=pairs, source=source)


def _marked(session: Session) -> Session:
    """`session` with the answers marked that name a model."""
    tells = telling(session.names)
    pairs = (
        replace(pair, telling=tuple(arm for arm, text in pair.answers.items() if tells(text, pair.prompt)))
        for pair in session.pairs
    )
    return replace(session, pairs=tuple(pairs))


def _write(session: Session) -> None:
    value = {
        "schema": SCHEMA,
        "id": session.id,
        "created": session.created,
        "seed": session.seed,
        "block": BLOCK,
        "arms": list(session.arms),
        "names": session.names,
        "repeats": session.repeats,
        "answers": session.source,
        "files": list(session.files),
        "versions": session.versions,
        "pairs": [pair.to_json() for pair in session.pairs],
    }
    # Lone surrogates, which JSON escapes can bring in, stay escapes: "backslashreplace" writes them as such.
    text = json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    path = session.folder / SESSION
    try:
        session.folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _set_aside(judging: Judging) -> None:
    path = judging.folder / SESSION
    try:
        old = load(judging)
        name = f"session-{old.id}.json" if old else ""
    except DiapasonError:
        name = f"session-unreadable-{new_ulid()}.json"
    if name:
        path.rename(path.with_name(name))
        sync_dir(path.parent)


@cache
def version() -> str:
    """Diapason's version, or ``unknown`` where it runs without being installed."""
    try:
        return metadata.version("diapason")
    except metadata.PackageNotFoundError:
        return "unknown"


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
