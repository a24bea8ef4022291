"""The evaluation in words and columns."""

from __future__ import annotations

import math

from textual.content import Content

from core.evaluation.result import METRICS, ArmResult, EvaluationResult
from core.text import cells, shorten, visible
from tui.columns import Part, left, right
from tui.format import DASH, count, duration, loss
from tui.screens.evaluation_state import TUNED, Case, better
from tui.widgets.rows import Row

_NAME, _INTERVAL = 16, 11


def signed(value: float, decimals: int) -> str:
    """A difference with its sign, a real minus among them."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def p_words(p: float) -> str:
    """`p` as it is written: p < .0001, p = .003, p = .21."""
    if p < 0.0001:
        return "p < .0001"
    return "p = " + (f"{p:.1g}" if p < 0.01 else f"{p:.2f}").removeprefix("0")


def metric_rows(result: EvaluationResult) -> list[Row]:
    """The table: a metric a row, an arm a column, each with its interval."""
    names = tuple(arm.name for arm in result.arms)
    rows = [Row(None, names, lambda width: _heading(names, width))]
    rows += [
        Row(f"metric:{metric}", (id(result), metric), lambda width, metric=metric: _metric(result, metric, width))
        for metric in result.metrics
    ]
    return rows


def _arm_width(arms: int, width: int) -> int:
    return max(8, min(26, (width - _NAME) // max(1, arms)))


def _heading(names: tuple[str, ...], width: int) -> Content:
    each = _arm_width(len(names), width)
    return Content.assemble(left("", _NAME), *(right(name, each, "$text-muted") for name in names))


def _metric(result: EvaluationResult, metric: str, width: int) -> Content:
    info = METRICS[metric]
    each = _arm_width(len(result.arms), width)
    sure = {item.against: better(item) for item in result.comparisons if item.metric == metric and item.arm == TUNED}
    parts: list[Part] = [left(info.label, _NAME)]
    for arm in result.arms:
        value = arm.metrics.get(metric)
        if value is None:
            parts.append(right(DASH, each, "$text-disabled"))
            continue
        interval = f"{value.low:.{info.decimals}f}–{value.high:.{info.decimals}f}".rjust(_INTERVAL)
        figure = f"{value.value:.{info.decimals}f}"
        sign, style = _sign(arm, sure)
        if each < cells(figure) + cells(interval) + 4:
            parts += [right(figure, each - 2, style), sign]
        else:
            room = each - cells(interval) - 3
            parts += [right(figure, room, style), sign, (f" {interval}", "$text-muted")]
    return Content.assemble(*parts)


def _sign(arm: ArmResult, sure: dict[str, bool | None]) -> tuple[Part, str]:
    """▲ where tuned is surely better than every other arm, ▼ where it is surely worse than one."""
    if arm.name != TUNED or not sure:
        return "  ", ""
    if any(value is False for value in sure.values()):
        return (" ▼", "$error"), "bold"
    if all(sure.values()):
        return (" ▲", "$success"), "bold"
    return "  ", "bold"


def metric_detail(result: EvaluationResult, metric: str) -> Content:
    """What the metric is, and tuned against every other arm."""
    info = METRICS[metric]
    arrow = "higher is better" if info.higher_is_better else "lower is better"
    parts: list[Part] = [(f"{info.label}: {info.definition}; {arrow}", "$text-muted")]
    for item in result.comparisons:
        if item.metric != metric or item.arm != TUNED:
            continue
        sure = better(item)
        word, style = ("better", "$success") if sure else ("worse", "$error") if sure is False else ("not shown", "")
        parts += [
            "\n",
            (f"tuned − {visible(item.against)}".ljust(20), ""),
            (signed(item.difference, info.decimals).rjust(9), "bold"),
            (f"  {signed(item.low, info.decimals)} to {signed(item.high, info.decimals)}".ljust(22), "$text-muted"),
            (p_words(item.p).ljust(12), "$text-muted"),
            (word, style or "$text-muted"),
        ]
    return Content.assemble(*parts)


def footnote(result: EvaluationResult) -> Content:
    """How it was measured."""
    parts = [f"{count(result.rows)} test rows, 95 % intervals, paired bootstrap"]
    if result.refused:
        parts.append(f"{count(result.refused)} left out: their prompt was trained on")
    if result.too_long:
        parts.append(f"{count(result.too_long)} left out: too long for the model")
    parts.append("took " + duration(sum(arm.seconds for arm in result.arms)))
    return Content.styled(" · ".join(parts), "$text-muted")


def case_row(case: Case) -> Row:
    """One test row in the list: how much tuning helped, and what was asked."""
    return Row(f"case:{case.row}", case, lambda width: _case(case, width))


def _case(case: Case, width: int) -> Content:
    gain = case.gain
    if math.isfinite(gain):
        shown = signed(-gain, 2)
        style = "$success" if gain > 0 else "$error"
    else:
        shown, style = DASH, "$text-disabled"
    same = "" if case.differ else "same answer  "
    where = f"line {count(case.line)}" if case.line else f"row {count(case.row)}"
    room = width - 12 - 8 - 2 - cells(same)
    asked = shorten(case.prompt, room)
    return Content.assemble(
        left(where, 12, "$text-muted"), right(shown, 8, style), "  ", (same, "$text-muted"), asked
    )


def case_text(case: Case, arms: list[str]) -> Content:
    """One test row whole: what was asked, what was wanted, what each arm answered."""
    parts: list[Part] = []
    if case.turns > 1:
        plural = "" if case.turns == 2 else "s"
        parts.append((f"after {case.turns - 1} earlier message{plural}\n", "$text-muted"))
    parts += [("asked\n", "$text-muted"), (visible(case.prompt, newlines=True), "bold"), "\n\n"]
    parts += [("wanted\n", "$text-muted"), visible(case.reference, newlines=True), "\n\n"]
    for arm in arms:
        if arm in case.answers:
            measured = case.losses.get(arm)
            tail = f"  answer loss {loss(measured)}" if measured is not None else ""
            parts += [(visible(arm), "bold $accent" if arm == TUNED else "bold"), (tail + "\n", "$text-muted")]
            parts += [visible(case.answers[arm], newlines=True), "\n\n"]
    return Content.assemble(*parts)
