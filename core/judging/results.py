"""What the judgements say: the votes of a session, or votes made elsewhere, as `Results`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from core.judging.judgement import Judgement, judgements_of, sides
from core.judging.outcome import BASELINE, CANDIDATE, Results
from core.judging.statistics.prompts import majority

if TYPE_CHECKING:
    from core.judging.session import Session
    from core.judging.votes import Vote, Votes


def results_of(judgements: Sequence[Judgement]) -> Results:
    """The standing of judgements made elsewhere, sides by the alphabet, but base first and tuned last."""
    order = {BASELINE: 0, CANDIDATE: 2}
    found = tuple(sorted(sides(judgements), key=lambda side: (order.get(side, 1), side)))
    items = {(each.prompt, frozenset((each.left, each.right))) for each in judgements if not each.identical}
    return Results(judgements, found, pairs=len(items))


def results(session: Session, votes: Votes) -> Results:
    """The standing of `session` by what stands in `votes`."""
    from core.judging.rater import read_rater

    found = judgements_of(session, votes)
    seen = {(each.prompt, frozenset((each.left, each.right))) for each in found if not each.identical}
    told = {(str(pair.row), frozenset(pair.answers)) for pair in session.asked if pair.telling}
    counted = {(each.prompt, frozenset((each.left, each.right))) for each in found if each.verdict != "skip"}
    return Results(
        found,
        session.arms,
        session.names,
        partial(_shown, session),
        session=session.id,
        pairs=len(session.asked),
        left=len(session.asked) - len(seen),
        notes=sum(bool(text) for text in votes.notes.values()),
        answers_changed=session.answers_changed(),
        telling=len(told & counted),
        rater=read_rater(session),
    )


def _shown(session: Session, prompt: str) -> str:
    """The line of the prompt, where it is known, and its last message."""
    pair = next(pair for pair in session.asked if str(pair.row) == prompt)
    said = pair.prompt[-1].get("content") if pair.prompt else None
    place = f"row {pair.row + 1}" if pair.line is None else f"line {pair.line}"
    return f"{place}: {said}" if isinstance(said, str) else place


def consensus(votes: list[Vote]) -> str | None:
    """One verdict from the judges' on one pair: what most of them said (`majority`), an arm, ``tie`` or ``both_bad``.
    Skips say nothing, and None comes of nothing else."""
    said = [vote.winner or vote.verdict for vote in votes if vote.verdict != "skip"]
    arms = sorted({vote.winner for vote in votes if vote.winner})
    return majority(said, arms[0] if arms else "", arms[-1] if len(arms) > 1 else "") if said else None
