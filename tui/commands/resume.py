"""`diapason resume`: list the runs that were cut off, and let them go on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.folder import RunFolder


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "resume",
        help="let runs go on that were cut off, stopped or have failed",
        description="Without a run: list what was cut off (the machine restarted, a kill). RUN goes on from its "
        "last sealed checkpoint; --all does so for all that were cut off.",
    )
    parser.add_argument("target", metavar="RUN", nargs="?", help="id, unique prefix, name, or `last`")
    parser.add_argument(
        "--force", action="store_true", help="go on although the recipe, the data or the packages have changed"
    )
    parser.add_argument("--all", action="store_true", help="everything that was cut off")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List or resume.

    Raises:
        UsageError: where both a run and --all are given.
        DiapasonError: where a run cannot be resumed.
    """
    from core.errors import DiapasonError, UsageError
    from core.resuming import resume
    from core.worker.recover import cut_off

    if args.all and args.target:
        raise UsageError("give a run or --all, not both")
    if args.target:
        for folder in _targets(args.target):
            _tell(resume(folder, force=args.force))
            _say(folder)
        return 0
    found = cut_off()
    if not found:
        print("No run was cut off. `diapason resume RUN` goes on with a stopped or failed one.")
        return 0
    failed = 0
    for folder, status in found:
        if not args.all:
            _list(folder, status)
            continue
        try:
            _tell(resume(folder, force=args.force))
            _say(folder)
        except DiapasonError as error:
            failed += 1
            _refused(folder, error)
    if not args.all:
        print("`diapason resume RUN` or `diapason resume --all` goes on with them.")
    return 1 if failed else 0


def _targets(text: str) -> list[RunFolder]:
    """The run, or, where it is completed, those of its jobs that are not."""
    from core.runs.folder import find_run
    from core.runs.status import CUT_OFF, status_of

    folder = find_run(text)
    if status_of(folder) != "completed":
        return [folder]
    again = CUT_OFF | {"stopped", "failed"}
    return [job for job in folder.jobs() if status_of(job) in again][-1:] or [folder]


def _list(folder: RunFolder, status: str) -> None:
    from core.runs.view import RunView
    from core.text import visible
    from tui.follow import progress_text
    from tui.format import ago

    view = RunView(folder)
    when = ago(view.state.get("started") or view.state.get("submitted"))
    print(f"{folder.id}  {visible(folder.name)}  {status}  {progress_text(view)}  begun {when}")


def _tell(warnings: list[str]) -> None:
    import sys

    from core.text import visible

    for line in warnings:
        print(visible(f"! {line}"), file=sys.stderr)


def _say(folder: RunFolder) -> None:
    from core.text import visible

    print(visible(f"{folder.id} ({folder.name}) goes on"))


def _refused(folder: RunFolder, error: Exception) -> None:
    import sys

    from core.text import visible

    print(visible(f"diapason: {folder.id}: {error}", newlines=True), file=sys.stderr)
