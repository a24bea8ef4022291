"""What the judgements say: counts by name, how sure they are, and what may have misled the judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from core.files import read_json
from core.judging.pairs import Pair
from core.judging.session import Session
from core.judging.statistics import Share, p_value, percent, sign_test, wilson
from core.judging.votes import Vote, Votes

CANDIDATE, BASELINE = "tuned", "base"
# Under this many decisive votes a share by slot or length says nothing, so no warning is built on it.
_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Habit:
    """How often a verdict went along with something other than the content.

    `count` of `trials` decisive pairs did; `share` with its interval (None without trials); `p` of the sign test.
    """

    count: int
    trials: int
    share: Share | None
    p: float

    def to_json(self) -> dict[str, Any]:
        """``{"count", "trials", "share", "p"}``."""
        share = self.share.to_json() if self.share else None
        return {"count": self.count, "trials": self.trials, "share": share, "p": self.p}

    @property
    def marked(self) -> bool:
        """Whether it is stronger than chance would have it, on enough pairs."""
        return self.trials >= _ENOUGH and self.p < 0.05


@dataclass(frozen=True)
class Results:
    """The standing of one session.

    With several judges a pair has one verdict: the sign of their picks together (one for tuned against one
    for base is a tie); a pair that all of them skipped has none.

    Attributes:
        names: arm → the name that a person knows it by.
        judges: judge → counts of that judge's own verdicts: wins, losses, ties, both_bad, skips.
        pairs: pairs asked about; judged: those with a verdict; skipped: only skipped; left: not seen by anyone.
        identical: ties given without asking, already within `ties`; only those met so far.
        share: of decisive pairs won by tuned, with the Wilson interval; p: the exact sign test's.
        score: the same with ties and both-bad at ½, over all pairs with a verdict.
        first_slot: verdicts for the left answer; longer: verdicts for the longer answer.
        lengths: arm → mean characters of its answers, over the pairs with a verdict.
    """

    session: str
    names: dict[str, str]
    judges: dict[str, dict[str, int]]
    pairs: int
    judged: int
    skipped: int
    left: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    identical: int
    share: Share | None
    p: float
    score: Share | None
    first_slot: Habit
    longer: Habit
    lengths: dict[str, float]
    notes: int
    answers_changed: bool

    @property
    def decisive(self) -> int:
        """Pairs that one side won."""
        return self.wins + self.losses

    def to_json(self) -> dict[str, Any]:
        """The document of `diapason judgements --json`; described in docs/json.md."""
        return {
            "schema": 1,
            "session": self.session,
            "names": self.names,
            "complete": self.left == 0,
            "pairs": {"asked": self.pairs, "judged": self.judged, "skipped": self.skipped, "left": self.left},
            "wins": self.wins,
            "losses": self.losses,
            "ties": self.ties,
            "both_bad": self.both_bad,
            "identical": self.identical,
            "decisive": self.decisive,
            "win_rate": self.share.to_json() if self.share else None,
            "sign_test": {"p": self.p},
            "score": self.score.to_json() if self.score else None,
            "first_slot": self.first_slot.to_json(),
            "longer": {**self.longer.to_json(), "mean_characters": self.lengths},
            "judges": [{"name": name, **counts} for name, counts in self.judges.items()],
            "notes": self.notes,
            "answers_changed": self.answers_changed,
            "summary": self.verdict(),
        }

    def headline(self) -> str:
        """The result in a few words."""
        if not self.decisive:
            return self.verdict()
        side = CANDIDATE if self.wins >= self.losses else BASELINE
        won = f"{max(self.wins, self.losses)} of {self.decisive} decisive pairs"
        return f"{side} is preferred: it won {won}" if self.p < 0.05 else f"no winner is shown: {side} won {won}"

    def verdict(self) -> str:
        """The result in one sentence."""
        if not self.decisive:
            judged = self.wins + self.losses + self.ties + self.both_bad
            return "no pair is judged yet" if not judged else f"no side won any of the {judged} pairs judged"
        assert self.share is not None
        side, won, share = CANDIDATE, self.wins, self.share
        if self.losses > self.wins:
            side, won = BASELINE, self.losses
            share = Share(1 - share.value, 1 - share.high, 1 - share.low)
        interval = f"95 % interval {percent(share.low)}–{percent(share.high)} %"
        tail = f"({percent(share.value)} %, {interval}), sign test p {p_value(self.p)}"
        if self.wins == self.losses:
            return f"tuned and base won {won} of {self.decisive} decisive pairs each {tail}"
        return f"{side} won {won} of {self.decisive} decisive pairs {tail}"

    def meaning(self) -> str:
        """What the p-value says, for someone who does not live with p-values."""
        if not self.decisive:
            return "There is nothing to test without a decisive pair."
        side = CANDIDATE if self.wins >= self.losses else BASELINE
        if self.p < 0.05:
            return f"A difference this large would be rare if both were equally good: {side} is preferred."
        return "Two equally good models differ this much often enough: no winner is shown yet. More pairs would tell."

    def cautions(self) -> list[str]:
        """What a reader should know before believing the verdict, one sentence each."""
        found: list[str] = []
        if self.left:
            found.append(f"{self.left} of {self.pairs} pairs are not judged yet: looking early makes p too small.")
        if self.first_slot.marked and self.first_slot.share:
            side = "left" if self.first_slot.share.value > 0.5 else "right"
            share = max(self.first_slot.share.value, 1 - self.first_slot.share.value)
            found.append(f"The {side} answer won {percent(share)} % of decisive pairs, whichever model it was.")
        if self.longer.marked and self.longer.share:
            which = "longer" if self.longer.share.value > 0.5 else "shorter"
            share = max(self.longer.share.value, 1 - self.longer.share.value)
            found.append(f"The {which} answer won {percent(share)} % of decisive pairs: length may be why.")
        if self.answers_changed:
            found.append("The answers were made again since; these verdicts are about the earlier ones.")
        return found


def results(session: Session, votes: Votes) -> Results:
    """Count what stands in `votes` over the pairs of `session`."""
    by_pair = votes.by_pair()
    verdicts: dict[str, str] = {}
    seen: set[str] = set()
    for pair in session.asked:
        given = by_pair.get(pair.id, [])
        if given:
            seen.add(pair.id)
        verdict = consensus(given)
        if verdict:
            verdicts[pair.id] = verdict
    counts = Counter(verdicts.values())
    identical = _identical_met(session, seen)
    wins, losses = counts[CANDIDATE], counts[BASELINE]
    ties = counts["tie"] + identical
    total = wins + losses + ties + counts["both_bad"]
    counted = [pair for pair in session.asked if pair.id in verdicts]
    won = [(pair, verdicts[pair.id]) for pair in counted if verdicts[pair.id] in pair.answers]
    by_length = [(pair, arm) for pair, arm in won if len({len(answer) for answer in pair.answers.values()}) > 1]
    return Results(
        session=session.id,
        names=names(session),
        judges={judge: _own_counts(votes.standing(judge)) for judge in votes.judges},
        pairs=len(session.asked),
        judged=len(verdicts),
        skipped=len(seen) - len(verdicts),
        left=len(session.asked) - len(seen),
        wins=wins,
        losses=losses,
        ties=ties,
        both_bad=counts["both_bad"],
        identical=identical,
        share=wilson(wins, wins + losses),
        p=sign_test(wins, losses),
        score=wilson(wins + (ties + counts["both_bad"]) / 2, total),
        first_slot=_habit(sum(arm == pair.left for pair, arm in won), len(won)),
        longer=_habit(sum(arm == _longest(pair) for pair, arm in by_length), len(by_length)),
        lengths={arm: _mean([len(pair.answers[arm]) for pair in counted]) for arm in (BASELINE, CANDIDATE)},
        notes=sum(bool(text) for text in votes.notes.values()),
        answers_changed=session.answers_changed(),
    )


def consensus(votes: list[Vote]) -> str | None:
    """One verdict from the judges' on one pair: the arm that more of them picked, else ``both_bad`` where all
    say so, else ``tie``; skips say nothing, and None comes of nothing else."""
    votes = [vote for vote in votes if vote.verdict != "skip"]
    if not votes:
        return None
    picks = Counter(vote.winner for vote in votes if vote.winner)
    if picks[CANDIDATE] != picks[BASELINE]:
        return CANDIDATE if picks[CANDIDATE] > picks[BASELINE] else BASELINE
    return "both_bad" if all(vote.verdict == "both_bad" for vote in votes) else "tie"


def names(session: Session) -> dict[str, str]:
    """Arm → name: the base model's and the run's, from the run folder's spec.json; else the arm's own."""
    spec = read_json(session.folder.parent / "spec.json")
    found = {BASELINE: BASELINE, CANDIDATE: CANDIDATE}
    if isinstance(spec, dict):
        model = spec.get("model")
        if isinstance(model, dict) and isinstance(model.get("name"), str):
            found[BASELINE] = model["name"]
        if isinstance(spec.get("name"), str):
            found[CANDIDATE] = spec["name"]
    return found


def _identical_met(session: Session, seen: set[str]) -> int:
    """Identical pairs that stand before the last pair seen, or all at the end: as if they had been asked in turn."""
    if len(seen) == len(session.asked):
        return sum(pair.identical for pair in session.pairs)
    last = max((place for place, pair in enumerate(session.pairs) if pair.id in seen), default=-1)
    return sum(pair.identical for pair in session.pairs[: last + 1])


def _own_counts(own: dict[str, Vote]) -> dict[str, int]:
    verdicts = Counter(vote.winner or vote.verdict for vote in own.values())
    return {
        "wins": verdicts[CANDIDATE],
        "losses": verdicts[BASELINE],
        "ties": verdicts["tie"],
        "both_bad": verdicts["both_bad"],
        "skips": verdicts["skip"],
    }


def _habit(count: int, trials: int) -> Habit:
    return Habit(count, trials, wilson(count, trials), sign_test(count, trials - count))


def _longest(pair: Pair) -> str:
    return max(pair.answers, key=lambda arm: len(pair.answers[arm]))


def _mean(values: list[int]) -> float:
    return round(sum(values) / len(values), 1) if values else 0.0
