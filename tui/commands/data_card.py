"""`diapason data card`: a data set on one page."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from core.home import expand
from core.text import visible
from tui.commands.data import add_file
from tui.commands.progress import shown_progress

if TYPE_CHECKING:
    from core.data.report import Report


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "card",
        help="a page on the data set: source, licence, findings, statistics, decisions, what is still to be said",
    )
    add_file(parser)
    parser.add_argument("-o", "--out", metavar="OUT.md", help="file to write (default: print it)")
    parser.add_argument("--by", metavar="FIELD", help="slices to count: label, language, or a field")
    parser.add_argument("--init", action="store_true", help="make the file to fill in, FILE.card.yaml, and no card")
    parser.add_argument("--force", action="store_true", help="replace OUT.md where it exists")
    parser.set_defaults(run=run_card)


def run_card(args: argparse.Namespace) -> int:
    """Write or print the card."""
    from core.data.card_facts import start_facts
    from core.data.report import check

    if args.init:
        print(f"Fill in {visible(str(start_facts(expand(args.file))))}, then: diapason data card FILE")
        return 0
    check_page(args.out, args.file, args.force)
    with shown_progress("checking") as progress:
        report = check(args.file, format=args.format, map=args.map, progress=progress)
    text = page(report, args.by)
    if args.out is None:
        sys.stdout.write(text)
    else:
        save_page(args.out, text)
        print(f"Wrote {visible(args.out)}.")
    return 0


def page(report: Report, by: str | None = None) -> str:
    """The card of a checked file, with its statistics."""
    from core.data.card import write_card
    from core.data.stats import measure

    stats = measure(report.path, report.format, report.map, by) if report.rows_valid else None
    return write_card(report.path, report, stats)


def check_page(out: str | None, source: str, force: bool) -> None:
    """Raise UsageError where the page on `source` must not be written to `out`."""
    from core.data.target import check_target

    if out is not None:
        check_target(expand(out), source, force=force)


def save_page(out: str, text: str) -> None:
    """Write the page, whole or not at all. Raises DiapasonError where it cannot be written."""
    from core.errors import DiapasonError
    from core.files import write_atomic

    try:
        write_atomic(expand(out), text, mode=0o666)
    except OSError as error:
        raise DiapasonError(f"cannot write the page: {error.strerror}", where=out) from error
