"""One judgement, wherever it was made: all statistics of judging work on lists of these, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.judging.pairs import Pair
    from core.judging.session import Session
    from core.judging.votes import Vote, Votes

VERDICTS = ("left", "right", "tie", "both_bad", "skip")
DECISIVE = ("left", "right")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge said about two answers to one prompt.

    Attributes:
        judge: who said it; "" for an identical pair, about which nobody was asked.
        prompt: the identity of the prompt; everything said about one prompt is one unit of inference.
        left, right: the names of the sides, as they stood on the screen.
        verdict: one of `VERDICTS`.
        left_length, right_length: characters of the answers, or None where they are not known.
        repeat: the pair was shown before, the other way round: for self-consistency only, never in the score.
        identical: tied without asking, since the answers are the same.
        slices: field → value, for results by slice.
        reasons: the tags given with the verdict.
        flagged: the judge marked the pair.
        dwell: seconds that the pair was on the screen.
        note: what the judge wrote about it.
    """

    judge: str
    prompt: str
    left: str
    right: str
    verdict: str
    left_length: int | None = None
    right_length: int | None = None
    repeat: bool = False
    identical: bool = False
    slices: Mapping[str, str] = field(default_factory=dict[str, str])
    reasons: tuple[str, ...] = ()
    flagged: bool = False
    dwell: float = 0.0
    note: str = ""

    @property
    def winner(self) -> str | None:
        """The side that was picked, or None."""
        return self.left if self.verdict == "left" else self.right if self.verdict == "right" else None

    @property
    def loser(self) -> str | None:
        """The side that was not picked, or None where neither was."""
        return self.right if self.verdict == "left" else self.left if self.verdict == "right" else None


def judgements_of(session: Session, votes: Votes) -> list[Judgement]:
    """The votes of `session` that stand, judge by judge, and the identical pairs met so far as ties.

    An identical pair is met where one after it was judged, or at the end: as if it had been asked in turn. What a
    judge said when a pair came back with its sides swapped is among them with `repeat` set.
    """
    pairs = {pair.id: pair for pair in session.sequence}
    found: list[Judgement] = []
    seen: set[str] = set()
    for judge in votes.judges:
        for vote in (*votes.standing(judge).values(), *votes.repeats(judge).values()):
            pair = pairs[vote.pair]
            seen.add(pair.repeat_of or pair.id)
            found.append(_judgement(pair, vote, votes))
    return found + [_identical(pair) for pair in _met(session, seen)]


def _judgement(pair: Pair, vote: Vote, votes: Votes) -> Judgement:
    left, right = pair.left, pair.right
    assert left is not None and right is not None
    return Judgement(
        judge=vote.judge,
        prompt=str(pair.row),
        left=left,
        right=right,
        verdict=vote.verdict,
        left_length=len(pair.answers[left]),
        right_length=len(pair.answers[right]),
        repeat=pair.repeat_of is not None,
        slices=pair.fields,
        reasons=vote.reasons,
        flagged=(vote.judge, pair.id) in votes.flags,
        dwell=vote.dwell,
        note=votes.notes.get((vote.judge, pair.id), ""),
    )


def _met(session: Session, seen: set[str]) -> list[Pair]:
    last = len(session.pairs)
    if len(seen) < len(session.asked):
        last = max((place for place, pair in enumerate(session.pairs) if pair.id in seen), default=-1)
    return [pair for pair in session.pairs[: last + 1] if pair.left is None]


def _identical(pair: Pair) -> Judgement:
    left, right = pair.answers
    lengths = len(pair.answers[left]), len(pair.answers[right])
    return Judgement("", str(pair.row), left, right, "tie", *lengths, identical=True, slices=pair.fields)


def sides(judgements: Iterable[Judgement]) -> list[str]:
    """The names of all sides, in order of their first appearance."""
    return list(dict.fromkeys(side for each in judgements for side in (each.left, each.right)))
