"""Judgements as training data: the preference rows that TRL's DPO and KTO trainers read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DiapasonError, UsageError
from core.files import write_atomic
from core.judging.pairs import Pair
from core.judging.session import Session
from core.judging.used import mark_used
from core.judging.votes import Vote, Votes, inconsistent

FORMATS = ("dpo", "kto")


@dataclass(frozen=True)
class Preferences:
    """Rows for training, the pairs that gave them, and how many gave none, by reason (tie, both_bad, skip, unjudged,
    identical, inconsistent)."""

    format: str
    rows: list[dict[str, Any]]
    left_out: dict[str, int]
    pairs: list[Pair]


def preferences(session: Session, votes: Votes, format: str = "dpo") -> Preferences:
    """The rows of `format` that the votes give, in the order of the session.

    ``dpo``: ``{"prompt", "chosen", "rejected"}`` for each pair that one side won. ``kto``:
    ``{"prompt", "completion", "label"}``, true for a winner, false for a loser and for both answers of a
    both-bad pair. All are conversational (lists of messages), as TRL's "Dataset formats and types" has it.
    With several judges a pair counts by their verdict together. A pair about which a judge said something else when
    it came back with its sides swapped gives none.

    Raises:
        UsageError: for another format.
    """
    if format not in FORMATS:
        raise UsageError(f"no such format of preferences: {format}", hint=f"One of: {', '.join(FORMATS)}.")
    by_pair = votes.by_pair()
    doubtful = inconsistent(session, votes)
    rows: list[dict[str, Any]] = []
    used: list[Pair] = []
    left_out: Counter[str] = Counter()
    for pair in session.pairs:
        given = by_pair.get(pair.id, [])
        verdict = consensus(given)
        if pair.id in doubtful:
            left_out["inconsistent"] += 1
            continue
        if verdict is None:
            left_out["identical" if pair.identical else "skip" if given else "unjudged"] += 1
            continue
        made = _dpo(pair, verdict) if format == "dpo" else _kto(pair, verdict)
        if made:
            used.append(pair)
        else:
            left_out[verdict] += 1
        rows += made
    return Preferences(format, rows, dict(left_out), used)


def consensus(votes: Sequence[Vote]) -> str | None:
    """One verdict from those of the judges on one pair: the arm that more of them picked, else ``both_bad`` where all
    say so, else ``tie``; skips say nothing, and None comes of nothing else."""
    given = [vote for vote in votes if vote.verdict != "skip"]
    if not given:
        return None
    picks = Counter(vote.winner for vote in given if vote.winner).most_common(2)
    if picks and (len(picks) == 1 or picks[0][1] > picks[1][1]):
        return picks[0][0]
    return "both_bad" if all(vote.verdict == "both_bad" for vote in given) else "tie"


def export(session: Session, votes: Votes, out: Path, format: str = "dpo", *, force: bool = False) -> Preferences:
    """Write the rows of `preferences` to `out` as JSON lines, whole or not at all, and mark their prompts as used: an
    evaluation of the run, or of one that begins with it, leaves them out.

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
    mark_used(session.folder, found.pairs, {"session": session.id, "format": format, "file": str(out.absolute())})
    return found


_REASONS = {
    "tie": "tied",
    "both_bad": "both bad",
    "skip": "skipped",
    "unjudged": "not judged",
    "identical": "identical answers",
    "inconsistent": "judged otherwise when they came again",
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
