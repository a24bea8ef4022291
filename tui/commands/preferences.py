"""`diapason preferences`: write the judgements as rows for preference training, and hand them to the wizard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError, UsageError
from core.text import visible

if TYPE_CHECKING:
    from core.judging.place import Judging


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "preferences",
        help="write the judgements as TRL preference rows, and train on them",
        description="Write the judgements as JSON lines that TRL's trainers read. dpo: prompt, chosen, rejected, for "
        "each pair that one side won. kto: prompt, completion, label; both answers of a both-bad pair are false. "
        "Ties, skips, and pairs that were judged otherwise when they came again are left out. The prompts are marked "
        "as used: evaluations of the run, and of those that begin with it, leave them out from then on.",
    )
    parser.add_argument("target", metavar="RUN|NAME", help="a run (id, prefix, name, `last`) or a judging's name")
    parser.add_argument("--format", choices=("dpo", "kto"), default="dpo", help="default: dpo")
    parser.add_argument(
        "--for", dest="purpose", choices=("training",), help="training: what `judge RUN --for training` collected"
    )
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, required=True, help="the file to write")
    parser.add_argument("--train", action="store_true", help="open the wizard on OUT, on top of the tuned run")
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the rows, say how many, and open the wizard where that is asked for.

    Raises:
        DiapasonError: where there is no such run, nothing to export, or OUT cannot be written.
    """
    from core.home import expand
    from core.judging.handover import next_round
    from core.judging.preferences import export, summary
    from core.judging.session import load
    from core.judging.votes import read_votes

    out = expand(args.out).absolute()
    if args.train and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "the wizard needs a terminal",
            where="--train",
            hint="Leave --train out: the command that writes the recipe is then printed.",
        )
    judging = _judging(args)
    session = load(judging)
    if session is None:
        what = "nothing was judged on this run yet" if judging.run else "nothing was judged yet"
        raise DiapasonError(what, where=judging.name, hint=f"`{judging.command}` begins it.")
    found = export(session, read_votes(session), out, args.format, force=args.force)
    print(f"{visible(str(args.out))}: {summary(found)}")
    handed = next_round(judging, out, args.format)
    if handed.warning(len(found.rows)):
        print(f"! {handed.warning(len(found.rows))}")
    if args.train:
        from tui.app import run as run_app

        return run_app("wizard", **handed.wizard())
    print(f"Next: {visible(handed.command())}")
    return 0


def _judging(args: argparse.Namespace) -> Judging:
    from core.judging.place import find_judging
    from core.judging.training import training_judging
    from core.runs.folder import find_run

    return training_judging(find_run(args.target)) if args.purpose else find_judging(args.target)
