"""The evaluation's other views as text: intervals, slices, costs, general prompts, classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.content import Content

from core.evaluation.result import EvaluationResult, parse_comparison
from core.report.evaluation import FORGETTING, cost_table, forgotten, how, turned_text
from core.text import cells, shorten, visible
from tui.columns import Part, left, right
from tui.format import DASH, count
from tui.screens.evaluation_text import arrow, metric_detail

if TYPE_CHECKING:
    from core.evaluation.slices import SliceScores

_MATRIX = 12
_PAIRS = 15


def intervals(result: EvaluationResult, metric: str, width: int) -> Content:
    """Each arm's score with its 95 % interval as a line, on one scale; then the comparisons, and how all was done."""
    info = result.infos[metric]
    arms = [(arm, value) for arm in result.arms if (value := arm.metrics.get(metric)) is not None]
    name = min(28, max((cells(shorten(arm.name, 28)) for arm, _ in arms), default=4)) + 2
    room = max(10, width - name - 10)
    low = min((min(value.low, value.value) for _, value in arms), default=0.0)
    high = max((max(value.high, value.value) for _, value in arms), default=1.0)
    parts: list[Part] = [(f"{visible(info.label)} {arrow(info)}\n", "bold")]
    for arm, value in arms:
        line = _line(value.low, value.value, value.high, low, high, room)
        style = "$accent" if arm.kind == "tuned" else ""
        parts += [left(arm.name, name, style or "$foreground"), (line, style),
                  right(f"{value.value:.{info.decimals}f}", 10, "bold"), "\n"]  # fmt: skip
    scale = f"{low:.{info.decimals}f}"
    end = f"{high:.{info.decimals}f}"
    parts += [" " * name, (scale + end.rjust(room - cells(scale)), "$text-muted"), "\n\n"]
    told = Content.styled(visible("\n".join(how(result)), newlines=True), "$text-muted")
    return Content.assemble(*parts, metric_detail(result, metric), "\n\n", told)


def _line(low: float, value: float, high: float, least: float, most: float, room: int) -> str:
    def place(figure: float) -> int:
        return round((figure - least) / (most - least) * (room - 1)) if most > least else room // 2

    begin, at, end = place(low), place(value), place(high)
    marks = [" "] * begin + ["─"] * (end - begin + 1) + [" "] * (room - end - 1)
    if end > begin:
        marks[begin], marks[end] = "├", "┤"
    marks[at] = "●"
    return "".join(marks)


