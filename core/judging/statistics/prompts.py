"""One score a prompt: several judges, or several judgements about one prompt, are no further evidence each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from core.judging.judgement import Judgement
from core.judging.statistics.proportion import Share, sign_test, wilson

_POINTS = {"tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True, slots=True)
class Standing:
    """How two sides stand, over prompts.

    Attributes:
        verdicts: prompt → ``win`` (of the candidate), ``loss``, ``tie`` or ``both_bad``, in order of appearance.
        scores: prompt → its mean score of the candidate, 0 to 1, ties and both-bad at ½.
        identical: prompts tied without asking, within the ties.
    """

    verdicts: Mapping[str, str]
    scores: Mapping[str, float]
    identical: int

    @property
    def counts(self) -> Counter[str]:
        """Verdict → prompts."""
        return Counter(self.verdicts.values())

    @property
    def score(self) -> Share | None:
        """The mean score with its Wilson interval: no score between 0 and 1 varies more than a coin."""
        total = len(self.scores)
        return wilson(min(float(total), math.fsum(self.scores.values())), total)

    @property
    def decisive(self) -> list[bool]:
        """Whether the candidate won, for each prompt that one side won."""
        return [verdict == "win" for verdict in self.verdicts.values() if verdict in ("win", "loss")]


def standing(judgements: Iterable[Judgement], candidate: str, baseline: str) -> Standing:
    """One verdict a prompt: the side that more judgements about it picked, else a tie (both bad where all say so).

    Repeats and skips do not count; judgements of other sides are passed over.
    """
    given: dict[str, list[Judgement]] = {}
    for each in judgements:
        if not each.repeat and each.verdict != "skip" and {each.left, each.right} == {candidate, baseline}:
            given.setdefault(each.prompt, []).append(each)
    verdicts: dict[str, str] = {}
    scores: dict[str, float] = {}
    for prompt, own in given.items():
        points = math.fsum(_points(each, candidate) for each in own)
        scores[prompt] = points / len(own)
        half = len(own) / 2
        if points != half:
            verdicts[prompt] = "win" if points > half else "loss"
        else:
            verdicts[prompt] = "both_bad" if all(each.verdict == "both_bad" for each in own) else "tie"
    identical = sum(all(each.identical for each in own) for own in given.values())
    return Standing(verdicts, scores, identical)


def _points(judgement: Judgement, candidate: str) -> float:
    return _POINTS.get(judgement.verdict, float(judgement.winner == candidate))


@dataclass(frozen=True, slots=True)
class Habit:
    """How often a verdict went along with something other than the content.

    Attributes:
        count, trials: decisive judgements that did, of all.
        share: with its interval over prompts; None without trials.
        p: of the sign test over prompts, each of which counts once.
    """

    count: int
    trials: int
    share: Share | None
    p: float

    def to_json(self) -> dict[str, object]:
        """``{"count", "trials", "share", "p"}``."""
        share = self.share.to_json() if self.share else None
        return {"count": self.count, "trials": self.trials, "share": share, "p": self.p}

    @property
    def marked(self) -> bool:
        """Whether it is stronger than chance would have it, on enough judgements to say so."""
        return self.trials >= 20 and self.p < 0.05


def habit(outcomes: Iterable[tuple[str, bool]]) -> Habit:
    """The habit in (prompt, whether it went along) of decisive judgements."""
    hits: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for prompt, went in outcomes:
        trials[prompt] += 1
        hits[prompt] += went
    more = sum(2 * hits[prompt] > count for prompt, count in trials.items())
    fewer = sum(2 * hits[prompt] < count for prompt, count in trials.items())
    share = clustered([(hits[prompt], count) for prompt, count in trials.items()])
    return Habit(hits.total(), trials.total(), share, sign_test(more, fewer))


def clustered(groups: Sequence[tuple[float, float]]) -> Share | None:
    """The share Σ hits / Σ trials over groups of (hits, trials), with an interval over the groups.

    With one trial in each group this is Wilson's interval. Else Wilson's with the trials divided by the design
    effect, which the variance of a ratio gives, Var = m/(m−1) · Σ(hᵢ − s·tᵢ)² / (Σtᵢ)², and by (t/z)² for the few
    groups that this variance rests on: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193–201;
    C. Franco et al., J. Surv. Stat. Methodol. 7 (2019) 334–364. Never narrower than over independent trials.
    """
    hits, trials = math.fsum(hit for hit, _ in groups), math.fsum(count for _, count in groups)
    if trials == 0:
        return None
    if all(count == 1 for _, count in groups):
        return wilson(hits, trials)
    share, number = hits / trials, len(groups)
    if number < 2:
        return Share(share, 0.0, 1.0)
    spread = math.fsum((hit - share * count) ** 2 for hit, count in groups) * number / (number - 1)
    effective = share * (1 - share) * trials**2 / spread if spread > 0 else float(number)
    effective = min(effective, trials) * min(1.0, (NormalDist().inv_cdf(0.975) / _t975(number - 1)) ** 2)
    return wilson(share * effective, effective)


def _t975(freedom: int) -> float:
    if freedom > 200:
        return NormalDist().inv_cdf(0.975)
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
