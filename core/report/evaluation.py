"""An evaluation as blocks: for a run's report, for `diapason evaluate` and `metrics`, and for a file of its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError, UsageError
from core.evaluation.result import ArmResult, Comparison, EvaluationResult, MetricInfo, Value, parse_comparison
from core.evaluation.verdict import answer, headline, p_words, signed
from core.files import write_atomic
from core.report.blocks import Block, Heading, Table, Text
from core.report.write import as_markdown

if TYPE_CHECKING:
    from core.evaluation.slices import SliceScore, SliceScores

SUFFIXES = (".csv", ".json", ".md")
_COLUMNS = ("arm", "against", "metric", "primary", "value", "low", "high", "p", "p_corrected", "method")


def evaluation_blocks(result: EvaluationResult) -> Iterator[Block]:
    """All of it: the answer, the scores, the comparisons, the costs, what was forgotten, how it was measured."""
    found = answer(result)
    if told := headline(result):
        yield Text(told, strong=True)
    for line in found.lines if found else ():
        yield Text(line)
    for arm, why in result.failed.items():
        yield Text(f"The arm {arm} failed: {why}")
    yield Text(_rows(result))
    yield _scores(result)
    if result.comparisons:
        yield Heading("Differences", 3)
        yield _comparisons(result)
    if any(arm.per_1000 for arm in result.arms):
        yield Heading("Cost of 1,000 answers", 3)
        yield cost_table(result)
    if forgetting := result.document.get("forgetting"):
        yield Heading("General prompts: what was forgotten", 3)
        yield from _forgetting(forgetting)
    for line in how(result):
        yield Text(line)


def _rows(result: EvaluationResult) -> str:
    left_out = [f"{result.refused} left out: trained on"] if result.refused else []
    left_out += [f"{result.too_long} left out: too long"] if result.too_long else []
    path = result.data.get("path")
    rows = f"{result.rows} test rows" if path else f"{result.rows} rows"
    return rows + (f" of {path}" if path else "") + (f" ({', '.join(left_out)})" if left_out else "")


def how(result: EvaluationResult) -> list[str]:
    """How it was measured: intervals, tests, corrections, the primary metric, definitions with their signatures."""
    methods = list(dict.fromkeys(item.method for item in result.comparisons))
    lines = ["Brackets: 95 % intervals (bootstrap over rows; Wilson for shares of rows)."]
    if methods:
        corrected = ", corrected by Holm: the primary metric's as one family, all others as another"
        lines.append(f"p: two-sided, {'; '.join(methods)}{corrected if result.corrected else ', not corrected'}.")
    told = result.document.get("primary_metric")
    if isinstance(told, dict) and result.primary in result.infos:
        lines.append(f"★ primary metric: {result.infos[result.primary].label} ({told.get('why')}).")
    lines += [
        f"{info.label}: {info.definition.removesuffix('.')}."
        for info in (result.infos[name] for name in result.metrics)
    ]
    signed_by: dict[str, list[str]] = {}
    for name, entry in (result.document.get("measured") or {}).items():
        if sign := entry.get("signature"):
            signed_by.setdefault(sign, []).append(result.infos[name].label)
    lines += [f"{', '.join(labels)}: {sign}" for sign, labels in signed_by.items()]
    return lines


def score_text(value: Value | None, info: MetricInfo) -> str:
    """A score with its interval: ``0.904 [0.85, 0.94]``; a dash where there is none."""
    if value is None:
        return "–"
    d = info.decimals
    return f"{value.value:.{d}f} [{value.low:.{d}f}, {value.high:.{d}f}]"


def label_of(result: EvaluationResult, name: str) -> str:
    """A metric's label with its arrow, and a star on the primary one."""
    info = result.infos[name]
    star = " ★" if result.corrected and name == result.primary else ""
    return f"{info.label} {'↑' if info.higher_is_better else '↓'}{star}"


def _scores(result: EvaluationResult) -> Table:
    rows = tuple(
        (label_of(result, name), *(score_text(arm.metrics.get(name), result.infos[name]) for arm in result.arms))
        for name in result.metrics
    )
    return Table(("", *(arm.name for arm in result.arms)), rows)


def _comparisons(result: EvaluationResult) -> Table:
    order = {name: place for place, name in enumerate(result.metrics)}
    pairs = {(item.arm, item.against): place for place, item in reversed(list(enumerate(result.comparisons)))}
    ranked = sorted(result.comparisons, key=lambda item: (pairs[item.arm, item.against], order.get(item.metric, 99)))
    rows = tuple(_comparison(result, item) for item in ranked if item.metric in result.infos)
    p = "p corrected" if result.corrected else "p"
    return Table(("", "metric", "difference", "95 % interval", p, ""), rows)


def _comparison(result: EvaluationResult, item: Comparison) -> tuple[str, ...]:
    d = result.infos[item.metric].decimals
    word = {True: "better", False: "worse", None: "not shown"}[result.better(item)]
    return (
        f"{item.arm} against {item.against}", label_of(result, item.metric), signed(item.difference, d),
        f"[{signed(item.low, d)}, {signed(item.high, d)}]", p_words(item.p_corrected), word,
    )  # fmt: skip


def cost_table(result: EvaluationResult) -> Table:
    """Prompt and written tokens, seconds, memory, money of a thousand answers by arm; and how many were cut off."""
    money = any(arm.per_1000.get("money") is not None for arm in result.arms)
    head = ("", "prompt tokens", "written tokens", "seconds", "memory at most", *(("money",) if money else ()), "cut")
    return Table(head, tuple(_cost(arm, result.rows, money) for arm in result.arms))


