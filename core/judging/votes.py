"""Votes: append-only records, folded into what stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from core.files import objects
from core.judging.pairs import AGAIN, Pair
from core.judging.place import vote_files
from core.judging.session import Session

VERDICTS = ("left", "right", "tie", "both_bad", "skip")


class Vote(NamedTuple):
    """One verdict of one judge; a tuple, since thousands are made whenever a judging is shown.

    Attributes:
        pair: the pair's id, for a repeat with its ending `AGAIN`.
        winner: the arm picked, None for a tie, both bad or a skip.
        t: seconds since 1970. reasons: the tags given with it. dwell: seconds that the pair was looked at.
    """

    id: str
    judge: str
    pair: str
    verdict: str
    winner: str | None
    t: float = 0.0
    reasons: tuple[str, ...] = ()
    dwell: float = 0.0

    @property
    def says(self) -> str:
        """What it says whichever side the answers stood on: the arm picked, else the verdict."""
        return self.winner or self.verdict


@dataclass
class Votes:
    """What stands after all records: for each judge the votes not undone, oldest first, notes and flags.

    A judge's later vote on a pair stands in for an earlier one (a skipped pair may be judged later);
    undoing it brings the earlier back.
    """

    stacks: dict[str, list[Vote]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    flags: set[tuple[str, str]] = field(default_factory=set)
    _on_pair: dict[tuple[str, str], list[Vote]] = field(default_factory=dict, repr=False)

    def latest(self, judge: str, pair: str) -> Vote | None:
        """The vote of `judge` that stands on the pair (or repeat) with the id `pair`."""
        given = self._on_pair.get((judge, pair))
        return given[-1] if given else None

    def standing(self, judge: str) -> dict[str, Vote]:
        """Pair id → the vote of `judge` that stands; repeats are not among them."""
        return {vote.pair: vote for vote in self.stacks.get(judge, []) if not vote.pair.endswith(AGAIN)}

    def repeats(self, judge: str) -> dict[str, Vote]:
        """Pair id → the vote of `judge` that stands on the repeat of that pair."""
        again = (vote for vote in self.stacks.get(judge, []) if vote.pair.endswith(AGAIN))
        return {vote.pair.removesuffix(AGAIN): vote for vote in again}

    def by_pair(self) -> dict[str, list[Vote]]:
        """Pair id → the vote that stands of each judge who saw it; repeats are not among them."""
        found: dict[str, list[Vote]] = {}
        for judge in self.judges:
            for pair, vote in self.standing(judge).items():
                found.setdefault(pair, []).append(vote)
        return found

    @property
    def judges(self) -> list[str]:
        """Everyone who has a vote that stands, by name."""
        return sorted(judge for judge, stack in self.stacks.items() if stack)

    def add(self, vote: Vote) -> None:
        """Count `vote`."""
        self.stacks.setdefault(vote.judge, []).append(vote)
        self._on_pair.setdefault((vote.judge, vote.pair), []).append(vote)

    def undo(self, judge: str, vote_id: str) -> None:
        """Take back the vote `vote_id` of `judge`; one that does not stand is no matter."""
        stack = self.stacks.get(judge, [])
        for place in range(len(stack) - 1, -1, -1):
            if stack[place].id == vote_id:
                self._on_pair[judge, stack[place].pair].remove(stack[place])
                del stack[place]
                return


def fold(records: Iterable[dict[str, Any]], session: Session) -> Votes:
    """The votes of `session` among `records`; those of other sessions, of unknown pairs or shapes are passed over."""
    votes = Votes()
    pairs = {pair.id: pair for pair in session.sequence}
    for record in records:
        judge, pair = record.get("judge"), pairs.get(str(record.get("pair")))
        if record.get("session") != session.id or not isinstance(judge, str) or pair is None:
            continue
        match record.get("event"):
            case "vote" if record.get("verdict") in VERDICTS:
                votes.add(_vote(record, judge, pair))
            case "undo":
                votes.undo(judge, str(record.get("vote")))
            case "note" if isinstance(record.get("text"), str):
                votes.notes[judge, pair.id] = record["text"]
            case "flag":
                (votes.flags.add if record.get("on") else votes.flags.discard)((judge, pair.id))
            case _:
                pass
    return votes


def _vote(record: dict[str, Any], judge: str, pair: Pair) -> Vote:
    reasons = record.get("reasons")
    return Vote(
        str(record.get("id")),
        judge,
        pair.id,
        record["verdict"],
        winner(pair, record["verdict"]),
        _number(record.get("t")),
        tuple(map(str, reasons)) if isinstance(reasons, list) else (),
        _number(record.get("dwell")),
    )


def _number(value: Any) -> float:
    return value if type(value) is float else float(value) if type(value) is int else 0.0


def winner(pair: Pair, verdict: str) -> str | None:
    """The arm that `verdict` picks: a key on the left picks whichever arm stood there."""
    if verdict == "left":
        return pair.left
    return pair.right if verdict == "right" else None


def read_votes(session: Session) -> Votes:
    """The votes of all judges on disk."""
    return fold((record for path in vote_files(session.folder) for record in _records(path)), session)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """What `core.files.read_jsonl` gives, several times as fast: all votes are read each time a judging is shown."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for line in data[: data.rfind(b"\n") + 1].split(b"\n"):
        try:
            value = orjson.loads(line)
        except ValueError:
            # A torn line, NUL blocks, or a note with lone surrogates, which orjson refuses.
            value = next(iter(objects(line)), None)
        if isinstance(value, dict):
            yield value


def inconsistent(session: Session, votes: Votes) -> set[str]:
    """The ids of the pairs about which a judge said something else when they came back with their sides swapped.

    A skip, the first time or the second, says nothing.
    """
    asked = {pair.id for pair in session.asked}
    found: set[str] = set()
    for judge in votes.judges:
        for pair, second in votes.repeats(judge).items():
            first = votes.latest(judge, pair)
            if pair in asked and first and "skip" not in (first.says, second.says) and first.says != second.says:
                found.add(pair)
    return found
