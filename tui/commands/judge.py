"""`diapason judge`: compare base and tuned answers blindly, in the app."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.text import visible

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

_POLL_SECONDS = 0.3
# A runner takes its lock within this time of its launch; before that its job looks cut off.
_START_SECONDS = 15.0


class NoTerminal(DiapasonError):
    """Judging was asked for where there is no terminal."""

    exit_code = 2


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "judge",
        help="compare the answers of base and tuned blindly, one key a pair",
        description="Compare the answers of the base model and the tuned one, side by side and blindly. "
        "Answers come from the evaluation, or are generated first. Each vote is saved at once; "
        "the next call goes on where the last one ended.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument(
        "-n", dest="count", type=_count, metavar="N", help="pairs to judge (default: 50; a larger N adds pairs later)"
    )
    parser.add_argument("--new", action="store_true", help="begin anew; the earlier session is kept, but not counted")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 100000, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Make sure that there are answers, then open the app on the judging screen.

    Raises:
        NoTerminal: where stdin or the screen is no terminal.
        DiapasonError: where there is no such run, or its answers cannot be had.
    """
    from core.judging.answers import generate, ready
    from core.judging.session import find_answers
    from core.runs.folder import find_run

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoTerminal(
            "judging needs a terminal, for its keys and its screen",
            hint="Run it in one; `diapason judgements RUN` prints what was judged so far.",
        )
    folder = find_run(args.target)
    while not (find_answers(folder.path) if args.new else ready(folder.path)):
        job = generate(folder, args.count)
        _wait(job)
        if job.kind == "generate" and find_answers(folder.path) is None:
            raise DiapasonError(
                "the job ended without an answer of both base and tuned to the same prompt",
                where=job.id,
                hint="Judging needs test rows with a prompt; plain text has none.",
            )
    from tui.app import run as run_app

    return run_app("judge", run=folder.path, count=args.count, new=args.new)


def _wait(job: RunFolder) -> None:
    """Show the job's progress until it ends.

    Raises:
        DiapasonError: where it ends otherwise than completed.
    """
    from core.runs.view import RunView

    print("Answers of base and tuned are made first; ctrl+c leaves this, not the job.", file=sys.stderr)
    view, begin = RunView(job), time.monotonic()
    try:
        while not view.final:
            if view.status == "interrupted" and time.monotonic() - begin > _START_SECONDS:
                break
            _show(_progress(view.status, view.progress))
            time.sleep(_POLL_SECONDS)
            view.refresh()
    finally:
        print(file=sys.stderr)
    if view.status != "completed":
        raise DiapasonError(
            f"making the answers ended as {view.status}: {view.reason or 'no reason was given'}",
            where=job.id,
            hint=view.hint or f"The log is in {job.logs}.",
        )


def _progress(status: str, progress: dict[str, Any] | None) -> str:
    if not progress:
        return status
    return f"{progress.get('phase', status)}: {progress.get('done', '?')} of {progress.get('total', '?')}"


def _show(line: str) -> None:
    print(f"\r\x1b[K  {visible(line)[:70]}", end="", file=sys.stderr, flush=True)
