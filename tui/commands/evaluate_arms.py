"""The options of `diapason evaluate` that say which arms answer, how, and what is measured."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UsageError

if TYPE_CHECKING:
    from core.evaluation.request import Wish

ARMS = """arms, between commas (default: those of the recipe, else base,few-shot:5,tuned):
  base               the base model, the question alone
  few-shot:K         the base, K training examples in the prompt, the same for all
  bm25:K             the base, the K training examples nearest to the question (BM25)
  rag:FOLDER         the base, with the pieces of the folder's documents that are nearest to the question
  rag-tuned:FOLDER   the tuned model with the same
  tuned              the tuned model
  checkpoint:STEP    a sealed checkpoint of this run
  run:ID, run:ID@STEP   another run's tuned model, or a checkpoint of it
  endpoint:URL#MODEL    a model behind an OpenAI-compatible endpoint; the key is read from OPENAI_API_KEY
Documents are text, Markdown and HTML files, and rows of data files (JSONL, JSON, CSV, Parquet)."""
_SETTINGS = ("max_rows", "max_new_tokens", "temperature", "top_p", "rag_top_k", "rag_chunk_size", "rag_chunk_overlap")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of `evaluate`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ARMS
    parser.add_argument("--arms", metavar="A,B,…", help="what answers: see below")
    parser.add_argument("--metrics", metavar="M", action="append", help="what is measured, between commas "
                        "(default: what suits the task and the rows)")  # fmt: skip
    parser.add_argument("--primary", metavar="M", help="the metric that decides, named beforehand")
    parser.add_argument("--general", action=argparse.BooleanOptionalAction, default=None, help="ask base and tuned "
                        "general questions too (default: where that is the smaller part of the work)")  # fmt: skip
    parser.add_argument("--max-rows", type=int, metavar="N", help="test rows at most, drawn by seed; 0: all")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="tokens of an answer at most")
    parser.add_argument("--temperature", type=float, metavar="T", help="of all arms; 0, as usual: greedy")
    parser.add_argument("--top-p", type=float, metavar="P", help="nucleus, where the temperature is above 0")
    parser.add_argument("--rag-top-k", type=int, metavar="K", help="pieces of documents in a prompt")
    parser.add_argument("--rag-chunk-size", type=int, metavar="N", help="tokens of a piece")
    parser.add_argument("--rag-chunk-overlap", type=int, metavar="N", help="tokens that two pieces share")
    parser.add_argument("--rag-template", metavar="FILE", type=Path, help="the prompt of a rag arm, with {context} "
                        "and {question}")  # fmt: skip
    parser.add_argument("--endpoint-model", metavar="M", help="model of an endpoint whose address names none")
    parser.add_argument("--price-in", type=float, metavar="X", help="price of a million prompt tokens there")
    parser.add_argument("--price-out", type=float, metavar="X", help="price of a million answer tokens there")
    parser.add_argument("--budget", type=int, metavar="TOKENS", help="tokens that an endpoint may take, both ways")
    parser.add_argument("--rate", type=float, default=0.0, metavar="N", help="requests a minute at most")
    parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="requests at once (default: 4)")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds for an answer (120)")
    parser.add_argument("--again", action="store_true", help="answer everything anew, whatever is there")


def wish_of(args: argparse.Namespace) -> Wish:
    """What the options ask for.

    Raises:
        UsageError: a value cannot be, or the template cannot be read.
    """
    from core.evaluation.arms import split_arms
    from core.evaluation.catalog import split_names
    from core.evaluation.request import Endpoint, Wish

    settings: dict[str, Any] = {name: getattr(args, name) for name in _SETTINGS if getattr(args, name) is not None}
    if args.rag_template is not None:
        settings["rag_template"] = _text(args.rag_template)
    prices = None
    if args.price_in is not None or args.price_out is not None:
        prices = (_positive("--price-in", args.price_in or 0.0), _positive("--price-out", args.price_out or 0.0))
    return Wish(
        data=args.data,
        arms=None if args.arms is None else split_arms(args.arms),
        metrics=None if args.metrics is None else split_names(args.metrics),
        primary=args.primary,
        general=args.general,
        endpoint_model=args.endpoint_model or "",
        endpoint=Endpoint(
            prices=prices,
            budget=None if args.budget is None else int(_positive("--budget", args.budget, least=1)),
            per_minute=_positive("--rate", args.rate),
            concurrency=min(64, int(_positive("--concurrency", args.concurrency, least=1))),
            timeout=_positive("--timeout", args.timeout, least=1),
        ),
        settings=settings,
    )


def _positive(name: str, value: float, *, least: float = 0) -> float:
    if not least <= value < 1e12:
        raise UsageError(f"{value:g} is too small" if value < least else f"{value:g} is no amount", where=name,
                         hint=f"At least {least:g}.")  # fmt: skip
    return value


def _text(path: Path) -> str:
    from core.home import expand

    try:
        return expand(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"cannot be read: {reason}", where=str(path)) from error
