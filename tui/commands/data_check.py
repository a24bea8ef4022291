"""`diapason data check`: what is wrong with a file, line by line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.text import visible
from tui.commands.data import MARKS, NEAR, TASKS, add_file, amount, near_share, percent, row_number
from tui.format import count, duration, size

if TYPE_CHECKING:
    from core.data.cut import TokenLengths
    from core.data.report import Finding, Report

_LINES = 12


def register(verbs: Any) -> None:
    """Add the verb."""
    checking = verbs.add_parser("check", help="say what is wrong with a file, line by line")
    add_file(checking)
    checking.add_argument(
        "--task", choices=TASKS, metavar="T", help="task whose size to ask for: " + ", ".join(TASKS)
    )
    checking.add_argument(
        "--near",
        type=near_share,
        default=NEAR,
        metavar="SHARE",
        help=f"share from which on a text is a near copy, 0.5 to 1; 0 leaves them out (default: {NEAR})",
    )
    checking.add_argument(
        "--against", metavar="FILE2", help="file whose prompts must not be in FILE, such as its training rows"
    )
    checking.add_argument(
        "--report", metavar="OUT.md", help="write the data card too, with all findings, as Markdown"
    )
    checking.add_argument(
        "--model", metavar="M", help="model whose tokenizer and template say what training will see"
    )
    checking.add_argument(
        "--max-length", type=row_number, metavar="N", help="tokens rows are cut at (default: the recipe's)"
    )
    checking.add_argument("--force", action="store_true", help="replace OUT.md where it exists; never the source")
    checking.add_argument("--json", action="store_true", help="print one JSON document")
    checking.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="exit with 1 from here on (default: error)"
    )
    checking.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """Check a file; 1 where a finding reaches `--fail-on`."""
    from core.data.report import check, unreadable
    from core.data.unreadable import Unreadable
    from core.errors import UsageError
    from tui.commands.data_card import check_page, page, save_page
    from tui.commands.progress import shown_progress

    model = None
    if args.model is not None:
        from core.models import find_model

        model = find_model(args.model)
    elif args.max_length is not None:
        raise UsageError(
            "whose tokens shall --max-length count?", hint="Name the model as well: --model starter, or a folder."
        )
    try:
        check_page(args.report, args.file, args.force)
        with shown_progress("checking") as progress:
            report = check(
                args.file, format=args.format, task=args.task, map=args.map, near=args.near or None,
                against=args.against, progress=progress, model=model, max_length=args.max_length,
            )  # fmt: skip
    except Unreadable as error:
        if not args.json:
            raise
        report = unreadable(args.file, error)
    if args.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_report_lines(report)))
    if args.report:
        save_page(args.report, page(report))
        print(f"Wrote {visible(args.report)}.", file=sys.stderr)
    return 1 if report.reaches(args.fail_on) else 0


def _report_lines(report: Report) -> Iterator[str]:
    from core.data.place import shown_name

    yield " · ".join([
        visible(shown_name(report.path)), report.format or "unknown format",
        amount(report.rows_total, "row"),
        f"{count(report.rows_valid)} usable", size(report.size), f"checked in {took(report.seconds)}",
    ])  # fmt: skip
    if not report.findings:
        yield "No findings."
    else:
        yield from _finding_lines(report)
    if report.tokens is not None:
        yield from _token_table(report.tokens)


def _finding_lines(report: Report) -> Iterator[str]:
    from core.data.mend.catalogue import FIXES

    dim, plain = ("\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    yield ""
    for finding in report.findings:
        yield _headline(finding, report)
        yield f"    {visible(finding.message)} → {visible(finding.hint)}"
        yield f"    {dim}{finding.why}{plain}"
    yield ""
    counts = [(report.count(severity), severity) for severity in ("error", "warning", "note")]
    yield " · ".join(amount(number, name) for number, name in counts if number)
    if any(finding.code in FIXES for finding in report.findings):
        yield "`diapason data fix FILE` lists what can be mended."


def _token_table(tokens: TokenLengths) -> Iterator[str]:
    """What each length that rows may be cut at would lose."""
    yield ""
    yield f"{count(tokens.total)} tokens for {visible(tokens.model)}; what a cut loses:"
    yield f"  {'max length':>10} {'tokens lost':>12} {'rows cut':>10} {'answers lost':>13}"
    for lost in tokens.table():
        mark = "→" if lost.max_length == tokens.max_length else " "
        yield (
            f"{mark} {count(lost.max_length):>10} {percent(lost.share):>12} {count(lost.rows):>10}"
            f" {count(lost.answers):>13}"
        )


def took(seconds: float) -> str:
    """How long something took, to a tenth of a second below ten."""
    return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else duration(seconds)


def _headline(finding: Finding, report: Report) -> str:
    """Code, count, and where."""
    name = finding.code + (f" ({visible(finding.detail)})" if finding.detail else "")
    where = _places(finding, report) or finding.title
    return f"{MARKS[finding.severity]} {name:<34} {count(finding.count):>7}  {where}"


def _places(finding: Finding, report: Report) -> str:
    rows = bool(finding.rows) and (report.layout == "json" or report.by_row)
    places = [row + 1 for row in finding.rows[:_LINES]] if rows else finding.lines[:_LINES]
    if not places:
        return ""
    word = "row" if rows else "line"
    more = finding.count - len(places)
    if report.shards and not rows:
        return f"in {', '.join(_in_files(places, report))}" + (f" and {more:,} more" if more > 0 else "")
    tail = f" and {more:,} more" if more > 0 and len(places) == _LINES else ""
    return f"{word}{'s' if len(places) > 1 else ''} {', '.join(str(place) for place in places)}{tail}"


def _in_files(lines: list[int], report: Report) -> Iterator[str]:
    """Lines of a folder's joined text as lines of its files: ``part-1.jsonl:3, 9``."""
    from itertools import groupby

    from core.data.opening import locate

    found = [place for line in lines if (place := locate(report.shards, line))]
    for path, places in groupby(found, key=lambda place: place[0]):
        yield f"{visible(path.name)}:{', '.join(str(line) for _, line in places)}"
