"""`diapason data stats`: a data set in numbers and small pictures."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tui.commands.data import add_file, row_number
from tui.commands.progress import shown_progress
from tui.stats_view import plain, score_lines, stats_lines


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("stats", help="lengths, turns, labels and languages, all in all and by slice")
    add_file(parser)
    parser.add_argument(
        "--by", metavar="FIELD", help="slices to compare: label, language, or a field such as topic or meta.topic"
    )
    parser.add_argument("--model", metavar="M", help="count lengths in the tokens of this model as well")
    parser.add_argument(
        "--max-length", type=row_number, metavar="N", help="tokens rows are cut at (default: the recipe's)"
    )
    parser.add_argument(
        "--run",
        dest="scored",
        metavar="RUN",
        help="with --by: what a run's evaluation on these rows reached on each slice",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run_stats)


def run_stats(args: argparse.Namespace) -> int:
    """Measure and print."""
    from core.data.dataset import open_dataset
    from core.data.stats import measure
    from core.errors import UsageError
    from core.models import find_model

    if args.max_length is not None and args.model is None:
        raise UsageError(
            "whose tokens shall --max-length count?", hint="Name the model as well: --model starter, or a folder."
        )
    if args.scored and not args.by:
        raise UsageError("--run needs slices to compare", hint="Name a field as well: --by topic, label or language.")
    model = find_model(args.model) if args.model is not None else None
    dataset = open_dataset(args.file, args.format, args.map)
    scores = None
    if args.scored:
        from core.evaluation.slices import slice_scores
        from core.runs.folder import find_run

        scores = slice_scores(find_run(args.scored), dataset, args.by)
    with shown_progress("measuring") as progress:
        stats = measure(args.file, by=args.by, progress=progress, dataset=dataset, model=model,
                        max_length=args.max_length)  # fmt: skip
    if args.json:
        document = stats.to_json() | ({"scores": scores.to_json()} if scores else {})
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    print(plain(stats_lines(stats)))
    if scores is not None:
        print("\n" + plain(score_lines(scores)))
    return 0
