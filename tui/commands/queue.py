"""`diapason queue`: what runs, what waits and for what; another order; a command for when all is done."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command and its verb."""
    parser = subparsers.add_parser(
        "queue",
        help="list what runs and waits; change the order; a command for when all is done",
        description="What runs, what waits and for what, in the order of the queue.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout (docs/json.md)")
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--when-empty",
        metavar="CMD",
        help="run CMD by the shell once nothing runs or waits and all mirrors are complete, a minute later",
    )
    end.add_argument("--cancel", action="store_true", help="forget the command of --when-empty")
    parser.set_defaults(run=run)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    move = verbs.add_parser("move", help="give a waiting run another place")
    move.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    move.add_argument("place", metavar="N", type=_place, help="its new place, from 1")
    move.set_defaults(run=run_move)


def _place(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"a place from 1 on, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """List the queue, or set or cancel the command for its end."""
    from core.errors import UsageError
    from core.text import visible
    from core.worker.empty import cancel, pending, when_empty

    if args.when_empty is not None:
        if not args.when_empty.strip():
            raise UsageError("no command is given", where="--when-empty", hint="--cancel forgets an earlier one.")
        when_empty(args.when_empty)
        print(visible(f"Once all is done, after a minute: {args.when_empty}"))
        print("`diapason queue --cancel` forgets it.")
        return 0
    if args.cancel:
        print("The command is forgotten." if cancel() else "There was no command to forget.")
        return 0
    from core.worker.overview import overview

    entries, end = overview(), pending()
    if args.json:
        document = {"schema": 1, "queue": [entry.to_json() for entry in entries], "when_empty": end}
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    from tui.queue_view import queue_lines

    print("\n".join(queue_lines(entries, end)))
    return 0


def run_move(args: argparse.Namespace) -> int:
    """Move a waiting run."""
    from core.runs.folder import find_run
    from core.text import visible
    from core.worker.queue import place_at
    from tui.commands.control import tell

    folder = find_run(args.target)
    print(visible(f"{folder.id}: {tell(folder, 'priority', place_at(folder, args.place))}"))
    return 0
