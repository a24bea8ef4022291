"""`diapason report`: a run on one page that needs nothing else."""

from __future__ import annotations

import argparse
from typing import Any

from core.home import expand


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="write a run on one page: HTML or Markdown",
        description="Recipe, data card, curves, evaluation, judgements, versions, time, energy and cost of a run, in "
        "one file without scripts or links.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="file to write: .html or .md")
    parser.add_argument("--price", type=_price, metavar="P", help="price of an hour of the machine, for the cost")
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists")
    parser.set_defaults(run=run)


def _price(text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < 1e9:
        raise argparse.ArgumentTypeError(f"a price such as 2.5, not {text[:40]!r}")
    return price


def run(args: argparse.Namespace) -> int:
    """Write the report.

    Raises:
        UsageError: OUT is neither .html nor .md, or exists.
        DiapasonError: there is no such run, or OUT cannot be written.
    """
    from core.report.save import save_report
    from core.runs.folder import find_run
    from core.text import visible

    out = expand(args.out)
    save_report(find_run(args.target), out, price=args.price, replace=args.force)
    print(visible(f"Wrote {out}"))
    return 0
