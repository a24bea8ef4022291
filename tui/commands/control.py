"""`diapason stop | pause | checkpoint | kill`: tell a run's runner something, and wait until it has heard."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

_COMMANDS = {
    "stop": (
        "stop a run: it finishes its step, saves and ends",
        "The run finishes its step, seals a checkpoint and ends; `diapason resume RUN` goes on there. "
        "Of a run that is trained, the jobs under way (evaluation, answers) are stopped.",
    ),
    "pause": (
        "pause a run: it saves and gives its GPU back until it is resumed",
        "The run finishes its step, seals a checkpoint and gives its GPU back; `diapason resume RUN` puts it back "
        "into the queue. A run that waits in the queue waits on, out of turn.",
    ),
    "checkpoint": ("have a run seal a checkpoint at its next step", "The run seals a checkpoint and trains on."),
    "kill": (
        "end a run at once, without saving",
        "The run's processes are killed. What was sealed before is kept, and `diapason resume RUN` goes on from it.",
    ),
}


def register(subparsers: Any) -> None:
    """Add the commands."""
    for name, (help, description) in _COMMANDS.items():
        parser = subparsers.add_parser(name, help=help, description=description)
        parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
        parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send the command and wait until the runner has acknowledged it.

    Raises:
        DiapasonError: where there is no such run, nothing of it runs, or its runner does not answer.
    """
    from core.text import visible

    for folder in _targets(args.target):
        print(visible(f"{folder.id}: {tell(folder, args.command)}"))
    return 0


def tell(folder: RunFolder, command: str, value: str | None = None) -> str:
    """Send a command and give the runner's answer. Raises DiapasonError where none came within 15 s."""
    from core.errors import DiapasonError
    from core.runs.commands import send, wait_for

    answer = wait_for(folder, send(folder, command, who="cli", value=value))
    if answer is None:
        raise DiapasonError(
            f"the runner of {folder.id} has not answered within 15 s",
            hint="The command stays in its folder and is acted upon as soon as the runner reads it.",
        )
    return str(answer.get("result"))


def _targets(text: str) -> list[RunFolder]:
    """The run, or, where it has ended, its jobs that have not."""
    from core.runs.folder import FINAL, find_run
    from core.runs.status import status_of

    folder = find_run(text)
    if status_of(folder) not in FINAL:
        return [folder]
    return [job for job in folder.jobs() if status_of(job) not in FINAL | {"interrupted"}] or [folder]
