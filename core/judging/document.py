"""The document of `diapason judgements --json`; its fields are described in docs/json.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.judging.statistics import Share
from core.judging.statistics.agreement import label

if TYPE_CHECKING:
    from core.judging.outcome import Part, Results

# Of hundreds of judges, so many pairs of them, those with most in common.
_MOST_PAIRS = 100


def document(found: Results) -> dict[str, Any]:
    """Everything that the judgements say, as JSON values."""
    return {
        "schema": 1,
        "session": found.session,
        "sides": list(found.sides),
        "names": dict(found.names),
        "complete": found.left == 0,
        "pairs": {"asked": found.pairs, "judged": found.judged, "skipped": found.skipped, "left": found.left},
        "judgements": len(found.scored),
        **(_two(found) if found.two else _many(found)),
        "decisive": found.decisive,
        "first_slot": found.first_slot.to_json(),
        "longer": {**found.longer.to_json(), "mean_characters": found.lengths},
        "slices": {
            name: [{"value": value, **_part(part)} for value, part in parts.items()]
            for name, parts in found.slices.items()
        },
        "reasons": [{"reason": name, "judgements": said.total(), **said} for name, said in found.reasons.items()],
        "judges": [{"name": name, **counts} for name, counts in found.judges.items()],
        "agreement": _agreement(found),
        "consistency": {judge or "all": habit.to_json() for judge, habit in found.consistency.items()},
        "second_rater": found.rater.to_json(found) if found.rater else None,
        "notes": found.notes,
        "flagged": found.flagged,
        "remarks": [
            {
                "prompt": each.prompt,
                "judge": each.judge,
                "said": label(each),
                "flagged": each.flagged,
                "note": each.note,
            }
            for each in found.remarks
        ],
        "telling": found.telling,
        "answers_changed": found.answers_changed,
        "summary": found.verdict(),
        "cautions": found.cautions(),
    }


def _two(found: Results) -> dict[str, Any]:
    rule = found.stopping
    adjusted = found.adjusted
    return {
        "baseline": found.baseline,
        "candidate": found.candidate,
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
        "both_bad": found.both_bad,
        "identical": found.identical,
        "win_rate": _share(found.share),
        "sign_test": {"p": found.p},
        "score": _share(found.score),
        "stopping": {
            "reached": rule.reached,
            "at": {"ahead": rule.at[0], "of": rule.at[1]} if rule.at else None,
            "p": rule.p,
            "interval": _share(found.share_any_time),
            "needed_for_60_40": found.needed,
        },
        "by_order": {place: habit.to_json() for place, habit in found.by_order.items()},
        "length_adjusted": adjusted
        and {"share": adjusted.share.to_json(), "slope": adjusted.slope, "prompts": adjusted.prompts},
    }


def _many(found: Results) -> dict[str, Any]:
    ranking = found.ranking
    assert ranking is not None
    return {
        "ranking": [
            {"rank": rank, "side": side, "strength": bound.to_json(), **_against(found, side)}
            for rank, (side, bound) in enumerate(ranking.strengths.items(), 1)
        ],
        "order": ranking.order.to_json() if ranking.order else None,
        "pairwise": [
            {"side": side, "against": other, "score": rate, "judgements": count}
            for (side, other), (rate, count) in ranking.rates.items()
        ],
        "prompts": ranking.prompts,
        "problems": list(ranking.problems),
    }


def _against(found: Results, side: str) -> dict[str, Any]:
    score, count = found.totals[side]
    return {"score": score, "judgements": count}


def _part(part: Part) -> dict[str, Any]:
    if part.standing is None:
        return {"prompts": part.prompts, "scores": part.scores}
    counts = part.standing.counts
    return {
        "prompts": part.prompts,
        "wins": counts["win"],
        "losses": counts["loss"],
        "ties": counts["tie"],
        "both_bad": counts["both_bad"],
        "win_rate": _share(part.share),
        "scores": part.scores,
    }


def _agreement(found: Results) -> dict[str, Any] | None:
    if not found.agreements:
        return None
    return {
        "alpha": found.alpha,
        "pairs_of_judges": len(found.agreements),
        "judges": [
            {"judges": list(each.judges), "pairs": each.pairs, "alike": _share(each.alike), "kappa": each.kappa}
            for each in found.agreements[:_MOST_PAIRS]
        ],
        "disagreements": [
            {"prompt": each.prompt, "sides": list(each.sides), "opposite": each.opposite, "said": each.said}
            for each in found.disagreements
        ],
    }


def _share(share: Share | None) -> dict[str, float] | None:
    return share.to_json() if share else None
