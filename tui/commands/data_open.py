"""`diapason data open`: the app at a data file."""

from __future__ import annotations

import argparse
from typing import Any

from core.home import expand
from tui.commands.data import add_file


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("open", help="look at a file in the app: findings, rows, tokens")
    add_file(parser)
    parser.add_argument(
        "--model", default="starter", metavar="M", help="model whose tokens to show (default: starter)"
    )
    parser.set_defaults(run=run_open)


def run_open(args: argparse.Namespace) -> int:
    """Open the app at the file."""
    from core.data.dataset import open_dataset
    from tui.app import run as run_app

    path = expand(args.file)
    # A file that cannot be read is an error of the command, before any screen opens.
    open_dataset(path, args.format, args.map, lazy=True).source.close()
    return run_app("browse", path=path, model=args.model, format=args.format, map=args.map)
