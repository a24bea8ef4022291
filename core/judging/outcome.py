"""One judging as it stands: counts, shares, habits, agreement, ranking; what takes time is lazy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.judging.judgement import DECISIVE, Judgement
from core.judging.statistics import agreement
from core.judging.statistics.length import Adjusted, adjusted, differences
from core.judging.statistics.prompts import Habit, Standing, habit, mean_scores, standing
from core.judging.statistics.proportion import Share, sign_test, wilson
from core.judging.statistics.stopping import Stopping, follow, interval, needed

if TYPE_CHECKING:
    from core.judging.rater import SecondRater
    from core.judging.statistics.ranking import Ranking

CANDIDATE, BASELINE = "tuned", "base"
# A field with more values than this (an id, a free text) makes no slices.
MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Part:
    """The judgements of one slice: prompts, and for two sides how they stand; score: side → mean, ties at ½."""

    prompts: int
    standing: Standing | None
    scores: dict[str, float]

    @property
    def share(self) -> Share | None:
        """Of two sides: decisive prompts won by the candidate, with the Wilson interval."""
        decisive = self.standing.decisive if self.standing else []
        return wilson(sum(decisive), len(decisive))


@dataclass(frozen=True)
class Results:
    """The standing of one judging. What takes time is worked out when it is asked for.

    With several judges a prompt has one verdict, that of most of them (`majority`). Intervals and tests are over
    prompts. Repeats count for self-consistency only.

    Attributes:
        judgements: all of them, also skips and repeats.
        sides: in their order; of two the first is the baseline and the second the candidate, which wins and loses.
        names: side → the name that a person knows it by. shown: gives what to show of a prompt.
        session: the session's id, or None for votes made elsewhere.
        pairs: pairs asked about, without identical ones; left: not seen by anyone.
        notes: pairs and judges with a note.
        answers_changed: whether the answers were made again since.
        telling: judged pairs in which an answer names its model.
        rater: the second rater's verdicts, or None.
    """

    judgements: Sequence[Judgement]
    sides: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    shown: Callable[[str], str] = str
    session: str | None = None
    pairs: int = 0
    left: int = 0
    notes: int = 0
    answers_changed: bool = False
    telling: int = 0
    rater: SecondRater | None = None

    @property
    def two(self) -> bool:
        """Whether two sides were compared: more are ranked."""
        return len(self.sides) == 2

    @property
    def baseline(self) -> str:
        """The first side."""
        return self.sides[0]

    @property
    def candidate(self) -> str:
        """The last side: of two, the one whose share is given."""
        return self.sides[-1]

    @cached_property
    def scored(self) -> list[Judgement]:
        """The judgements that count in the score: no repeats, no skips."""
        return [each for each in self.judgements if not each.repeat and each.verdict != "skip"]

    @cached_property
    def standing(self) -> Standing:
        """How the two sides stand, over prompts; empty for more."""
        return standing(self.scored if self.two else [], self.candidate, self.baseline)

    @cached_property
    def _items(self) -> set[agreement.Item]:
        return {(each.prompt, frozenset((each.left, each.right))) for each in self.scored if not each.identical}

    @property
    def judged(self) -> int:
        """Pairs with a verdict, identical ones aside."""
        return len(self._items)

    @property
    def skipped(self) -> int:
        """Pairs that were only skipped."""
        return self.pairs - self.left - self.judged

    @property
    def wins(self) -> int:
        """Prompts that the candidate won."""
        return self.standing.counts["win"]

    @property
    def losses(self) -> int:
        """Prompts that the baseline won."""
        return self.standing.counts["loss"]

    @property
    def ties(self) -> int:
        """Prompts tied, identical ones among them."""
        return self.standing.counts["tie"]

    @property
    def both_bad(self) -> int:
        """Prompts of which neither answer would do."""
        return self.standing.counts["both_bad"]

    @property
    def identical(self) -> int:
        """Prompts tied without asking."""
        return self.standing.identical

    @property
    def decisive(self) -> int:
        """Prompts that one side won; of more than two sides, judgements that picked one."""
        return self.wins + self.losses if self.two else sum(each.verdict in DECISIVE for each in self.scored)

    @property
    def share(self) -> Share | None:
        """Of decisive prompts won by the candidate, with the Wilson interval."""
        return wilson(self.wins, self.wins + self.losses)

    @cached_property
    def p(self) -> float:
        """Of the exact sign test; it holds where the number of judgements was set beforehand."""
        return sign_test(self.wins, self.losses)

    @property
    def score(self) -> Share | None:
        """The candidate's share with ties and both-bad at ½, over all prompts with a verdict."""
        return self.standing.score

    @cached_property
    def stopping(self) -> Stopping:
        """The rule that may be looked at at any time."""
        return follow(self.standing.decisive)

    @cached_property
    def needed(self) -> int | None:
        """Further decisive prompts by which the rule would stop, in 4 of 5 judgings, if the side ahead were preferred
        60/40; 0 where it was reached, None beyond 5,000."""
        return 0 if self.stopping.reached else needed(self.wins, self.losses)

    @property
    def share_any_time(self) -> Share | None:
        """The share with the interval that stays valid however often one looks."""
        return interval(self.wins, self.losses)

    @cached_property
    def _decided(self) -> list[Judgement]:
        return [each for each in self.scored if each.verdict in DECISIVE]

    @cached_property
    def first_slot(self) -> Habit:
        """Verdicts for the left answer."""
        return habit((each.prompt, each.verdict == "left") for each in self._decided)

    @cached_property
    def longer(self) -> Habit:
        """Verdicts for the longer answer, pairs of equal length aside."""
        return habit(
            (each.prompt, (each.verdict == "left") == (each.left_length > each.right_length))
            for each in self._decided
            if each.left_length is not None
            and each.right_length is not None
            and each.left_length != each.right_length
        )

    @cached_property
    def by_order(self) -> dict[str, Habit]:
        """Of two sides: verdicts for the candidate where it stood ``left``, and where it stood ``right``."""
        return {
            place: habit(
                (each.prompt, each.verdict == place)
                for each in self._decided
                if (each.left if place == "left" else each.right) == self.candidate
            )
            for place in (("left", "right") if self.two else ())
        }

    @cached_property
    def adjusted(self) -> Adjusted | None:
        """The candidate's share at equal length; None under 40 decisive prompts, or without lengths."""
        if not self.two:
            return None
        return adjusted(self.standing.verdicts, differences(self.scored, self.candidate))

    @cached_property
    def lengths(self) -> dict[str, float]:
        """Side → mean characters of its answers over the judgements that know them, identical pairs aside."""
        found: dict[str, list[int]] = {side: [] for side in self.sides}
        for each in self.scored:
            for side, length in ((each.left, each.left_length), (each.right, each.right_length)):
                if length is not None and not each.identical:
                    found[side].append(length)
        if not any(found.values()):
            return {}
        return {side: round(sum(values) / len(values), 1) if values else 0.0 for side, values in found.items()}

    @cached_property
    def judges(self) -> dict[str, dict[str, int]]:
        """Judge → counts of that judge's own verdicts, by name."""
        counts: dict[str, Counter[str]] = {}
        for each in self.judgements:
            if not each.repeat and not each.identical:
                counts.setdefault(each.judge, Counter())[each.winner or f"-{each.verdict}"] += 1
        return {judge: self._own(counts[judge]) for judge in sorted(counts)}

    def _own(self, count: Counter[str]) -> dict[str, int]:
        if self.two:
            picks = {"wins": count[self.candidate], "losses": count[self.baseline]}
        else:
            picks = {"decisive": sum(count[side] for side in self.sides)}
        return {**picks, "ties": count["-tie"], "both_bad": count["-both_bad"], "skips": count["-skip"]}

    @cached_property
    def by_item(self) -> dict[agreement.Item, dict[str, str]]:
        """Prompt and sides → judge → what was said."""
        return agreement.by_item(self.judgements)

    @cached_property
    def _coded(self) -> dict[agreement.Item, dict[str, str]]:
        return agreement.coded(self.by_item)

    @cached_property
    def agreements(self) -> list[agreement.Agreement]:
        """Of each two judges with a pair in common."""
        return agreement.pairwise(self._coded)

    @cached_property
    def alpha(self) -> float | None:
        """Krippendorff's alpha of all judges."""
        return agreement.krippendorffs_alpha(said.values() for said in self._coded.values())

    @cached_property
    def disagreements(self) -> list[agreement.Disagreement]:
        """The pairs to discuss."""
        return agreement.disagreements(self.by_item)

    @cached_property
    def consistency(self) -> dict[str, Habit]:
        """Judge → pairs that came back swapped and were judged alike; "" is all together, empty without repeats."""
        return agreement.self_consistency(self.judgements)

    @cached_property
    def slices(self) -> dict[str, dict[str, Part]]:
        """Field → value → its part, largest first; fields with more than 20 values are left out."""
        values: dict[str, dict[str, list[Judgement]]] = {}
        for each in self.scored:
            for name, value in each.slices.items():
                values.setdefault(name, {}).setdefault(value, []).append(each)
        parts = {
            name: {value: self._part(own) for value, own in by_value.items()}
            for name, by_value in values.items()
            if len(by_value) <= MOST_VALUES
        }
        return {
            name: dict(sorted(own.items(), key=lambda item: (-item[1].prompts, item[0])))
            for name, own in parts.items()
        }

    def _part(self, own: Sequence[Judgement]) -> Part:
        if self.two:
            found = standing(own, self.candidate, self.baseline)
            score = found.score
            rate = score.value if score else 0.5
            return Part(len(found.verdicts), found, {self.baseline: 1 - rate, self.candidate: rate})
        scores = {side: score for side, (score, _) in mean_scores(own).items()}
        return Part(len({each.prompt for each in own}), None, scores)

    @cached_property
    def totals(self) -> dict[str, tuple[float, int]]:
        """Side → its mean score against all others with ties at ½, and the judgements behind it."""
        return mean_scores(self.scored)

    @cached_property
    def reasons(self) -> dict[str, Counter[str]]:
        """Reason → what was said with it (the side picked, ``tie``, ``both_bad``) → judgements; most first."""
        found: dict[str, Counter[str]] = {}
        for each in self.scored:
            for reason in each.reasons:
                found.setdefault(reason, Counter())[agreement.label(each)] += 1
        return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))

    @property
    def remarks(self) -> list[Judgement]:
        """The judgements with a note or a flag, those with a flag first."""
        marked = (each for each in self.judgements if each.flagged or each.note)
        return sorted(marked, key=lambda each: not each.flagged)

    @property
    def flagged(self) -> int:
        """Judgements that carry a flag."""
        return sum(each.flagged for each in self.scored)

    @cached_property
    def ranking(self) -> Ranking | None:
        """Bradley-Terry over more than two sides, with intervals; None for two."""
        if self.two:
            return None
        from core.judging.statistics.ranking import ranking

        return ranking(self.scored)

    @cached_property
    def order(self) -> list[str]:
        """The sides of more than two, strongest first, without the work of intervals; empty without common order."""
        from core.judging.statistics.ranking import ranking

        return list(ranking(self.scored, resamples=0).strengths)

    def worked_out(self) -> Results:
        """This, with all that takes time done: for a thread, before a screen draws it."""
        self.cautions()
        _ = (self.slices, self.reasons, self.by_order, self.needed, self.share_any_time)
        return self

    def label(self, side: str) -> str:
        """What a side is called in a sentence: base and tuned are, others by their name."""
        return side if side in (CANDIDATE, BASELINE) else self.names.get(side, side)

    def to_json(self) -> dict[str, Any]:
        """The document of `diapason judgements --json`; described in docs/json.md."""
        from core.judging.document import document

        return document(self)

    def headline(self) -> str:
        """The result in a few words."""
        from core.judging.wording import headline

        return headline(self)

    def verdict(self) -> str:
        """The result in one sentence."""
        from core.judging.wording import verdict

        return verdict(self)

    def meaning(self) -> str:
        """What the verdict's figures say, for someone who does not live with p-values."""
        from core.judging.wording import meaning

        return meaning(self)

    def cautions(self) -> list[str]:
        """What a reader should know before believing the verdict, one sentence each."""
        from core.judging.wording import cautions

        return cautions(self)
