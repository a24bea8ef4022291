"""`diapason judgements`: what the votes on a run say, by name."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.text import visible

if TYPE_CHECKING:
    from core.judging.results import Habit, Results
    from core.judging.statistics import Share


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "judgements",
        help="what the votes say: wins, ties, interval, sign test",
        description="Wins, losses, ties and both-bad by name, the share of decisive pairs that tuned won with its "
        "95 % Wilson interval, and the exact sign test.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the results of the run's session.

    Raises:
        DiapasonError: where there is no such run, or nothing was judged on it.
    """
    from core.judging.results import results
    from core.judging.session import load
    from core.judging.votes import read_votes
    from core.runs.folder import find_run

    folder = find_run(args.target)
    session = load(folder.path)
    if session is None:
        raise DiapasonError(
            "nothing was judged on this run yet", where=folder.id, hint=f"`diapason judge {folder.name}` begins it."
        )
    found = results(session, read_votes(session))
    if args.json:
        print(json.dumps({"schema": 1, "run": folder.id, **found.to_json()}, indent=2))
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: Results) -> list[str]:
    lines = [found.verdict(), found.meaning() if found.decisive else "", ""]
    rows = [
        (f"tuned won   ({visible(found.names['tuned'])})", found.wins),
        (f"base won    ({visible(found.names['base'])})", found.losses),
        (f"ties ({found.identical} identical, not asked)" if found.identical else "ties", found.ties),
        ("both bad", found.both_bad),
        ("skipped", found.skipped),
        ("not judged", found.left),
    ]
    width = max(len(label) for label, _ in rows)
    lines += [f"  {label:<{width}}  {count:>5}" for label, count in rows]
    lines += ["", f"tuned's share of decisive pairs: {_share(found.share)}"]
    lines.append(f"with ties and both-bad at ½:     {_share(found.score)}")
    lines.append(f"left answer won:                 {_habit(found.first_slot)}")
    lines.append(f"longer answer won:               {_habit(found.longer)}")
    if len(found.judges) > 1:
        lines += ["", "judges (wins, losses, ties, both bad, skips):"]
        lines += [f"  {visible(name)}: {', '.join(map(str, own.values()))}" for name, own in found.judges.items()]
    lines += [f"! {caution}" for caution in found.cautions()]
    return lines


def _share(share: Share | None) -> str:
    from core.judging.statistics import percent

    if share is None:
        return "–"
    return f"{percent(share.value)} %  (95 % interval {percent(share.low)}–{percent(share.high)} %)"


def _habit(habit: Habit) -> str:
    from core.judging.statistics import p_value

    if not habit.trials:
        return "–"
    return f"{habit.count} of {habit.trials}, {_share(habit.share)}, sign test p {p_value(habit.p)}"
