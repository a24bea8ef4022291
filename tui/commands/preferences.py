"""`diapason preferences`: write the judgements as rows for preference training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.text import visible


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "preferences",
        help="write the judgements as TRL preference rows",
        description="Write the judgements as JSON lines that TRL's trainers read. dpo: prompt, chosen, rejected, for "
        "each pair that one side won. kto: prompt, completion, label; both answers of a both-bad pair are false. "
        "Ties and skips are left out.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--format", choices=("dpo", "kto"), default="dpo", help="default: dpo")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, required=True, help="the file to write")
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the rows and say how many.

    Raises:
        DiapasonError: where there is no such run, nothing to export, or OUT cannot be written.
    """
    from core.judging.preferences import export, summary
    from core.judging.session import load
    from core.judging.votes import read_votes
    from core.runs.folder import find_run

    folder = find_run(args.target)
    session = load(folder.path)
    if session is None:
        raise DiapasonError(
            "nothing was judged on this run yet", where=folder.id, hint=f"`diapason judge {folder.name}` begins it."
        )
    found = export(session, read_votes(session), args.out, args.format, force=args.force)
    print(f"{visible(str(args.out))}: {summary(found)}")
    return 0
