"""`diapason metrics`: scores of predictions made elsewhere, with intervals; of several files also the differences."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.home import expand
from core.text import visible

_USUAL = "exact_match,bleu,chrf,rouge"
_PACKAGES = ("sacrebleu", "rouge-score")


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "metrics",
        help="score predictions against references, from files; two files are compared",
        description="Scores of predictions made anywhere, with 95 %% intervals. JSON Lines: predictions {id?, "
        "prediction}, answers {id?, prompt, answer}, references {id?, reference: text or list of texts}; joined by "
        "id where every row has one, else by line. Several files are compared with the first: paired tests, p "
        "corrected by Holm, the primary metric as a family of its own.",
    )
    parser.add_argument("--predictions", nargs="+", metavar="P.jsonl", help="files of predictions")
    parser.add_argument("--answers", nargs="+", metavar="A.jsonl", help="files of answers")
    parser.add_argument("--references", metavar="R.jsonl", help="what should have been said; not needed by checks")
    parser.add_argument(
        "--metric", action="append", metavar="NAMES", help="with commas: exact_match, accuracy, f1, bleu, chrf, "
        "rouge, json_valid, json_schema:FILE, regex:PATTERN (takes the rest), length:MIN-MAX, OWN.py; "
        f"may be repeated (default: {_USUAL})",
    )  # fmt: skip
    parser.add_argument("--primary", metavar="NAME", help="the metric that decides (default: the first one named)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")
    parser.add_argument("--export", metavar="OUT", help="write the result to a file as well: .csv, .json or .md")
    parser.add_argument("--force", action="store_true", help="replace the file of --export where it exists")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, join, score, print.

    Raises:
        UsageError: a file, a row of it, or a metric is wrong.
        DiapasonError: a metric of the person's own fails.
    """
    from core.evaluation.catalog import Rows, check_metrics, measure, split_names
    from core.evaluation.document import Arm, document
    from core.evaluation.joined import join, read_lines
    from core.evaluation.result import parse_result
    from core.report.evaluation import check_export, evaluation_blocks, save_evaluation
    from core.report.write import as_text

    names = split_names(args.metric or [_USUAL])
    if not names:
        raise UsageError("--metric names no metric", hint=f"For example: --metric {_USUAL}")
    files = [(expand(path), "prediction") for path in args.predictions or ()]
    files += [(expand(path), "answer") for path in args.answers or ()]
    if not files:
        raise UsageError("there is nothing to score", hint="Name a file: --predictions P.jsonl or --answers A.jsonl.")
    if args.export:
        check_export(expand(args.export), replace=args.force)
    measures = [measure(name) for name in names]
    check_metrics(names, args.primary)
    _check_needs(measures, args.references)
    texts = [(path, read_lines(path, field)) for path, field in files]
    references = expand(args.references) if args.references else None
    joined = join(texts, (references, read_lines(references, "reference", several=True)) if references else None)
    if joined.note:
        print(visible(joined.note), file=sys.stderr)
    arms = [
        Arm(name, {"kind": "file"}, [], Rows(answers, joined.references))
        for name, answers in zip(_names([path for path, _ in files]), joined.answers, strict=True)
    ]
    found = document(arms, measures, "", args.primary or list(measures[0].infos)[-1], seed=args.seed)
    if args.primary is None:
        found["primary_metric"]["why"] = "the first one named"
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    about: dict[str, Any] = {"joined": joined.by, "files": [str(path) for path, _ in files]}
    about["references"] = str(references) if references else None
    whole = {"schema": 1, **about, **found, "versions": versions}
    result = parse_result(whole)
    if args.export:
        save_evaluation(result, expand(args.export), replace=args.force)
    if args.json:
        print(json.dumps(whole, ensure_ascii=False, indent=2))
        return 0
    print(as_text(evaluation_blocks(result)))
    return 0


def _check_needs(measures: list[Any], references: str | None) -> None:
    losses = [item.name for item in measures if item.needs_loss]
    if losses:
        raise UsageError(
            f"{losses[0]} needs the model's own probabilities, which a file of texts has not",
            hint="`diapason evaluate RUN` measures it.",
        )
    needing = [item.name for item in measures if item.needs_references]
    if needing and references is None:
        raise UsageError(f"{needing[0]} needs references", hint="Name a file of them: --references R.jsonl.")


def _names(paths: list[Path]) -> list[str]:
    """The files' names without what all have in common: their stems where these differ, else their paths."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    names = [str(path) for path in paths]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UsageError("is named twice", where=repeated)
    return names
