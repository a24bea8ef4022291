"""`diapason data`: its verbs; show and split are here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.home import expand
from core.text import shorten, visible
from tui.format import count

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from tui.token_view import TokenView

FORMATS = ("alpaca", "chat", "prompt-completion", "sharegpt", "preference", "kto", "classification", "text")
TASKS = ("style", "classification", "extraction", "complex", "generation", "code", "domain", "preference")
NEAR = 0.85
_FIRST_ROWS = 10
MARKS = {"error": "✗", "warning": "!", "note": "·"}


def register(subparsers: Any) -> None:
    """Add the command and its verbs."""
    from tui.commands import (
        data_augment,
        data_card,
        data_check,
        data_convert,
        data_fix,
        data_open,
        data_review,
        data_stats,
    )

    parser = subparsers.add_parser("data", help="check, show, mend and split a data file")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    data_check.register(verbs)
    showing = verbs.add_parser("show", help="show a row as a conversation, or as the tokens that training sees")
    add_file(showing)
    showing.add_argument("--row", type=row_number, metavar="N", help="row to show, from 1 (default: the first rows)")
    showing.add_argument("--tokens", action="store_true", help="show the tokens, and which carry loss")
    showing.add_argument(
        "--model", default="starter", metavar="M", help="model whose tokens to show (default: starter)"
    )
    showing.add_argument(
        "--max-length", type=row_number, default=None, metavar="N", help="tokens kept (default: the recipe's)"
    )
    showing.set_defaults(run=run_show)
    splitting = verbs.add_parser("split", help="write train, validation and test parts that share no prompt")
    add_file(splitting)
    splitting.add_argument("-o", "--out", required=True, metavar="DIR", help="folder for the parts")
    splitting.add_argument("--val", type=float, default=0.1, metavar="SHARE", help="validation share (default: 0.1)")
    splitting.add_argument("--test", type=float, default=0.1, metavar="SHARE", help="test share (default: 0.1)")
    splitting.add_argument(
        "--stratify",
        default="auto",
        metavar="FIELD",
        help="field whose values every part gets its share of (default: auto: the label, else the length)",
    )
    splitting.add_argument(
        "--group",
        default="near",
        metavar="HOW",
        help="what stays on one side: near (near copies of a prompt, the default), exact (the same prompt only) "
        "or a field whose value rows share",
    )
    splitting.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split (default: 0)")
    splitting.add_argument("--force", action="store_true", help="replace parts that are there; never the source")
    splitting.add_argument("--json", action="store_true", help="print one JSON document")
    splitting.set_defaults(run=run_split)
    data_open.register(verbs)
    data_stats.register(verbs)
    data_card.register(verbs)
    data_fix.register(verbs)
    data_convert.register(verbs)
    data_review.register(verbs)
    data_augment.register(verbs)


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the file and how to read it, which all verbs take alike."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=file_name,
        help="JSON Lines, JSON, CSV, Parquet, text, a folder, a hub id, or - for what is piped in",
    )
    parser.add_argument(
        "--format", choices=FORMATS, metavar="F", help="format, where it is not recognised: " + ", ".join(FORMATS)
    )
    parser.add_argument(
        "--map", metavar="NAME=FIELD,...", help="which field is which, such as prompt=premise,completion=target"
    )


def file_name(text: str) -> str:
    """The name of a file or data set; an empty one is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a file is needed, and the name is empty")
    return text


