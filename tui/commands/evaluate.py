"""`diapason evaluate`: base, few-shot base and tuned on the same unseen rows, side by side."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.text import visible
from tui.commands.evaluate_arms import add_arguments, wish_of

if TYPE_CHECKING:
    from core.evaluation.result import Comparison, EvaluationResult, MetricInfo, Value
    from core.runs.folder import RunFolder

_POLL_SECONDS = 0.3


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure base, few-shot base and tuned on rows that were not trained on",
        description="Measure the base model, the base with examples in its prompt, and the tuned model on the run's "
        "test rows, or on FILE. A result for the same weights, rows and settings is shown again, not made again.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--data", metavar="FILE", type=Path, help="test rows (default: the run's own test part)")
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find or make the result and print it.

    Raises:
        DiapasonError: where there is no such run, it has no tuned model, or the job fails.
    """
    from core.evaluation.request import existing, specify, start, tuned_weights, under_way
    from core.evaluation.result import parse_result
    from core.files import read_json
    from core.runs.folder import find_run

    folder = find_run(args.target)
    tuned_weights(folder)
    spec = specify(folder, wish_of(args))
    result = None if args.again else existing(folder, spec, any_arms=args.arms is None)
    if result is not None:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.document["created"]))
        print(f"These weights were evaluated on these rows before ({made}); this is that result.", file=sys.stderr)
    else:
        job = under_way(folder, spec) or start(folder, spec, again=args.again)
        _wait(job)
        document = read_json(job.path / "result.json")
        if not isinstance(document, dict):
            raise DiapasonError("the job left no result", where=job.id, hint=f"Its log is in {job.logs}.")
        result = parse_result(document)
    if args.json:
        print(json.dumps(result.document, ensure_ascii=False, indent=2))
    else:
        print("\n".join(report(result)))
    return 0


def _wait(job: RunFolder) -> None:
    """Show the job's progress until it ends; ctrl+c leaves the job to itself.

    Raises:
        DiapasonError: where it ends otherwise than completed.
    """
    from core.runs.view import RunView

    print("Evaluating in the background; ctrl+c leaves this, not the job.", file=sys.stderr)
    view, shown = RunView(job), ""
    while not view.final and view.status != "interrupted":
        line = _progress(view)
        if line != shown:
            shown = line
            if sys.stderr.isatty():
                print(f"\r\x1b[K  {visible(line)}", end="", file=sys.stderr, flush=True)
            else:
                print(f"  {visible(line)}", file=sys.stderr, flush=True)
        time.sleep(_POLL_SECONDS)
        view.refresh()
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if view.status != "completed":
        raise DiapasonError(
            f"the evaluation ended as {view.status}" + (f": {view.reason}" if view.reason else ""),
            hint=view.hint or f"Its log is in {job.logs}.",
        )


def _progress(view: Any) -> str:
    if view.progress:
        return f"{view.progress['phase']}: {view.progress['done']} of {view.progress['total']}"
    return view.status if view.status != "running" else "loading the models"


def report(result: EvaluationResult) -> list[str]:
    """The result as lines for a terminal: each metric of each arm, then tuned against each base arm."""
    from core.evaluation.result import METRICS

    left_out = [f"{result.refused} left out: trained on"] if result.refused else []
    left_out += [f"{result.too_long} left out: too long"] if result.too_long else []
    rows = f"{result.rows} test rows" + (f" ({', '.join(left_out)})" if left_out else "")
    lines = [f"{rows} of {visible(str(result.data.get('path', '')))}", ""]
    scores = [["", *(arm.name for arm in result.arms)]]
    for name in result.metrics:
        about = METRICS[name]
        cells = [_score(arm.metrics.get(name), about) for arm in result.arms]
        scores.append([f"{about.label} {'↑' if about.higher_is_better else '↓'}", *cells])
    scores.append(["tokens written", *(str(arm.tokens) for arm in result.arms)])
    scores.append(["seconds", *(f"{arm.seconds:.1f}" for arm in result.arms)])
    lines += _columns(scores)
    against = list(dict.fromkeys(item.against for item in result.comparisons))
    if against:
        gaps = [["", *(f"tuned against {name}" for name in against)]]
        for name in result.metrics:
            found = {item.against: item for item in result.comparisons if item.metric == name}
            gaps.append([METRICS[name].label, *(_gap(found.get(arm), METRICS[name]) for arm in against)])
        lines += ["", *_columns(gaps)]
    lines += ["", "Brackets: 95 % intervals; p: paired bootstrap over rows, two-sided."]
    return lines


def _score(value: Value | None, about: MetricInfo) -> str:
    if value is None:
        return "–"
    d = about.decimals
    return f"{value.value:.{d}f} [{value.low:.{d}f}, {value.high:.{d}f}]"


def _gap(item: Comparison | None, about: MetricInfo) -> str:
    if item is None:
        return "–"
    d = about.decimals
    p = "p < .001" if item.p < 0.001 else f"p = {item.p:.3f}".replace("0.", ".", 1)
    verdict = ""
    if item.p < 0.05:
        verdict = " better" if (item.difference > 0) == about.higher_is_better else " worse"
    return f"{item.difference:+.{d}f} [{item.low:+.{d}f}, {item.high:+.{d}f}] {p}{verdict}"


def _columns(rows: Iterable[list[str]]) -> list[str]:
    table = list(rows)
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
