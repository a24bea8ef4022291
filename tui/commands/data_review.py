"""`diapason data review`: the app at the rows of a file, to decide on them one by one."""

from __future__ import annotations

import argparse
import json
from typing import Any

from core.home import expand
from tui.commands.data import add_file


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("review", help="go through the rows in the app: keep, drop, flag, edit")
    add_file(parser)
    parser.add_argument("--json", action="store_true", help="print what was decided so far, and open no app")
    parser.set_defaults(run=run_review)


def run_review(args: argparse.Namespace) -> int:
    """Open the app at the review screen, or print the decisions."""
    path = expand(args.file)
    if args.json:
        from core.data.mend.worksheet import read_worksheet

        print(json.dumps(read_worksheet(path).to_json(), ensure_ascii=False, indent=2))
        return 0
    from core.data.dataset import open_dataset
    from tui.app import run as run_app

    # A file that cannot be read is an error of the command, before any screen opens.
    open_dataset(path, args.format, args.map, lazy=True).source.close()
    return run_app("review", path=path, format=args.format, map=args.map)
