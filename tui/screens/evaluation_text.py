"""The evaluation in words and columns: the table of arms and metrics, and what stands below it."""

from __future__ import annotations

import math

from textual.content import Content

from core.evaluation.result import ArmResult, EvaluationResult, MetricInfo
from core.evaluation.verdict import answer, cost_of, p_words, signed
from core.text import cells, shorten, visible
from tui.columns import Part, left, right
from tui.format import DASH, count, duration
from tui.screens.evaluation_state import Case
from tui.widgets.rows import Row

_NAME, _LEAST = 16, 10


def answer_text(result: EvaluationResult, *, short: bool) -> Content:
    """The answer in full, and what a thousand answers cost; `short`: the cost alone, below the headline. Before it
    the arms that failed."""
    parts: list[Part] = [(visible(f"✗ {arm} failed: {why}") + "\n", "$error") for arm, why in result.failed.items()]
    found = answer(result)
    if found is None:
        return Content.assemble(*parts).rstrip()
    parts += [(visible(line) + "\n", "") for line in (() if short else found.lines)]
    costs = [(arm.name, cost_of(arm, memory=not short)) for arm in (found.tuned, found.rival)]
    told = "; ".join(f"{name} {cost}" for name, cost in costs if cost)
    if told:
        parts.append((visible(f"1,000 answers: {told}"), "$text-muted"))
    return Content.assemble(*parts).rstrip()


