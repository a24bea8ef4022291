"""Judgements as training data: the preference rows that TRL's DPO and KTO trainers read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DiapasonError, UsageError
from core.files import write_atomic
from core.judging.pairs import Pair
from core.judging.results import consensus
from core.judging.session import Session
from core.judging.votes import Votes

FORMATS = ("dpo", "kto")


@dataclass(frozen=True)
class Preferences:
    """Rows for training, and how many pairs gave none, by reason (tie, both_bad, skip, unjudged, identical)."""

    format: str
    rows: list[dict[str, Any]]
    left_out: dict[str, int]


def preferences(session: Session, votes: Votes, format: str = "dpo") -> Preferences:
    """The rows of `format` that the votes give, in the order of the session.

    ``dpo``: ``{"prompt", "chosen", "rejected"}`` for each pair that one side won. ``kto``:
    ``{"prompt", "completion", "label"}``, true for a winner, false for a loser and for both answers of a
    both-bad pair. All are conversational (lists of messages), as TRL's "Dataset formats and types" has it.
    With several judges a pair counts by their verdict together.

    Raises:
        UsageError: for another format.
    """
    if format not in FORMATS:
        raise UsageError(f"no such format of preferences: {format}", hint=f"One of: {', '.join(FORMATS)}.")
    by_pair = votes.by_pair()
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for pair in session.pairs:
        given = by_pair.get(pair.id, [])
        verdict = consensus(given)
        if verdict is None:
            left_out["identical" if pair.identical else "skip" if given else "unjudged"] += 1
            continue
        made = _dpo(pair, verdict) if format == "dpo" else _kto(pair, verdict)
        if not made:
            left_out[verdict] += 1
        rows += made
    return Preferences(format, rows, dict(left_out))


def export(session: Session, votes: Votes, out: Path, format: str = "dpo", *, force: bool = False) -> Preferences:
    """Write the rows of `preferences` to `out` as JSON lines, whole or not at all.

    Raises:
        UsageError: where `out` exists and `force` is false, or is a folder, or its folder is missing.
        DiapasonError: where no pair gives a row (nothing is written), or the file cannot be written.
    """
    found = preferences(session, votes, format)
    if out.is_dir():
        raise UsageError("is a folder", where=str(out), hint="Name a file, for example preferences.jsonl in it.")
    if out.exists() and not force:
        raise UsageError("is there already", where=str(out), hint="Choose another name, or use --force.")
    if not out.parent.is_dir():
        raise UsageError("the folder does not exist", where=str(out.parent), hint="Make it first, or choose another.")
    if not found.rows:
        what = "decisive judgement" if format == "dpo" else "judgement with a winner or both bad"
        raise DiapasonError(
            f"there is no {what} to export{_because(found.left_out)}", hint="Judge some pairs: `diapason judge RUN`."
        )
    lines = [json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n" for row in found.rows]
    try:
        write_atomic(out, b"".join(lines), mode=0o644)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(out)) from error
    return found


_REASONS = {
    "tie": "tied",
    "both_bad": "both bad",
    "skip": "skipped",
    "unjudged": "not judged",
    "identical": "identical answers",
}


def summary(found: Preferences) -> str:
    """One line: how many rows, and why other pairs gave none."""
    noun = "row" if len(found.rows) == 1 else "rows"
    return f"{len(found.rows)} {noun} for {found.format.upper()}{_because(found.left_out)}"


def _because(left_out: dict[str, int]) -> str:
    reasons = ", ".join(f"{left_out[key]} {words}" for key, words in _REASONS.items() if left_out.get(key))
    return f"; left out: {reasons}" if reasons else ""


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _dpo(pair: Pair, verdict: str) -> list[dict[str, Any]]:
    if verdict not in pair.answers:
        return []
    (loser,) = (arm for arm in pair.answers if arm != verdict)
    chosen, rejected = _answer(pair.answers[verdict]), _answer(pair.answers[loser])
    return [{"prompt": list(pair.prompt), "chosen": chosen, "rejected": rejected}]


def _kto(pair: Pair, verdict: str) -> list[dict[str, Any]]:
    if verdict == "tie":
        return []
    return [
        {"prompt": list(pair.prompt), "completion": _answer(text), "label": arm == verdict}
        for arm, text in pair.answers.items()
    ]
