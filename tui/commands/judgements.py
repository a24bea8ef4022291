"""`diapason judgements`: what the votes on a run, or votes made elsewhere, say, by name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DiapasonError, UsageError
from core.home import expand
from core.text import visible

if TYPE_CHECKING:
    from typing import Any

    from core.judging.results import Results


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "judgements",
        help="what the votes say: wins, ties, intervals, when to stop, agreement, ranking",
        description="Of two sides: wins, losses, ties and both-bad by name, the share of decisive pairs with its "
        "95 % Wilson interval, the exact sign test, a stopping rule that holds however often one looks, and what "
        "slot and length did. Of more: Bradley-Terry strengths. Of several judges: their agreement.",
    )
    parser.add_argument("target", nargs="?", metavar="NAME|RUN", help="a run: id, unique prefix, name, or `last`")
    parser.add_argument(
        "--votes",
        metavar="VOTES.csv",
        help="votes made elsewhere: columns prompt, left, right, winner (left, right, tie or both_bad); also judge, "
        "left_length, right_length (characters); further columns are slices",
    )
    parser.add_argument(
        "--by",
        metavar="FIELD",
        help="slice by one field: a column of the votes, or label, language or a field of the run's test rows",
    )
    parser.add_argument(
        "--for", dest="purpose", choices=("training",), help="training: the verdicts of `judge RUN --for training`"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the results.

    Raises:
        UsageError: for both or neither of a target and --votes, a file of votes that cannot be counted, or a field
            that nothing has.
        DiapasonError: where there is no such run, or nothing was judged on it.
    """
    from tui.judgements_view import lines

    if (args.target is None) == (args.votes is None):
        raise UsageError(
            "a run or --votes is wanted, one of them",
            hint="`diapason judgements last`, or `diapason judgements --votes votes.csv`.",
        )
    if args.votes is not None and args.purpose is not None:
        raise UsageError("--for training takes a run", hint="diapason judgements RUN --for training")
    run, about, found = _of_file(args.votes) if args.votes is not None else _of_judging(args.target, args.purpose)
    if args.by is not None:
        from core.judging.slices import by_field

        found = by_field(found, args.by, run)
    if args.json:
        print(json.dumps({"schema": 1, **about, **found.to_json()}, indent=2))
    else:
        print("\n".join(visible(line) for line in lines(found)))
    return 0


def _of_file(given: str) -> tuple[Path | None, dict[str, str], Results]:
    from core.judging.results import results_of
    from core.judging.votes_file import read_votes_file

    path = expand(given)
    return None, {"votes": str(path)}, results_of(read_votes_file(path))


def _of_judging(target: str, purpose: str | None) -> tuple[Path | None, dict[str, str], Results]:
    from core.judging.place import find_judging
    from core.judging.results import results
    from core.judging.session import load
    from core.judging.training import training_judging
    from core.judging.votes import read_votes
    from core.runs.folder import find_run

    judging = training_judging(find_run(target)) if purpose else find_judging(target)
    session = load(judging)
    if session is None:
        raise DiapasonError(
            "nothing was judged on this run yet", where=judging.name, hint=f"`{judging.command}` begins it."
        )
    about = {"run": judging.run.name} if judging.run else {"judging": judging.name}
    # What was judged for training are no test rows.
    return None if purpose else judging.run, about, results(session, read_votes(session))
