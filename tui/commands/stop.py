"""`diapason stop`: ask a run to finish its step, save and end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.folder import RunFolder


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stop",
        help="stop a run: it finishes its step, saves and ends",
        description="The run finishes its step, seals a checkpoint and ends; `diapason resume RUN` goes on there. "
        "Of a run that is trained, the jobs under way (evaluation, answers) are stopped.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send the command and wait until the runner has acknowledged it.

    Raises:
        DiapasonError: where there is no such run, nothing of it runs, or its runner does not answer.
    """
    from core.errors import DiapasonError
    from core.runs.commands import send, wait_for
    from core.text import visible

    for folder in _targets(args.target):
        answer = wait_for(folder, send(folder, "stop", who="cli"))
        if answer is None:
            raise DiapasonError(
                f"the runner of {folder.id} has not answered within 15 s",
                hint="The command stays in its folder and is acted upon as soon as the runner reads it.",
            )
        print(visible(f"{folder.id}: {answer.get('result')}"))
    return 0


def _targets(text: str) -> list[RunFolder]:
    """The run, or, where it has ended, its jobs that have not."""
    from core.runs.folder import FINAL, find_run
    from core.runs.status import status_of

    folder = find_run(text)
    if status_of(folder) not in FINAL:
        return [folder]
    return [job for job in folder.jobs() if status_of(job) not in FINAL | {"interrupted"}] or [folder]
