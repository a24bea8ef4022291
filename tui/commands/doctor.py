"""`diapason doctor`: whether this machine is fit for runs, and what to do where it is not."""

from __future__ import annotations

import argparse
import json
from typing import Any

_NAMES = 21  # cells of the longest name of a check
_WORDS = {"ok": "ok", "warn": "warn", "fail": "FAIL", "info": "-"}


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="look at Python, torch, the GPU, disks, locks, the terminal: what fits, what is missing",
        description="Look at everything that a run depends on. Exits with 1 where runs would not work.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine the machine and print each finding as it comes; 1 where a check failed."""
    from core.doctor import Check, examine, to_json

    checks: list[Check] = []
    for check in examine():
        checks.append(check)
        if not args.json:
            _show(check.name, _WORDS[check.status], check.value, check.advice)
    failed = any(check.status == "fail" for check in checks)
    if args.json:
        print(json.dumps(to_json(checks), indent=2))
        return int(failed)
    warned = sum(check.status == "warn" for check in checks)
    summary = "Runs will not work until what FAILs is mended." if failed else "Runs will work."
    if warned:
        summary += f" {warned} warning{'' if warned == 1 else 's'}."
    print(f"\n{summary}")
    return int(failed)


def _show(name: str, word: str, value: str, advice: str) -> None:
    import shutil
    import textwrap

    from core.text import visible

    columns = min(shutil.get_terminal_size().columns, 120)
    indent = " " * (_NAMES + 7)
    for number, line in enumerate([value, *advice.splitlines()]):
        start = f"{word:<5}{visible(name):<{_NAMES}}  " if number == 0 else indent
        text = visible(line)
        # A line to type is never broken: it could not be copied.
        if number and not text.endswith((".", ":")):
            print(start + text, flush=True)
            continue
        width = max(columns, 60)
        print(
            textwrap.fill(
                text, width, initial_indent=start, subsequent_indent=indent,
                break_long_words=False, break_on_hyphens=False,
            ),
            flush=True,
        )  # fmt: skip