def row_number(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or not 1 <= int(text[:20]) <= 10**12:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on (10^12 at most), not {text[:40]!r}")
    return int(text)


def near_share(text: str) -> float:
    """The value of `--near`: 0, or a share from 0.5 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if share == 0 or 0.5 <= share <= 1:
        return share
    raise argparse.ArgumentTypeError(f"0, or a number from 0.5 to 1, not {text!r}")


def percent(share: float) -> str:
    """``0 %``, ``< 0.1 %``, ``12.3 %``, ``100 %``."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return "< 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def amount(number: int, name: str) -> str:
    """``1 row``, ``1 204 rows``."""
    return f"{count(number)} {name}{'' if number == 1 else 's'}"


# -- show -------------------------------------------------------------------------------------------------


def run_show(args: argparse.Namespace) -> int:
    """Show one row, or the first ones."""
    from core.data.dataset import open_dataset
    from core.errors import UsageError

    dataset = open_dataset(args.file, args.format, args.map)
    total = len(dataset)
    if args.row is not None and args.row > total:
        raise UsageError(
            f"there is no row {count(args.row)}", where=args.file, hint=f"The file has {count(total)} rows."
        )
    if args.row is None and not args.tokens:
        print("\n".join(_first_rows(dataset)))
        return 0
    row = dataset.row((args.row or 1) - 1)
    lines = list(_row_lines(row, dataset))
    if args.tokens:
        lines = [lines[0], "", *_token_lines(row, args.model, args.max_length)]
    print("\n".join(lines))
    return 0


def _first_rows(dataset: Dataset) -> Iterator[str]:
    yield f"{visible(dataset.name)} · {dataset.format or 'unknown format'} · {amount(len(dataset), 'row')}"
    for row, _ in zip(dataset, range(_FIRST_ROWS), strict=False):
        text = row_summary(row)
        yield f"{row.index + 1:>6}  {text}"
    if len(dataset) > _FIRST_ROWS:
        yield f"   …    --row N shows one of the {count(len(dataset))} rows whole"


def row_summary(row: Row, width: int = 100) -> str:
    """A row on one line: prompt → answer, or what is wrong with it."""
    example = row.example
    if example is None:
        problem = next((finding for finding in row.findings if finding.severity == "error"), None)
        why = f"{problem.code}: {problem.message}" if problem else "no example"
        return shorten(f"✗ {why}", width)
    if example.text is not None:
        return shorten(example.text, width)
    return f"{shorten(example.prompt_text, width * 6 // 10)}  →  {shorten(example.answer, width * 3 // 10)}"


def _row_lines(row: Row, dataset: Dataset) -> Iterator[str]:
    state = "usable" if row.usable else "not usable"
    kind = row.example.kind if row.example else dataset.format or "unknown format"
    yield f"{visible(dataset.name)}:{row.line} · row {count(row.index + 1)} · {kind} · {state}"
    for finding in row.findings:
        column = f" (column {finding.column})" if finding.column is not None else ""
        yield f"{MARKS[finding.severity]} {finding.code}: {visible(finding.message)}{column}"
    yield ""
    if row.example is None:
        yield visible(row.raw[:20_000].decode("utf-8", "replace"), newlines=True)
        return
    from tui.row_view import conversation

    for speaker, text in conversation(row):
        lines = visible(text, newlines=True).split("\n")
        yield f"{speaker:<10} {lines[0]}"
        for line in lines[1:]:
            yield f"{'':<10} {line}" if line else ""


def _token_lines(row: Row, model: str, max_length: int | None) -> Iterator[str]:
    from core.chat import load_chat
    from core.errors import DiapasonError
    from core.models import find_model
    from core.recipe import Recipe
    from tui.token_view import view_tokens

    if row.example is None:
        problem = next(
            (finding.message for finding in row.findings if finding.severity == "error"), "it has no answer"
        )
        raise DiapasonError(f"the row cannot be trained on: {problem}", where=f"line {row.line}")
    limit = max_length if max_length is not None else Recipe().train.max_length
    view = view_tokens(load_chat(find_model(model)), row.example, limit)
    yield (_coloured if sys.stdout.isatty() else _bracketed)(view)
    yield ""
    yield view.summary()
    yield f"model {visible(model)} · answers found by {view.method}"


def _runs(view: TokenView) -> Iterator[tuple[str, bool, bool]]:
    """Neighbouring pieces of one kind as (text, loss, cut); line ends stay visible and break the line."""
    text, kind = "", (False, False)
    for piece in view.pieces:
        if (piece.loss, piece.cut) != kind:
            if text:
                yield text, *kind
            text, kind = "", (piece.loss, piece.cut)
        text += piece.text.replace("⏎", "⏎\n")
    if text:
        yield text, *kind


def _bracketed(view: TokenView) -> str:
    """Without colours: what carries loss stands between bars, what is cut off behind scissors."""
    parts: list[str] = []
    cutting = False
    for text, loss, cut in _runs(view):
        if cut and not cutting:
            parts.append("✂")
            cutting = True
        parts.append(f"│{text}│" if loss else text)
    return "".join(parts)


def _coloured(view: TokenView) -> str:
    """On a terminal: bold carries loss, dim does not, struck through is cut off."""
    parts: list[str] = []
    for text, loss, cut in _runs(view):
        code = ("1" if loss else "2") + (";9" if cut else "")
        parts.append(f"\x1b[{code}m{text}\x1b[0m")
    return "".join(parts)


# -- split ------------------------------------------------------------------------------------------------


def run_split(args: argparse.Namespace) -> int:
    """Write the parts and say what went where; 1 where the file is damaged, so that rows are missing."""
    from core.data.findings import damage_json
    from core.data.split import split
    from tui.split_view import split_lines

    result = split(
        args.file,
        expand(args.out),
        validation=args.val,
        test=args.test,
        seed=args.seed,
        format=args.format,
        map=args.map,
        stratify=args.stratify,
        group=args.group,
        measure=True,
        force=args.force,
    )
    files = {"train": result.train, "validation": result.validation, "test": result.test}
    leakage = result.leakage
    if args.json:
        parts = {name: {"path": str(path), "rows": result.counts[name]} for name, path in files.items() if path}
        document = {
            "schema": 1,
            "seed": args.seed,
            "parts": parts,
            "skipped": result.skipped,
            "group": args.group,
            "groups": result.groups,
            "stratify": result.stratified,
            "leakage": {"split": leakage.remaining, "random": leakage.random} if leakage else None,
            "damage": damage_json(result.damage),
        }
        print(json.dumps(document, ensure_ascii=False))
    else:
        print("\n".join(split_lines(result)))
    return 1 if result.damage else 0
