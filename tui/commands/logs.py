"""`diapason logs`: what a run's job printed."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from core.runs.folder import RunFolder

_POLL = 0.3
_CHUNK = 1 << 16


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "logs",
        help="show what a run printed",
        description="The last lines of a run's log; with -f also what follows.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing until the run ends")
    parser.add_argument(
        "-n", "--lines", type=_count, default=100, metavar="N", help="lines to begin with (default: 100)"
    )
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Print the log of the last attempt. Raises DiapasonError where there is no such run."""
    from core.runs.folder import find_run
    from core.runs.tail import last_lines
    from core.runs.view import RunView
    from core.text import visible
    from tui.bell import ring_here
    from tui.warning_text import Told

    folder, told = find_run(args.target), Told()
    view = RunView(folder)
    log = _current(folder, view.attempt)
    at = _size(log)
    for line in last_lines(log, args.lines):
        print(visible(line, newlines=True))
    if not args.follow:
        return 0
    try:
        while True:
            done = view.final or view.status == "interrupted"
            at = _more(log, at)
            newer = _current(folder, view.attempt)
            if newer != log:
                log, at = newer, _more(newer, 0)
            for line in told.lines(view):
                print(f"-- {line}", file=sys.stderr)
            if done:
                break
            time.sleep(_POLL)
            view.refresh()
    except KeyboardInterrupt:
        return 130
    ring_here(view)
    print(f"-- {view.status}" + (f": {visible(view.reason)}" if view.reason else ""), file=sys.stderr)
    return 0


def _current(folder: RunFolder, attempt: int) -> Path:
    """The log of the last attempt, or the runner's where there was none."""
    return folder.attempt_log(attempt) if attempt else folder.runner_log


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _more(path: Path, at: int) -> int:
    """Print what `path` holds from byte `at` on, up to its last whole line; where to go on."""
    from core.text import visible

    try:
        handle = path.open("rb")
    except OSError:
        return at
    with handle:
        handle.seek(at)
        rest = b""
        while chunk := handle.read(_CHUNK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                at += len(whole) + 1
                for line in whole.split(b"\n"):
                    shown = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
                    print(visible(shown, newlines=True))
    sys.stdout.flush()
    return at
