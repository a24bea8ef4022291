"""The results in sentences, for the screen, the command and the report alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.judging.statistics.proportion import Share, p_value, percent
from core.judging.statistics.stopping import target

if TYPE_CHECKING:
    from core.judging.outcome import Results
    from core.judging.rater import Rated
    from core.judging.statistics.ranking import Bound

ADVISED_KAPPA = 0.4
"""Under it agreement is at most fair: J. R. Landis and G. G. Koch, Biometrics 33 (1977) 159–174."""


def share_text(share: Share | None) -> str:
    """``82 % (95 % interval 67–91 %)``, or a dash."""
    if share is None:
        return "–"
    return f"{percent(share.value)} % (95 % interval {percent(share.low)}–{percent(share.high)} %)"


def coefficient(value: float | None) -> str:
    """A kappa or an alpha with two decimals, never ``-0.00``; a dash where there is none."""
    return "–" if value is None else f"{round(value, 2) + 0.0:.2f}"


def bounds(bound: Bound) -> str:
    """The interval of a strength, ``-0.61 to -0.08``; an open end is said so, and a dash where there is none."""
    if bound.low is None and bound.high is None:
        return "–"
    low = "no bound" if bound.low is None else f"{bound.low:+.2f}"
    high = "no bound" if bound.high is None else f"{bound.high:+.2f}"
    return f"{low} to {high}"


def one_model(sides: Sequence[str]) -> bool:
    """Whether all sides are answers drawn from one model (``tuned~1``, ``tuned~2``): judged to teach it."""
    return len(sides) > 1 and all("~" in side for side in sides) and len({side.split("~")[0] for side in sides}) == 1


def headline(found: Results) -> str:
    """The result in a few words."""
    if not found.two or not found.decisive or one_model(found.sides):
        return verdict(found)
    side = found.label(found.candidate if found.wins >= found.losses else found.baseline)
    won = f"{max(found.wins, found.losses)} of {found.decisive} decisive pairs"
    return f"{side} is preferred: it won {won}" if found.p < 0.05 else f"no winner is shown: {side} won {won}"


def verdict(found: Results) -> str:
    """The result in one sentence."""
    if not found.scored:
        return "no pair is judged yet"
    if one_model(found.sides):
        judged = _pairs(len(found.standing.verdicts))
        return f"{found.decisive} of {judged} judged have a better answer to learn from"
    if not found.two:
        return _ranked(found)
    if not found.decisive:
        return f"no side won any of the {len(found.standing.verdicts)} pairs judged"
    assert found.share is not None
    side, won, share = found.candidate, found.wins, found.share
    if found.losses > found.wins:
        side, won = found.baseline, found.losses
        share = Share(1 - share.value, 1 - share.high, 1 - share.low)
    interval = f"95 % interval {percent(share.low)}–{percent(share.high)} %"
    tail = f"({percent(share.value)} %, {interval}), sign test p {p_value(found.p)}"
    if found.wins == found.losses:
        both = f"{found.label(found.candidate)} and {found.label(found.baseline)}"
        return f"{both} won {won} of {found.decisive} decisive pairs each {tail}"
    return f"{found.label(side)} won {won} of {found.decisive} decisive pairs {tail}"


def _ranked(found: Results) -> str:
    judged = f"{len(found.scored):,} judgements of {len({each.prompt for each in found.scored}):,} prompts"
    if not found.order:
        return f"{len(found.sides)} sides without a common order, from {judged}"
    first, second = found.order[:2]
    return f"{found.label(first)} is first of {len(found.sides)}, {found.label(second)} second, from {judged}"


def meaning(found: Results) -> str:
    """What the figures say, for someone who does not live with p-values."""
    if one_model(found.sides):
        return "Both answers of a pair are drawn from one model: the verdicts teach it, and compare nothing."
    if not found.two:
        return (
            "A strength is the log-odds of being preferred over a side of average strength; "
            "sides whose intervals overlap much are not told apart."
        )
    if not found.decisive:
        return "There is nothing to test without a decisive pair."
    side = found.label(found.candidate if found.wins >= found.losses else found.baseline)
    if found.p < 0.05:
        return f"A difference this large would be rare if both were equally good: {side} is preferred."
    return "Two equally good models differ this much often enough: no winner is shown yet. More pairs would tell."


def stopping(found: Results) -> str:
    """Whether one may stop judging, and what it would take: one sentence, empty for more than two sides."""
    rule = found.stopping
    if not found.two or not found.decisive or one_model(found.sides):
        return ""
    if rule.at is not None:
        ahead, of = rule.at
        return f"You can stop now: {ahead} of {of} was enough, however often you looked (p {p_value(rule.p)})."
    top = target(found.decisive)
    wanted = f": {top} of {found.decisive} would be" if top is not None else ""
    if found.needed is None:
        more = "a true 60/40 would need more than 5,000 further ones"
    else:
        more = f"a true 60/40 would need about {found.needed:,} more (in 4 of 5 judgings no more than that)"
    return f"Not enough to stop yet{wanted}; {more}."


def length(found: Results) -> str:
    """What is left of the preference at equal length: one sentence, or empty where it cannot be told."""
    adjusted = found.adjusted
    if adjusted is None or one_model(found.sides):
        return ""
    return f"At equal length {found.label(found.candidate)} would win {share_text(adjusted.share)} of decisive pairs."


def rater_lines(rated: Rated, found: Results) -> list[str]:
    """What a second rater by model said, and how far it agrees with the people: sentences of their own."""
    from core.judging.rater import with_people

    picked = Counter(each.winner or "tie" for each in rated.judgements)
    sides = ", ".join(f"{found.label(side)} {picked[side]}" for side in reversed(found.sides))
    told = [f"Second rater {rated.model}: {sides}, tie {picked['tie']}; kept apart from the people's votes."]
    if rated.inconsistent:
        told.append(f"In {_pairs(len(rated.inconsistent))} the order changed its verdict: counted as ties.")
    if rated.waiting:
        replies = f"{rated.unparsed:,} {'reply' if rated.unparsed == 1 else 'replies'} not in the form asked for"
        why = f" ({replies})" if rated.unparsed else ""
        told.append(f"{_pairs(rated.waiting)} without a verdict in both orders: left out{why}.")
    people = with_people(rated, found)
    if people.pairs:
        kappa = coefficient(people.kappa)
        told.append(
            f"With the people it agrees on {share_text(people.alike)} of {_pairs(people.pairs)}, kappa {kappa}."
        )
    return told


def cautions(found: Results) -> list[str]:
    """What a reader should know before believing the verdict, one sentence each."""
    told: list[str] = []
    if found.left and not found.stopping.reached:
        early = "looking early makes p too small" if found.two else "the order may change"
        told.append(f"{found.left} of {found.pairs} pairs are not judged yet: {early}.")
    told += _habits(found)
    told += _judges(found)
    if found.telling:
        told.append(f"In {_pairs(found.telling)} an answer names its model: these were not blind.")
    if found.ranking is not None:
        told += [f"{problem[:1].upper()}{problem[1:]}." for problem in found.ranking.problems]
    if found.answers_changed:
        told.append("The answers were made again since; these verdicts are about the earlier ones.")
    return told


def _habits(found: Results) -> list[str]:
    told: list[str] = []
    if found.first_slot.marked and found.first_slot.share:
        side = "left" if found.first_slot.share.value > 0.5 else "right"
        share = max(found.first_slot.share.value, 1 - found.first_slot.share.value)
        told.append(f"The {side} answer won {percent(share)} % of decisive pairs, whichever model it was.")
    if found.longer.marked and found.longer.share:
        which = "longer" if found.longer.share.value > 0.5 else "shorter"
        share = max(found.longer.share.value, 1 - found.longer.share.value)
        told.append(f"The {which} answer won {percent(share)} % of decisive pairs: length may be why.")
    adjusted = found.adjusted
    if adjusted and found.share and (adjusted.share.value - 0.5) * (found.share.value - 0.5) < 0:
        told.append("At equal length the preference turns round: see the length-adjusted share.")
    return told


def _judges(found: Results) -> list[str]:
    told: list[str] = []
    opposite = sum(each.opposite for each in found.disagreements) if len(found.judges) > 1 else 0
    if found.alpha is not None and found.alpha < ADVISED_KAPPA and found.agreements:
        told.append(
            f"The judges agree little (alpha {found.alpha:.2f}): talk about {_pairs(opposite)} with opposite picks."
        )
    consistency = found.consistency.get("")
    if consistency and consistency.share and consistency.trials >= 10 and consistency.share.value < 0.7:
        told.append(
            f"Only {consistency.count} of {consistency.trials} pairs that came back swapped were judged alike."
        )
    return told


def _pairs(number: int) -> str:
    return f"{number:,} {'pair' if number == 1 else 'pairs'}"