def _cost(arm: ArmResult, rows: int, money: bool) -> tuple[str, ...]:
    figures = [arm.per_1000.get(name) for name in ("prompt_tokens", "tokens", "seconds")]
    memory = f"{arm.peak_memory_bytes / 2**30:.2f} GiB" if arm.peak_memory_bytes else "–"
    price = arm.per_1000.get("money")
    paid = (("–" if price is None else f"{price:.2f} {arm.currency}".strip()),) if money else ()
    shown = ["–" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in figures]
    return (arm.name, *shown, memory, *paid, f"{arm.cut} of {rows}")


def _forgetting(found: dict[str, Any]) -> Iterator[Block]:
    rows = []
    for arm in found["arms"]:
        loss, right = (arm.get(name) for name in ("loss", "right"))
        rows.append((str(arm["name"]), _interval(loss, 3), _interval(right, 2)))
    yield Table(("", "loss of the reference, nats a token ↓", "share right ↑"), tuple(rows))
    for entry in found["comparisons"]:
        yield Text(forgotten(parse_comparison(entry)))
    yield Text(FORGETTING)


FORGETTING = (
    "General prompts of Diapason's own, asked before and after; right: the accept rule of the prompt matches. "
    "A tiny base knows little, so that few are right either way; the loss still tells."
)


def forgotten(item: Comparison) -> str:
    """A comparison on the general prompts in a sentence."""
    what, d = ("loss of the reference", 3) if item.metric == "loss" else ("share right", 2)
    worse = item.difference > 0 if item.metric == "loss" else item.difference < 0
    sure = item.p_corrected < 0.05
    word = ("surely worse" if worse else "surely better") if sure else "no difference shown"
    return (
        f"{item.arm} against {item.against}, {what}: {signed(item.difference, d)} "
        f"[{signed(item.low, d)}, {signed(item.high, d)}], {p_words(item.p_corrected)}: {word}."
    )


def _interval(entry: Any, decimals: int) -> str:
    if not isinstance(entry, dict):
        return "–"
    return f"{entry['value']:.{decimals}f} [{entry['low']:.{decimals}f}, {entry['high']:.{decimals}f}]"


def slice_blocks(scores: SliceScores) -> Iterator[Block]:
    """The scores by slice, with a mark where tuning made worse what it made better over all rows."""
    for metric in scores.metrics:
        info = scores.infos[metric]
        rows: list[tuple[str, ...]] = []
        for name, part in scores.ranked():
            cells = [_slice_text(part, metric, arm, info.decimals) for arm in scores.arms]
            rows.append((name, str(part.rows), *cells, turned_text(part) if metric == scores.compared else ""))
        arrow = "↑" if info.higher_is_better else "↓"
        yield Table((f"{info.label} {arrow} by {scores.by}", "rows", *scores.arms, ""), tuple(rows))
    yield Text(
        f"Tuned against base on {scores.infos[scores.compared].label}, p corrected by Holm over the slices; "
        "▼ worse than base in a slice although better over all rows."
    )


def turned_text(part: SliceScore) -> str:
    """What tuned minus base says in a slice: the mark, and the p where there is one."""
    mark = ("▼ surely worse" if part.surely_turned else "▼ worse") if part.turned else ""
    p = p_words(part.gap.p_corrected) if part.gap else ""
    return f"{mark} {p}".strip()


def _slice_text(part: SliceScore, metric: str, arm: str, decimals: int) -> str:
    value = part.values.get(metric, {}).get(arm)
    if value is None:
        return "–"
    bounds = part.intervals.get(metric, {}).get(arm)
    between = f" [{bounds[0]:.{decimals}f}, {bounds[1]:.{decimals}f}]" if bounds else ""
    return f"{value:.{decimals}f}{between}"


def as_csv(result: EvaluationResult) -> str:
    """A line for each score, each cost of 1,000 answers, and each comparison (these say against which arm)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for arm in result.arms:
        for name in result.metrics:
            if (score := arm.metrics.get(name)) is not None:
                main = "yes" if name == result.primary else ""
                writer.writerow((arm.name, "", name, main, score.value, score.low, score.high, "", "", ""))
        costs = {f"{name}_per_1000": value for name, value in arm.per_1000.items()}
        for name, value in (costs | {"peak_memory_bytes": arm.peak_memory_bytes, "cut": arm.cut}).items():
            if costs and value is not None:
                writer.writerow((arm.name, "", name, "", value, "", "", "", "", ""))
    for item in result.comparisons:
        main = "yes" if item.metric == result.primary else ""
        figures = (item.difference, item.low, item.high, item.p, item.p_corrected, item.method)
        writer.writerow((item.arm, item.against, item.metric, main, *figures))
    return out.getvalue()


def check_export(out: Path, *, replace: bool) -> None:
    """Make sure that an evaluation can be written to `out`, before it is made.

    Raises:
        UsageError: it ends with none of `SUFFIXES`, or exists and is not to be replaced.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("an evaluation is exported as .csv, .json or .md", where=str(out))
    if out.exists() and not replace:
        raise UsageError("is there already", where=str(out), hint="Choose another name, or add --force.")


def save_evaluation(result: EvaluationResult, out: Path, *, replace: bool = False) -> None:
    """Write the evaluation to `out`: .csv, .json (the result document) or .md.

    Raises:
        UsageError: as `check_export` does.
        DiapasonError: it cannot be written.
    """
    check_export(out, replace=replace)
    kind = out.suffix.lower()
    if kind == ".csv":
        text = as_csv(result)
    elif kind == ".json":
        text = json.dumps(result.document, ensure_ascii=False, indent=2) + "\n"
    else:
        text = as_markdown([Heading("Evaluation", 1), *evaluation_blocks(result)])
    try:
        write_atomic(out, text.encode("utf-8", "backslashreplace"), mode=0o644)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(out)) from error