def slices(scores: SliceScores, fields: Sequence[str], width: int) -> Content:
    """The arms by slice on the metric on which tuned and base are compared, marked where tuning made it worse."""
    metric = scores.compared
    info = scores.infos[metric]
    name = max(10, min(24, width // 4))
    mark = 24
    each = max(8, min(26, (width - name - 6 - mark) // len(scores.arms)))
    turned = [value for value, part in scores.ranked() if part.turned]
    told = (
        f"▼ tuned is worse than base on {len(turned)} of {len(scores.slices)} slices, although better over all rows"
        if turned
        else f"tuned is on none of {len(scores.slices)} slices worse than base while better over all rows"
    )
    parts: list[Part] = [
        (visible(f"{info.label} {arrow(info)} by {scores.by}"), "bold"),
        "\n",
        (told + "\n\n", "$error" if turned else "$text-muted"),
        left("", name),
        right("rows", 6, "$text-muted"),
        *(right(shorten(arm, each - 1), each, "$text-muted") for arm in scores.arms),
        "\n",
    ]
    for value, part in scores.ranked():
        parts += [left(value, name), right(count(part.rows), 6, "$text-muted")]
        for arm in scores.arms:
            figure = part.values.get(metric, {}).get(arm)
            bounds = part.intervals.get(metric, {}).get(arm)
            shown = DASH if figure is None else f"{figure:.{info.decimals}f}"
            between = f"{bounds[0]:.{info.decimals}f}–{bounds[1]:.{info.decimals}f}" if bounds else ""
            if each >= cells(shown) + 15:
                room = each - 13
                parts += [right(shown, room), (f"  {between}".ljust(13)[:13], "$text-muted")]
            else:
                parts.append(right(shown, each))
        parts += [("  " + turned_text(part), "$error" if part.turned else "$text-muted"), "\n"]
    others = ", ".join(field for field in fields if field != scores.by)
    parts.append(("\np: tuned against base in the slice, corrected by Holm over the slices.", "$text-muted"))
    parts.append((visible(f" b slices by {others}." if others else " b slices by another field."), "$text-muted"))
    return Content.assemble(*parts)


def costs(result: EvaluationResult, width: int) -> Content:
    """Tokens, time, memory and money of a thousand answers."""
    table = cost_table(result)
    longest = max(cells(row[0]) for row in table.rows) + 1
    room = max(0, width - min(28, longest)) // (len(table.head) - 1)
    heads, least = (table.head[1:], min(17, room)) if room >= 15 else ([*map(_short, table.head[1:])], 0)
    columns = [[head, *(row[place] for row in table.rows)] for place, head in enumerate(heads, 1)]
    # None narrower than what it shows: a figure that is cut off is another figure.
    each = [max(least, *(cells(text) + 1 for text in column)) for column in columns]
    name = min(28, longest, max(12, width - sum(each)))
    parts: list[Part] = [("what 1,000 answers cost\n\n", "bold"), left("", name)]
    parts += [right(head, wide, "$text-muted") for head, wide in zip(heads, each, strict=True)]
    for row in table.rows:
        parts += ["\n", left(row[0], name), *(right(cell, wide) for cell, wide in zip(row[1:], each, strict=True))]
    told = (
        "\n\nSeconds: of the batches that answered, of an endpoint those of each request. Memory: the highest while "
    )
    told += "the arm was at work, of the GPU or else of the process. Cut: answers that reached the longest length."
    parts.append((told, "$text-muted"))
    return Content.assemble(*parts)


def _short(head: str) -> str:
    return {"prompt tokens": "prompt t.", "written tokens": "written t.", "memory at most": "memory"}.get(head, head)


def forgetting(found: dict[str, Any], width: int) -> Content:
    """General prompts before and after: what changed, and each prompt, those that were forgotten first."""
    parts: list[Part] = [(f"{found['prompts']} general prompts, before and after\n\n", "bold")]
    for arm in found["arms"]:
        parts.append(left(str(arm["name"]), 24))
        for label, key, decimals in (("loss", "loss", 3), ("right", "right", 2)):
            entry = arm.get(key)
            if entry:
                between = f"{entry['low']:.{decimals}f}–{entry['high']:.{decimals}f}"
                parts += [(f"{label} ", "$text-muted"), (f"{entry['value']:.{decimals}f}", "bold"),
                          (f" {between}   ", "$text-muted")]  # fmt: skip
        parts.append("\n")
    comparisons = [parse_comparison(entry) for entry in found["comparisons"]]
    for item in comparisons:
        worse = item.p_corrected < 0.05 and (item.difference > 0) == (item.metric == "loss")
        parts.append((visible(forgotten(item)) + "\n", "$error" if worse else ""))
    parts.append((f"{FORGETTING}\n\n", "$text-muted"))
    names = [str(arm["name"]) for arm in found["arms"]]
    after = comparisons[0].arm if comparisons else names[-1]
    before = comparisons[0].against if comparisons else names[0]
    parts += [left("right before → after", 22, "$text-muted"), left("loss", 18, "$text-muted"), "\n"]
    for row in sorted(found["rows"], key=lambda row: _change(row, before, after)):
        was, now = (row["right"].get(arm) for arm in (before, after))
        style = "$error" if was and not now else "$success" if now and not was else "$text-muted"
        losses = [row["losses"].get(arm) for arm in (before, after)]
        shown = " → ".join(DASH if value is None else f"{value:.2f}" for value in losses)
        parts += [left(f"  {'✓' if was else '·'} → {'✓' if now else '·'}", 22, style), left(shown, 18),
                  shorten(str(row["prompt"]), max(10, width - 42)), "\n"]  # fmt: skip
    return Content.assemble(*parts)


def _change(row: dict[str, Any], before: str, after: str) -> tuple[int, float]:
    was, now = (bool(row["right"].get(arm)) for arm in (before, after))
    losses = [float(row["losses"].get(arm) or 0.0) for arm in (before, after)]
    return int(now) - int(was), losses[0] - losses[1]


def classes(found: dict[str, Any], left_arm: str, right_arm: str, width: int) -> Content:
    """Each class's precision, recall and F1 of two arms, and what the right arm takes for what."""
    labels: list[str] = found["labels"]
    arms = {arm: found["arms"][arm] for arm in (left_arm, right_arm) if arm in found["arms"]}
    name = max(12, min(28, width // 4))
    total = found["total"]
    kept = "" if total == len(labels) else f", the {len(labels)} most frequent"
    parts: list[Part] = [
        (f"{count(total)} classes{kept}\n\n", "bold"),
        left("", name),
        right("rows", 6, "$text-muted"),
    ]
    parts += [right(f"{shorten(arm, 13)} P / R / F1", 26, "$text-muted") for arm in arms]
    for place, label in enumerate(labels):
        entries = [arm["classes"][place] for arm in arms.values()]
        parts += ["\n", left(label, name), right(count(entries[0]["support"]), 6, "$text-muted")]
        for entry in entries:
            parts.append(right(f"{entry['precision']:.2f} {entry['recall']:.2f} {entry['f1']:.2f}", 26))
    if right_arm in arms:
        parts += ["\n\n", *_confusion(labels, arms[right_arm]["matrix"], right_arm, width)]
    return Content.assemble(*parts)


def _confusion(labels: list[str], matrix: list[list[int]], arm: str, width: int) -> list[Part]:
    """The matrix where it fits, else the pairs that are confused most."""
    each = 7
    if len(labels) <= _MATRIX and (len(labels) + 1) * each + 14 <= width:
        told = f"confusion matrix of {arm}: a row what was wanted, a column what was named"
        parts: list[Part] = [(visible(told), ""), "\n", left("", 14)]
        parts += [right(label, each, "$text-muted") for label in [*labels, "other"]]
        for place, (label, line) in enumerate(zip(labels, matrix, strict=True)):
            parts += ["\n", left(label, 14, "$text-muted")]
            for at, number in enumerate(line):
                style = "$success" if at == place else "$error" if number else "$text-disabled"
                parts.append(right(str(number), each, style))
        return parts
    pairs = [
        (number, label, [*labels, "(other)"][at])
        for place, (label, line) in enumerate(zip(labels, matrix, strict=True))
        for at, number in enumerate(line)
        if number and at != place
    ]
    parts = [(visible(f"what {arm} confuses most: wanted → named"), ""), "\n"]
    for number, wanted, named in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_PAIRS]:
        parts += [right(str(number), 6, "bold"), "  ", visible(wanted), (" → ", "$text-muted"), visible(named), "\n"]
    return parts if pairs else [*parts, ("nothing", "$text-muted")]
