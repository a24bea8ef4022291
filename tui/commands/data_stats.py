"""`diapason data stats`: a data set in numbers and small pictures."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tui.commands.data import add_file
from tui.commands.progress import shown_progress
from tui.stats_view import stats_lines


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("stats", help="lengths, turns, labels and languages, all in all and by slice")
    add_file(parser)
    parser.add_argument(
        "--by", metavar="FIELD", help="slices to compare: label, language, or a field such as topic or meta.topic"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run_stats)


def run_stats(args: argparse.Namespace) -> int:
    """Measure and print."""
    from core.data.stats import measure

    with shown_progress("measuring") as progress:
        stats = measure(args.file, args.format, args.map, args.by, progress)
    if args.json:
        print(json.dumps(stats.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(stats_lines(stats)))
    return 0
