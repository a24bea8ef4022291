"""`diapason evaluate`: base, few-shot base and tuned on the same unseen rows, side by side."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.commands.evaluate_arms import add_arguments, wish_of

if TYPE_CHECKING:
    from core.evaluation.result import EvaluationResult
    from core.runs.folder import RunFolder

_POLL_SECONDS = 0.3


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure base, few-shot base, tuned and other arms on rows that were not trained on",
        description="Measure several ways to answer on the run's test rows, or on FILE. A result for the same "
        "weights, rows, arms and settings is shown again, not made anew; an added arm costs its own answers.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--data", metavar="FILE", type=Path, help="test rows (default: the run's own test part)")
    add_arguments(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find or make the result and print it; 1 where an arm failed.

    Raises:
        DiapasonError: where there is no such run, it has no tuned model, what an arm names is not there, or the job
            fails.
    """
    from core.evaluation.request import existing, specify, start, tuned_weights, under_way
    from core.evaluation.result import parse_result
    from core.files import read_json
    from core.runs.folder import find_run

    check_output(args)
    folder = find_run(args.target)
    tuned_weights(folder)
    wish = wish_of(args)
    spec = specify(folder, wish)
    result = None if args.again else existing(folder, spec, whatever=wish.open)
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
    show(result, folder, args)
    failed: dict[str, str] = result.document.get("failed") or {}
    for arm, why in failed.items():
        print(f"The arm {visible(arm)} failed: {visible(why)}", file=sys.stderr)
    if failed:
        print("Evaluate again: only the answers that are missing are made.", file=sys.stderr)
    return 1 if failed else 0


def add_output(parser: argparse.ArgumentParser) -> None:
    """The options about what is printed and written."""
    parser.add_argument("--by", metavar="FIELD", help="the scores by slice too: label, language, or a field")
    parser.add_argument("--export", metavar="OUT", help="write the result to a file as well: .csv, .json or .md")
    parser.add_argument("--force", action="store_true", help="replace the file of --export where it exists")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def check_output(args: argparse.Namespace) -> None:
    """Make sure of --export before anything is made. Raises UsageError where it cannot be written."""
    if args.export:
        from core.report.evaluation import check_export

        check_export(expand(args.export), replace=args.force)


def show(result: EvaluationResult, folder: RunFolder, args: argparse.Namespace) -> None:
    """Print the result, and its slices with --by; write it with --export.

    Raises:
        DiapasonError: the file cannot be written, or no row has the field.
    """
    from core.report.blocks import Heading
    from core.report.evaluation import evaluation_blocks, save_evaluation, slice_blocks
    from core.report.write import as_text

    slices = None
    if args.by:
        from core.evaluation.slices import slices_of_run

        slices = slices_of_run(folder, args.by)[1]
    if args.export:
        save_evaluation(result, expand(args.export), replace=args.force)
    if args.json:
        document = result.document | ({"slices": slices.to_json()} if slices else {})
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    blocks = list(evaluation_blocks(result))
    if slices is not None:
        blocks += [Heading(f"By {args.by}", 3), *slice_blocks(slices)]
    print(as_text(blocks))
    if args.export:
        print("\n" + visible(f"Wrote {expand(args.export)}"))


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
