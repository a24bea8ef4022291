"""`diapason clean`: what of ended runs can go; removed only with --yes."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

_UNITS = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "clean",
        help="list, or with --yes remove, what ended runs need no more",
        description="Checkpoints of ended runs but the best (and the last of a run that can be resumed), damaged "
        "checkpoints, and caches. Never adapters, votes, specs, reports or data.",
    )
    parser.add_argument(
        "--older-than",
        type=_age,
        default=0.0,
        metavar="AGE",
        help="only of runs that ended so long ago: 12h, 30d, 4w",
    )
    parser.add_argument("--yes", action="store_true", help="remove it")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout (docs/json.md)")
    parser.set_defaults(run=run)


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([hdw])", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"a number with h, d or w, such as 30d, not {text[:40]!r}")
    return int(match[1]) * _UNITS[match[2]]


def run(args: argparse.Namespace) -> int:
    """List or remove; 1 where something could not be removed."""
    import sys

    from core.runs.cleaning import remove, rubbish
    from core.text import shorten, visible
    from tui.format import size

    found = rubbish(args.older_than)
    left = 0
    for item in found:
        name = shorten(item.run.name if item.run else item.path.name, 60)
        if not args.json:
            print(f"{size(item.size):>9}  {visible(name)}  {item.what}")
        if args.yes:
            try:
                remove(item)
            except OSError as error:
                left += 1
                print(visible(f"diapason: {item.path}: cannot remove it: {error.strerror}"), file=sys.stderr)
    total = sum(item.size for item in found)
    if args.json:
        items = [{"path": str(item.path), "what": item.what, "bytes": item.size,
                  "run": item.run.id if item.run else None} for item in found]  # fmt: skip
        document = {"schema": 1, "removed": args.yes and not left, "bytes": total, "items": items}
        print(json.dumps(document, ensure_ascii=False, indent=2))
    elif not found:
        print("There is nothing to remove.")
    elif args.yes:
        print(f"{len(found) - left} removed, {size(total)}")
    else:
        print(f"{len(found)} to remove, {size(total)}; --yes removes them")
    return 1 if left else 0
