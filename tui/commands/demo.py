"""`diapason demo`: the main job from end to end, on the bundled model and data."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from core.text import visible


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="the main job from end to end, on the bundled model and data",
        description="Check the sample data, split them, write a recipe, train an adapter, evaluate base, few-shot "
        "base and tuned, and land on the judging screen. Needs no network. Running it again picks up what is there.",
    )
    parser.add_argument("--headless", action="store_true", help="plain lines and a summary, without the app")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the split and the training (default: 0)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare and train; show it in the app, or without a terminal in lines: 1 where it did not complete."""
    from core import demo

    begin = time.monotonic()
    for number, step in enumerate(demo.prepare(args.seed), 1):
        print(visible(f"{number}. {step.title:<8} {step.outcome}"), flush=True)
    folder = demo.train(args.seed)
    print(visible(f"4. train    run {folder.id}"), flush=True)
    if args.headless or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return _headless(folder, begin)
    from tui.app import run as run_app

    if demo.ready(folder):
        return run_app("judge", run=folder.path)
    return run_app("demo", run=folder)


def _headless(folder: Any, begin: float) -> int:
    from core import demo
    from tui.follow import follow, note_left

    if not demo.ready(folder):
        try:
            done = follow(folder)
        except KeyboardInterrupt:
            note_left(folder)
            return 130
        if not done:
            return 1
    from core.evaluation.result import read_result
    from core.report.evaluation import evaluation_blocks
    from core.report.write import as_text

    result = read_result(folder)
    if result is None or not demo.ready(folder):
        return 1
    print("5. evaluate")
    print(as_text(evaluation_blocks(result)))
    print(f"6. judge    50 pairs of answers are ready to rate, blind: `diapason judge {folder.id}`")
    print(f"Done in {time.monotonic() - begin:.0f} s.")
    return 0
