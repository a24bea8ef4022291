"""The results of judging as lines of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.judging import wording
from core.judging.statistics import Share, p_value, percent
from core.judging.statistics.agreement import label
from core.judging.wording import share_text
from core.text import cells, shorten, visible

if TYPE_CHECKING:
    from core.judging.outcome import Part, Results
    from core.judging.statistics.prompts import Habit

# So much of a long list is printed; --json has all of it.
_MOST_JUDGES = _MOST_DISAGREEMENTS = 10
_MOST_SIDES = 12
_NAME, _PROMPT = 28, 40


def lines(found: Results) -> list[str]:
    """Everything that `diapason judgements` prints; names are not yet made safe for a terminal."""
    told = [found.verdict(), found.meaning() if found.decisive else "", wording.stopping(found)]
    told = [line for line in told if line]
    told += ["", *(_two(found) if found.two else _many(found))]
    told += details(found)
    cautions = [f"! {caution}" for caution in found.cautions()]
    return told + (["", *cautions] if cautions else [])


def details(found: Results) -> list[str]:
    """What the screen shows below its headline and its bars, too."""
    if not found.scored:
        return []
    told = _rates(found) + _habits(found) + _slices(found) + _reasons(found) + _judges(found) + _remarks(found)
    for rated in found.rater.raters if found.rater else ():
        told += ["", *wording.rater_lines(rated, found)]
    return told


def table(rows: list[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(cells(visible(row[column])) for row in rows) for column in range(len(rows[0]))] if rows else []
    made: list[str] = []
    for row in rows:
        gaps = [" " * (width - cells(visible(text))) for text, width in zip(row, widths)]
        parts = [row[0] + gaps[0], *(gap + text for gap, text in zip(gaps[1:], row[1:]))]
        made.append(indent + "  ".join(parts).rstrip())
    return made


def _two(found: Results) -> list[str]:
    rows = [
        (f"{found.label(side)} won{_known_as(found, side)}", str(won))
        for side, won in ((found.candidate, found.wins), (found.baseline, found.losses))
    ]
    ties = f"ties ({found.identical} identical, not asked)" if found.identical else "ties"
    rows += [(ties, str(found.ties)), ("both bad", str(found.both_bad)), ("skipped", str(found.skipped))]
    rows.append(("not judged", str(found.left)))
    name = found.label(found.candidate)
    shares = [
        (f"{name}'s share of decisive pairs:", share_text(found.share)),
        ("  the same, however often one looks:", share_text(found.share_any_time)),
        ("  with ties and both-bad at ½:", share_text(found.score)),
    ]
    if found.adjusted:
        shares.append(("  at equal length:", share_text(found.adjusted.share)))
    return [*table(rows), "", *_pairs(shares)]


def _known_as(found: Results, side: str) -> str:
    name = found.names.get(side, side)
    return "" if name == found.label(side) else f" ({name})"


def _pairs(rows: list[tuple[str, str]]) -> list[str]:
    width = max(cells(visible(label)) for label, _ in rows) + 1
    return [label + " " * (width - cells(visible(label))) + text for label, text in rows]


def _many(found: Results) -> list[str]:
    ranking = found.ranking
    assert ranking is not None
    told: list[str] = []
    if ranking.strengths:
        rows = [("", "strength", "95 % interval", "score", "judgements")]
        for rank, (side, bound) in enumerate(ranking.strengths.items(), 1):
            score, count = found.totals[side]
            name = f"{rank:>2}  {shorten(found.label(side), _NAME)}"
            rows.append((name, f"{bound.value:+.2f}", wording.bounds(bound), f"{percent(score)} %", f"{count:,}"))
        told += table(rows)
    return told


def _rates(found: Results) -> list[str]:
    ranking = found.ranking
    if ranking is None:
        return []
    order = list(ranking.strengths) or list(found.totals)
    if len(order) > _MOST_SIDES:
        return ["", f"The table of all {len(order)} × {len(order)} win rates is in --json."]
    rows = [("won by the side in front, %", *(str(number) for number in range(1, len(order) + 1)))]
    for number, side in enumerate(order, 1):
        rates = [percent(ranking.rates[side, other][0]) if (side, other) in ranking.rates else "·" for other in order]
        rows.append((f"{number:>2}  {shorten(found.label(side), _NAME)}", *rates))
    return ["", *table(rows)]


def _habits(found: Results) -> list[str]:
    rows = [("left answer won:", habit_text(found.first_slot))]
    if found.by_order and found.first_slot.trials:
        left, right = found.by_order["left"], found.by_order["right"]
        each = f"{habit_text(left, p=False)}; on the right {habit_text(right, p=False)}"
        rows.append((f"{found.label(found.candidate)} on the left won:", each))
    if found.ranking and found.ranking.order:
        order = found.ranking.order
        rows.append(("advantage of the left:", f"{order.value:+.2f} (95 % interval {wording.bounds(order)})"))
    rows.append(("longer answer won:", habit_text(found.longer)))
    if len(found.lengths) and len(found.sides) <= _MOST_SIDES:
        mean = ", ".join(f"{found.label(side)} {length:,.0f}" for side, length in found.lengths.items())
        rows.append(("mean length in characters:", mean))
    return ["", *_pairs(rows)]


def habit_text(habit: Habit, *, p: bool = True) -> str:
    """``18 of 38, 47 % (95 % interval 32–63 %), sign test p = 0.87``, or a dash."""
    if not habit.trials:
        return "–"
    test = f", sign test p {p_value(habit.p)}" if p else ""
    return f"{habit.count:,} of {habit.trials:,}, {share_text(habit.share)}{test}"


def _slices(found: Results) -> list[str]:
    told: list[str] = []
    for name, parts in found.slices.items():
        told += ["", f"by {name}:", *table([part_row(found, value, part) for value, part in parts.items()])]
    return told


def part_row(found: Results, value: str, part: Part) -> tuple[str, str, str]:
    """A slice: its value, its prompts, how they stand."""
    prompts = f"{part.prompts:,} {'prompt' if part.prompts == 1 else 'prompts'}"
    return shorten(value or "(empty)", _NAME), prompts, _stand(found, part)


def _stand(found: Results, part: Part) -> str:
    if part.standing is None:
        best = list(part.scores.items())[:3]
        return ", ".join(f"{shorten(found.label(side), _NAME)} {percent(score)} %" for side, score in best)
    counts = part.standing.counts
    of = counts["win"] + counts["loss"]
    return f"{found.label(found.candidate)} won {counts['win']} of {of}: {_short(part.share)}"


def _short(share: Share | None) -> str:
    return f"{percent(share.value)} % ({percent(share.low)}–{percent(share.high)} %)" if share else "–"


def _reasons(found: Results) -> list[str]:
    if not found.reasons:
        return []
    rows: list[tuple[str, ...]] = []
    for reason, said in found.reasons.items():
        told = ", ".join(f"{_said(found, what)} {count}" for what, count in said.most_common(4))
        rows.append((shorten(reason, _NAME), f"{said.total():,}", told))
    return ["", "reasons given:", *table(rows)]


def _said(found: Results, what: str) -> str:
    return found.label(what) if what in found.sides else what.replace("_", " ")


def _judges(found: Results) -> list[str]:
    told: list[str] = []
    if len(found.judges) > 1:
        names = list(found.judges)[:_MOST_JUDGES]
        how = "a pair counts once, by what most of them said" if found.two else "intervals are over prompts"
        told += ["", f"judges ({how}):"]
        rows: list[tuple[str, ...]] = []
        for name in names:
            own = ", ".join(f"{key.replace('_', ' ')} {number}" for key, number in found.judges[name].items())
            rows.append((shorten(name or "(nobody named)", _NAME), own))
        told += table(rows)
        told += _more(len(found.judges) - len(names), "judges")
    told += agreement(found)
    for judge, habit in found.consistency.items():
        if judge:
            alike = f"{habit.count} of {habit.trials} swapped pairs alike"
            told.append(f"{judge} judged {alike}: {share_text(habit.share)}")
    return told


def agreement(found: Results) -> list[str]:
    """Alpha, kappa of each two judges, and the pairs to talk about."""
    if not found.agreements:
        return []
    alpha = wording.coefficient(found.alpha)
    told = ["", f"agreement: Krippendorff's alpha {alpha} (nominal)"]
    for each in found.agreements[:_MOST_JUDGES]:
        kappa = wording.coefficient(each.kappa)
        both = f"{each.judges[0]} and {each.judges[1]}"
        told.append(f"  {both}: kappa {kappa}, alike on {_short(each.alike)} of {each.pairs:,}")
    told += _more(len(found.agreements) - _MOST_JUDGES, "pairs of judges")
    if found.disagreements:
        told.append(f"to talk about: {len(found.disagreements):,} pairs")
        for each in found.disagreements[:_MOST_DISAGREEMENTS]:
            said = ", ".join(f"{judge}: {_said(found, what)}" for judge, what in sorted(each.said.items())[:4])
            told.append(f"  {shorten(visible(found.shown(each.prompt)), _PROMPT)}  {said}")
        told += _more(len(found.disagreements) - _MOST_DISAGREEMENTS, "pairs")
    return told


def _remarks(found: Results) -> list[str]:
    """What the judges flagged and noted."""
    told = ["", "flagged and noted:"] if found.remarks else []
    for each in found.remarks[:_MOST_DISAGREEMENTS]:
        who = f"{shorten(each.judge, _NAME)}: {_said(found, label(each))}{', flagged' if each.flagged else ''}"
        note = f": {shorten(visible(each.note), _PROMPT)}" if each.note else ""
        told.append(f"  {shorten(visible(found.shown(each.prompt)), _PROMPT)}  {who}{note}")
    return told + _more(len(found.remarks) - _MOST_DISAGREEMENTS, "remarks")


def _more(number: int, what: str) -> list[str]:
    return [f"  … and {number:,} more {what}: --json"] if number > 0 else []
