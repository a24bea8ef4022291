"""Commands to a run: anyone drops one into ``control/``; only its runner reads and acknowledges it."""

from __future__ import annotations

import os
import time
from typing import Any

from core.errors import DiapasonError
from core.files import is_locked, read_jsonl, write_json
from core.runs.folder import FINAL, RunFolder
from core.runs.status import status_of

COMMANDS = frozenset({"stop", "kill", "checkpoint", "pause", "resume", "priority"})


def send(folder: RunFolder, command: str, *, who: str = "", value: str | None = None) -> str:
    """Ask the runner of `folder` to do one of `COMMANDS`; gives the command's id at once. `value`: the new ticket of
    ``priority``.

    Raises:
        DiapasonError: where the command is not one, the run has ended, or the folder cannot be written to.
    """
    if command not in COMMANDS:
        raise DiapasonError(f"`{command}` is no command", hint=f"There are {', '.join(sorted(COMMANDS))}.")
    status = status_of(folder)
    if status in FINAL or status == "interrupted":
        raise DiapasonError(
            f"the run `{folder.name}` is not running: it is {status}",
            hint="`diapason resume RUN` makes it go on." if status != "completed" else None,
        )
    if status == "paused" and not is_locked(folder.lock_file):
        raise DiapasonError(
            f"the run `{folder.name}` is paused, and nothing of it runs", hint="`diapason resume RUN` makes it go on."
        )
    sender = "".join(char for char in (who or f"pid{os.getpid()}") if char.isalnum())[:32]
    name = f"{time.time_ns()}-{sender}-{os.urandom(4).hex()}"
    record: dict[str, Any] = {"command": command, "id": name, "who": sender, "t": time.time()}
    if value is not None:
        record["value"] = value
    try:
        folder.control.mkdir(mode=0o700, exist_ok=True)
        write_json(folder.control / f"{name}.json", record)
    except OSError as error:
        raise DiapasonError(
            f"cannot write the command: {error.strerror}",
            where=str(folder.control),
            hint="The run folder must be yours and on a disk that can be written to.",
        ) from error
    return name


def acknowledgement(folder: RunFolder, command_id: str) -> dict[str, Any] | None:
    """The runner's answer to the command, ``{t, event, command, id, result}``, or None as long as there is none."""
    for record in reversed(read_jsonl(folder.runner_events)[0]):
        if record.get("event") == "command" and record.get("id") == command_id:
            return record
    return None


def wait_for(folder: RunFolder, command_id: str, seconds: float = 15.0) -> dict[str, Any] | None:
    """Wait up to `seconds` for the acknowledgement of a command; None where none came."""
    deadline = time.monotonic() + seconds
    while (record := acknowledgement(folder, command_id)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return record
