"""`diapason judge … --rater URL --rater-model M`: a model as a second rater, kept apart from the people's votes."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from core.errors import DiapasonError, UsageError
from core.home import expand
from core.text import visible
from tui.commands.amounts import amount, whole
from tui.format import count

if TYPE_CHECKING:
    from core.endpoint.budget import Budget
    from core.judging.rating import Outcome, Plan, Wish
    from core.judging.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the second rater."""
    group = parser.add_argument_group(
        "second rater by model",
        "A model is asked about each pair in both orders. Its verdicts are kept apart: they never enter the score. "
        "The key is read from OPENAI_API_KEY; a local server needs none.",
    )
    group.add_argument("--rater", metavar="URL", help="an OpenAI-compatible endpoint (default: OPENAI_BASE_URL)")
    group.add_argument("--rater-model", metavar="M", help="name of the model there")
    group.add_argument("--rater-prompt", metavar="FILE", help="what to ask with: {prompt}, {first}, {second}, {mark}")
    group.add_argument("--show-rater-prompt", action="store_true", help="print what would be asked with, and end")
    group.add_argument("--rater-budget", type=whole, metavar="TOKENS", help="tokens to spend at most, both ways")
    group.add_argument("--rater-budget-cost", type=amount, metavar="X", help="money to spend at most")
    group.add_argument("--rater-price-in", type=amount, default=0.0, metavar="X", help="of a million prompt tokens")
    group.add_argument("--rater-price-out", type=amount, default=0.0, metavar="X", help="of a million reply tokens")
    group.add_argument("--rater-rate", type=amount, default=0.0, metavar="N", help="requests a minute at most")
    group.add_argument(
        "--rater-concurrency", type=whole, default=4, metavar="N", help="requests at once (default: 4)"
    )
    group.add_argument("--rater-max-tokens", type=whole, metavar="N", help="tokens a reply may have (default: 1024)")
    group.add_argument("--yes", action="store_true", help="do not ask before it starts")


def wanted(args: argparse.Namespace) -> bool:
    """Whether the command line asks for a second rater."""
    return bool(args.rater or args.rater_model or args.rater_prompt or args.show_rater_prompt)


def run(args: argparse.Namespace) -> int:
    """Show the prompt and what it will cost, ask, and say what came of it; 1 where requests are left.

    Raises:
        UsageError: for options that do not go together, or a prompt without its places.
        DiapasonError: where nothing was begun to judge, or the endpoint takes no request.
    """
    from core.judging.rating import plan, rate

    template = _template(args.rater_prompt)
    if args.show_rater_prompt:
        print(template, end="" if template.endswith("\n") else "\n")
        return 0
    wish = _wish(args, template)
    session = _session(args)
    planned = plan(session, wish)
    print(_told(planned, wish), file=sys.stderr)
    asks = planned.left and not args.yes and sys.stdin.isatty() and sys.stderr.isatty()
    if asks and not _agreed(template):
        return 1
    progress = _progress if sys.stderr.isatty() else None
    done = rate(session, wish, tell=progress)
    if progress:
        print(file=sys.stderr)
    print("\n".join(_lines(session, wish, done)))
    return 1 if done.left or done.refused or done.stopped else 0


def _session(args: argparse.Namespace) -> Session:
    from core.judging.locks import session_lock
    from core.judging.place import find_judging
    from core.judging.session import prepare
    from core.judging.training import training_judging
    from core.runs.folder import find_run
    from core.settings import load_settings

    judging = training_judging(find_run(args.target)) if args.purpose else find_judging(args.target)
    with session_lock(judging.folder):
        return prepare(judging, args.count, repeats=load_settings().judging.repeats)


def _template(given: str | None) -> str:
    from core.judging.rater import TEMPLATE, check_template

    if given is None:
        return TEMPLATE
    try:
        return check_template(expand(given).read_text("utf-8"), given)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8"
        raise DiapasonError(f"cannot be read: {why}", where=given) from error


def _wish(args: argparse.Namespace, template: str) -> Wish:
    from core.endpoint.budget import Prices
    from core.endpoint.client import base_url
    from core.judging.rating import MOST_TOKENS, Wish

    if not args.rater_model:
        raise UsageError("--rater-model is missing", hint="It names the model at the endpoint; see `judge --help`.")
    prices = Prices(args.rater_price_in, args.rater_price_out)
    if args.rater_budget_cost is not None and not (prices.given or prices.made):
        raise UsageError(
            "money cannot be counted without prices",
            where="--rater-budget-cost",
            hint="Give --rater-price-in and --rater-price-out, for a million tokens each.",
        )
    return Wish(
        base_url(args.rater), args.rater_model, template, args.rater_budget, args.rater_budget_cost, prices,
        args.rater_rate, min(args.rater_concurrency, 64), most=args.rater_max_tokens or MOST_TOKENS,
    )  # fmt: skip


def _told(planned: Plan, wish: Wish) -> str:
    cost = wish.prices.cost(planned.given, planned.made)
    money = f", {cost:,.2f} at most" if cost else ""
    return (
        f"{count(planned.left)} of {count(planned.total)} requests to {visible(wish.model)} at "
        f"{visible(wish.endpoint)}: about {count(planned.given + planned.made)} tokens at most{money}"
    )


def _agreed(template: str) -> bool:
    print(f"It is asked with:\n\n{visible(template, newlines=True)}", file=sys.stderr)
    print("The prompts and answers leave this machine. Begin? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _progress(done: int, total: int, budget: Budget) -> None:
    tokens, _ = budget.spent()
    print(f"\r{count(done)} of {count(total)} requests · {count(tokens)} tokens", end="", file=sys.stderr, flush=True)


def _lines(session: Session, wish: Wish, done: Outcome) -> list[str]:
    from core.judging.rater import template_hash
    from core.judging.results import results
    from core.judging.votes import read_votes
    from core.judging.wording import rater_lines

    money = f", {done.money:,.2f}" if done.money else ""
    lines = [f"{count(done.answered)} replies now; {count(done.tokens)} tokens{money} in all"]
    found = results(session, read_votes(session))
    mark = template_hash(wish.template)
    for rated in found.rater.raters if found.rater else ():
        if (rated.model, rated.prompt) == (wish.model, mark):
            lines += rater_lines(rated, found)
    if done.refused:
        lines.append(f"{count(len(done.refused))} requests were refused, the first: {done.refused[0]}")
    if done.left:
        lines.append(f"{count(done.left)} requests are left; the same command goes on.")
    return [visible(line) for line in lines]
