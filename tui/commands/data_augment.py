"""`diapason data augment`: variants of rows through an OpenAI-compatible endpoint."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.home import expand
from core.text import visible
from tui.augment_view import plan_line, result_lines
from tui.commands.amounts import amount
from tui.format import count

if TYPE_CHECKING:
    from core.data.augment.augment import Augmented, Wish
    from core.endpoint.budget import Budget


def register(verbs: Any) -> None:
    """Add the verb."""
    from tui.commands.data import add_file, row_number

    parser = verbs.add_parser(
        "augment",
        help="have a model write variants of rows, for review",
        epilog="The key is read from OPENAI_API_KEY; a local server needs none.",
    )
    add_file(parser)
    parser.add_argument("-o", "--out", metavar="OUT", help="file for the variants, .jsonl")
    parser.add_argument(
        "--endpoint", metavar="URL", help="address such as http://localhost:8000/v1 (default: OPENAI_BASE_URL)"
    )
    parser.add_argument("--model", metavar="M", help="name of the model there")
    parser.add_argument("-n", type=row_number, default=3, metavar="N", help="variants of each row (default: 3)")
    parser.add_argument("--budget", type=row_number, metavar="TOKENS", help="tokens to spend at most, both ways")
    parser.add_argument("--budget-cost", type=amount, metavar="X", help="money to spend at most")
    parser.add_argument("--price-in", type=amount, default=0.0, metavar="X", help="price of a million prompt tokens")
    parser.add_argument("--price-out", type=amount, default=0.0, metavar="X", help="price of a million answer tokens")
    parser.add_argument("--rows", metavar="1,5-9", help="rows to vary, from 1 (default: all)")
    parser.add_argument("--label", metavar="X", help="vary rows of this label only")
    parser.add_argument("--only-code", metavar="CODE", help="vary rows with this finding only")
    parser.add_argument("--prompt", metavar="FILE", help="what to ask with: {prompt}, {answer} and {n} are put in")
    parser.add_argument("--show-prompt", action="store_true", help="print what would be asked with, and end")
    parser.add_argument("--rate", type=amount, default=0.0, metavar="N", help="requests a minute at most")
    parser.add_argument(
        "--concurrency", type=row_number, default=4, metavar="N", help="requests at once (default: 4)"
    )
    parser.add_argument("--temperature", type=amount, default=0.9, metavar="T", help="of the model (default: 0.9)")
    parser.add_argument("--max-tokens", type=row_number, metavar="N", help="tokens an answer may have; more for a "
                        "model that thinks before it answers (default: by the row's length)")  # fmt: skip
    parser.add_argument("--timeout", type=amount, default=120.0, metavar="S", help="seconds for an answer (120)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed sent along (default: 0)")
    parser.add_argument("--yes", action="store_true", help="do not ask before it starts")
    parser.add_argument("--force", action="store_true", help="replace OUT where it is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run_augment)


def run_augment(args: argparse.Namespace) -> int:
    """Have variants made; 1 where rows are left (budget, refusals, stopped) or no variant was kept."""
    from core.data.augment.augment import augment, check_out, check_source, plan
    from core.data.augment.choose import rows_with
    from core.data.dataset import open_dataset

    template = _template(args.prompt)
    if args.show_prompt:
        print(template, end="" if template.endswith("\n") else "\n")
        return 0
    wish, out = _wish(args, template)
    check_source(args.file)
    dataset = open_dataset(args.file, args.format, args.map)
    check_out(out, dataset, args.force)
    if args.only_code is not None:
        wish = replace(wish, choice=replace(wish.choice, rows=rows_with(dataset, args.only_code)))
    planned = plan(dataset, wish)
    dataset.source.close()
    if not args.json:
        print(plan_line(planned, wish, out), file=sys.stderr)
        if not args.yes and sys.stdin.isatty() and sys.stderr.isatty() and not _agreed():
            return 1
    progress = _progress if sys.stderr.isatty() and not args.json else None
    done = augment(args.file, out, wish, format=args.format, map=args.map, force=args.force, tell=progress)
    if progress:
        print(file=sys.stderr)
    if args.json:
        print(json.dumps(_document(done), ensure_ascii=False))
    else:
        print("\n".join(result_lines(done)))
        if done.sifted.kept:
            print(f"Next: diapason data review {visible(shlex.quote(str(out)))}")
    return 1 if done.stopped or done.left or done.refused or not done.sifted.kept else 0


def _template(given: str | None) -> str:
    from core.data.augment.prompt import TEMPLATE, check_template
    from core.errors import DiapasonError

    if given is None:
        return TEMPLATE
    try:
        return check_template(expand(given).read_text("utf-8"), given)
    except (OSError, UnicodeDecodeError) as error:
        raise DiapasonError(
            f"cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8'}", where=given
        ) from error


def _wish(args: argparse.Namespace, template: str) -> tuple[Wish, Path]:
    from core.data.augment.augment import Wish
    from core.data.augment.choose import Choice, parse_spans
    from core.data.findings import CODES
    from core.endpoint.budget import Prices
    from core.endpoint.client import base_url
    from core.errors import UsageError

    for name, given in (("-o", args.out), ("--model", args.model)):
        if not given:
            raise UsageError(f"{name} is missing", hint="See `diapason data augment --help`.")
    prices = Prices(args.price_in, args.price_out)
    if args.budget_cost is not None and not (prices.given or prices.made):
        raise UsageError("money cannot be counted without prices", where="--budget-cost",
                         hint="Give --price-in and --price-out, for a million tokens each.")  # fmt: skip
    if args.only_code is not None and args.only_code not in CODES:
        raise UsageError(f"`{args.only_code}` is no finding", where="--only-code", hint="`data check` names them.")
    choice = Choice(parse_spans(args.rows) if args.rows else (), args.label)
    wish = Wish(
        base_url(args.endpoint), args.model, args.n, choice, template, args.budget, args.budget_cost, prices,
        args.rate, min(args.concurrency, 64), args.temperature, args.seed, timeout=max(args.timeout, 1.0),
        most=args.max_tokens,
    )  # fmt: skip
    return wish, expand(args.out)


def _agreed() -> bool:
    print("Begin? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _progress(done: int, total: int, budget: Budget) -> None:
    tokens, _ = budget.spent()
    print(f"\r{count(done)} of {count(total)} rows · {count(tokens)} tokens", end="", file=sys.stderr, flush=True)


def _document(done: Augmented) -> dict[str, Any]:
    found = done.sifted
    return {
        "schema": 1,
        "path": str(done.path) if done.path else None,
        "log": str(done.log) if done.log else None,
        "answered": done.asked,
        "empty": done.empty,
        "left": done.left,
        "refused": [{"line": line, "why": why} for line, why in done.refused],
        "variants": {"made": found.made, "kept": found.kept, "unusable": found.unusable, "copies": found.copies,
                     "repeats": found.repeats},
        "tokens": done.tokens,
        "cost": done.money,
        "stopped": done.stopped,
    }  # fmt: skip