def shown_arms(result: EvaluationResult, width: int) -> list[ArmResult]:
    """The arms that have a column: all, or where these are too many for `width` cells tuned and its rival first."""
    most = max(2, (width - _NAME) // _LEAST)
    if len(result.arms) <= most:
        return result.arms
    found = answer(result)
    first = [found.rival.name, found.tuned.name] if found else []
    kept = (first + [arm.name for arm in result.arms if arm.name not in first])[:most]
    return [arm for arm in result.arms if arm.name in kept]


def metric_rows(result: EvaluationResult) -> list[Row]:
    """The table: a metric a row, an arm a column, each with its interval."""
    rows = [Row(None, tuple(arm.name for arm in result.arms), lambda width: _heading(result, width))]
    rows += [
        Row(f"metric:{metric}", (id(result), metric), lambda width, metric=metric: _metric(result, metric, width))
        for metric in result.metrics
    ]
    return rows


def _heading(result: EvaluationResult, width: int) -> Content:
    arms = shown_arms(result, width)
    each = _arm_width(len(arms), width)
    hidden = len(result.arms) - len(arms)
    corner = f"+{hidden} arms: 2" if hidden else ""
    return Content.assemble(
        left(corner, _NAME, "$text-muted"), *(right(shorten(arm.name, each - 1), each, "$text-muted") for arm in arms)
    )


# Cells of an interval and of a figure in a column that has room for both.
_INTERVAL, _FIGURE = 11, 5


def _arm_width(arms: int, width: int) -> int:
    return max(_LEAST, min(26, (width - _NAME) // max(1, arms)))


def _metric(result: EvaluationResult, metric: str, width: int) -> Content:
    info = result.infos[metric]
    arms = shown_arms(result, width)
    each = _arm_width(len(arms), width)
    star = "★" if metric == result.primary and result.corrected else " "
    name = left(f"{shorten(info.label, _NAME - 2)}{star}{arrow(info)}", _NAME)
    parts: list[Part] = [name]
    for arm in arms:
        value = arm.metrics.get(metric)
        if value is None:
            parts.append(right(DASH, each - 2, "$text-disabled"))
            parts.append("  ")
            continue
        interval = f"{value.low:.{info.decimals}f}–{value.high:.{info.decimals}f}"
        figure = f"{value.value:.{info.decimals}f}"
        sign, style = _sign(result, arm, metric)
        # All figures of a column stand below each other, whether or not their interval has room.
        room = each - _INTERVAL - 3
        if each < _FIGURE + _INTERVAL + 3 or cells(figure) > room:
            parts += [right(figure, each - 2, style), sign]
        else:
            shown = interval if cells(interval) <= _INTERVAL else ""
            parts += [right(figure, room, style), sign, (f" {shown:>{_INTERVAL}}", "$text-muted")]
    return Content.assemble(*parts)


def arrow(info: MetricInfo) -> str:
    """Which way is better."""
    return "↑" if info.higher_is_better else "↓"


def _sign(result: EvaluationResult, arm: ArmResult, metric: str) -> tuple[Part, str]:
    """▲ where the arm is surely better than the base, and tuned than all arms without tuning; ▼ where it is surely
    worse than one that it is compared with."""
    style = "bold" if arm.kind == "tuned" else ""
    untuned = {other.name for other in result.arms if other.untuned}
    found = [item for item in result.comparisons if (item.arm, item.metric) == (arm.name, metric)]
    if any(result.better(item) is False for item in found):
        return (" ▼", "$error"), style
    rivals = [item for item in found if item.against in untuned] or found
    if rivals and all(result.better(item) for item in rivals):
        return (" ▲", "$success"), style
    return "  ", style


def metric_detail(result: EvaluationResult, metric: str, most: int = 99) -> Content:
    """What the metric is, and its comparisons, tuned's first; `most` lines of them."""
    info = result.infos[metric]
    way = "higher is better" if info.higher_is_better else "lower is better"
    main = ", the primary metric" if result.corrected and metric == result.primary else ""
    parts: list[Part] = [(visible(f"{info.label}{main}: {info.definition}; {way}"), "$text-muted")]
    found = [item for item in result.comparisons if item.metric == metric]
    for item in found[:most]:
        sure = result.better(item)
        word, style = ("better", "$success") if sure else ("worse", "$error") if sure is False else ("not shown", "")
        parts += [
            "\n",
            left(f"{item.arm} − {item.against}", 22),
            (signed(item.difference, info.decimals).rjust(9), "bold"),
            (f"  {signed(item.low, info.decimals)} to {signed(item.high, info.decimals)}".ljust(20), "$text-muted"),
            (p_words(item.p_corrected).ljust(11), "$text-muted"),
            (word, style or "$text-muted"),
        ]
    if len(found) > most:
        parts.append((f"\n{len(found) - most} more: key 2", "$text-muted"))
    return Content.assemble(*parts)


def footnote(result: EvaluationResult) -> Content:
    """How it was measured."""
    parts = [f"{count(result.rows)} test rows", "95 % intervals"]
    parts.append("p corrected by Holm" if result.corrected else "p not corrected")
    if result.refused:
        parts.append(f"{count(result.refused)} left out: trained on")
    if result.too_long:
        parts.append(f"{count(result.too_long)} left out: too long")
    cut = max((arm.cut for arm in result.arms), default=0)
    if cut:
        parts.append(f"up to {count(cut)} answers cut at the longest length")
    parts.append("took " + duration(sum(arm.seconds for arm in result.arms)))
    return Content.styled(" · ".join(parts), "$text-muted")


def case_row(case: Case, left_arm: str, right_arm: str) -> Row:
    """One test row in the list: by how much the right arm finds its reference likelier, and what was asked."""
    return Row(f"case:{case.row}", (case, left_arm, right_arm), lambda width: _case(case, left_arm, right_arm, width))


def _case(case: Case, left_arm: str, right_arm: str, width: int) -> Content:
    gain = case.gain(left_arm, right_arm)
    if math.isfinite(gain):
        shown = signed(-gain, 2)
        style = "$success" if gain > 0 else "$error"
    else:
        shown, style = DASH, "$text-disabled"
    same = "" if case.differ(left_arm, right_arm) else "same answer  "
    where = f"line {count(case.line)}" if case.line else f"row {count(case.row)}"
    room = width - 12 - 8 - 2 - cells(same)
    return Content.assemble(
        left(where, 12, "$text-muted"),
        right(shown, 8, style),
        "  ",
        (same, "$text-muted"),
        shorten(case.prompt, room),
    )
