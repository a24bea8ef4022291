"""`diapason train`: check a recipe against its files and this machine, and start its run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train by a recipe, in a runner that outlives this terminal",
        description="Check the recipe, split the data where it names no validation or test file, and start the run "
        "in a runner of its own: closing this terminal does not stop it.",
    )
    parser.add_argument(
        "recipe", type=Path, metavar="RECIPE", help="the recipe, a YAML file (see `diapason recipe new`)"
    )
    parser.add_argument("--follow", action="store_true", help="print progress until the run ends; ctrl+c only leaves")
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], metavar="KEY=VALUE",
        help="change a field, as in --set train.max_steps=20; may be repeated",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Submit the run; with --follow wait for its end: 1 where it did not complete."""
    from core.recipe import load_recipe
    from core.submit import submit
    from core.text import visible

    recipe = load_recipe(args.recipe, args.changes)
    folder = submit(recipe, source=args.recipe, changes=args.changes, tell=tell, warn=warn)
    print(f"run {folder.id}")
    print(visible(f"  in {folder.path}"))
    if not args.follow:
        print(
            f"  `diapason logs {folder.id} -f` follows it; `diapason` shows it; `diapason stop {folder.id}` ends it"
        )
        return 0
    from tui.follow import follow, note_left

    try:
        return 0 if follow(folder) else 1
    except KeyboardInterrupt:
        note_left(folder)
        return 130


def tell(line: str) -> None:
    """Say what is being done."""
    print(f"{line} …", file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Say what is doubtful."""
    from core.text import visible

    print(f"! {visible(line)}", file=sys.stderr, flush=True)
