"""`diapason fork`: a new run that begins with the weights of another run's checkpoint."""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "fork",
        help="start a new run from a run's checkpoint, with other settings",
        description="The new run has RUN's recipe, with what --set changes, RUN's rows, and begins with the weights "
        "of its newest whole checkpoint. Optimizer, schedule and steps begin anew; RUN stays as it is.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--from", dest="step", metavar="STEP", type=_step, help="the checkpoint's step")
    parser.add_argument("--name", default="", metavar="NAME", help="name of the new run")
    parser.add_argument(
        "--set", dest="changes", action="append", default=[], metavar="KEY=VALUE",
        help="change a field, as in --set train.learning_rate=1e-4; may be repeated",
    )  # fmt: skip
    parser.set_defaults(run=run)


def _step(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:20]) <= 10**12:
        raise argparse.ArgumentTypeError(f"a step from 1 on, not {text[:40]!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Fork."""
    from core.fork import fork
    from core.runs.folder import find_run
    from core.text import visible
    from tui.commands.train import tell, warn

    old = find_run(args.target)
    new = fork(old, step=args.step, name=args.name, changes=args.changes, tell=tell, warn=warn)
    start = new.spec()["start"]
    print(visible(f"run {new.id}\n  from step {start['step']} of {old.name}\n  in {new.path}", newlines=True))
    return 0
