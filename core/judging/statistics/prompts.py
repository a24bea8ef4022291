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
        counts: verdict → prompts.
        identical: prompts tied without asking, within the ties.
    """

    verdicts: Mapping[str, str]
    scores: Mapping[str, float]
    counts: Counter[str]
    identical: int

    @property
    def score(self) -> Share | None:
        """The mean score with its Wilson interval: no score between 0 and 1 varies more than a coin."""
        total = len(self.scores)
        return wilson(min(float(total), math.fsum(self.scores.values())), total)

    @property
    def decisive(self) -> list[bool]:
        """Whether the candidate won, for each prompt that one side won."""
        return [verdict == "win" for verdict in self.verdicts.values() if verdict in ("win", "loss")]


def majority(labels: Sequence[str], one: str, other: str) -> str:
    """What a prompt's judges say together: what most of them said; where two things were said equally often, the
    side that more of them picked, else ``tie``.

    Args:
        labels: `one`, `other`, ``tie`` or ``both_bad``, at least one.
    """
    counts = Counter(labels)
    (most, often), *rest = counts.most_common(2)
    if not rest or rest[0][1] < often:
        return most
    if counts[one] == counts[other]:
        return "tie"
    return one if counts[one] > counts[other] else other


def standing(judgements: Iterable[Judgement], candidate: str, baseline: str) -> Standing:
    """One verdict and one score a prompt: the verdict is the `majority` of what was said about it.

    Repeats and skips do not count; judgements of other sides are passed over.
    """
    given: dict[str, list[Judgement]] = {}
    for each in judgements:
        if not each.repeat and each.verdict != "skip" and {each.left, each.right} == {candidate, baseline}:
            given.setdefault(each.prompt, []).append(each)
    verdicts: dict[str, str] = {}
    scores: dict[str, float] = {}
    named = {candidate: "win", baseline: "loss"}
    for prompt, own in given.items():
        labels = [each.winner or each.verdict for each in own]
        scores[prompt] = sum(_POINTS.get(label, float(label == candidate)) for label in labels) / len(own)
        said = labels[0] if len(labels) == 1 else majority(labels, candidate, baseline)
        verdicts[prompt] = named.get(said, said)
    identical = sum(own[0].identical and all(each.identical for each in own) for own in given.values())
    return Standing(verdicts, scores, Counter(verdicts.values()), identical)


def mean_scores(judgements: Sequence[Judgement]) -> dict[str, tuple[float, int]]:
    """Side → its mean score in `judgements` with ties and both-bad at ½, and their number; the best first."""
    points: dict[str, list[float]] = {}
    for each in judgements:
        left = {"left": 1.0, "right": 0.0}.get(each.verdict, 0.5)
        points.setdefault(each.left, []).append(left)
        points.setdefault(each.right, []).append(1 - left)
    means = {side: (sum(own) / len(own), len(own)) for side, own in points.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1][0], item[0])))


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
    groups: dict[str, list[int]] = {}
    for prompt, went in outcomes:
        group = groups.setdefault(prompt, [0, 0])
        group[0] += went
        group[1] += 1
    more = sum(2 * hits > count for hits, count in groups.values())
    fewer = sum(2 * hits < count for hits, count in groups.values())
    share = clustered([(hits, count) for hits, count in groups.values()])
    hits, trials = (sum(group[place] for group in groups.values()) for place in (0, 1))
    return Habit(hits, trials, share, sign_test(more, fewer))


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
