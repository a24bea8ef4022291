"""Where a run is copied to: what a person wrote, checked when the run is submitted."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from core.errors import UsageError
from core.home import runs_dir
from core.settings import Settings, settings_file
from core.worker.mirror import is_command

OFF = "off"
_REMOTE = re.compile(r"rsync://[^\s]+|[A-Za-z0-9_][\w.@-]*::?[^\s:][^\n]*|\[[0-9A-Fa-f:]+\]:.+")
_FORMS = "Write a folder's full path, HOST:/PATH for rsync, a command with {run} in it, or `off`."


def mirror_of(recipe: str | None, settings: Settings) -> str | None:
    """The mirror of a run: its recipe's (`off`: none), else the person's; None where there is none.

    Raises:
        UsageError: where it is no target or command, the folder is not there, or rsync is missing.
    """
    value, where = (recipe, "mirror of the recipe") if recipe else (settings.mirror, f"{settings_file()}: mirror")
    if not value or value == OFF:
        return None
    if is_command(value):
        return value
    if "{id}" in value:
        raise UsageError("a command for the mirror needs {run}, the run's folder", where=where, hint=_FORMS)
    if value.startswith(("/", "~")):
        value = _folder(value, where)
    elif not _REMOTE.fullmatch(value):
        raise UsageError(f"`{value}` is no place to copy runs to", where=where, hint=_FORMS)
    if shutil.which("rsync") is None:
        raise UsageError(
            "the mirror needs rsync, which is not installed", where=where,
            hint="Install it (`apt install rsync`), give a command with {run} instead, or write `off`.",
        )  # fmt: skip
    return value


def _folder(value: str, where: str) -> str:
    path = Path(value).expanduser()
    if not path.is_dir() or not os.access(path, os.W_OK):
        # Never made here: a disk that is not mounted would be copied into its empty mount point.
        raise UsageError(
            f"the mirror's folder {path} is not there, or cannot be written to", where=where,
            hint="Make it, or mount its disk.",
        )  # fmt: skip
    if path.resolve().is_relative_to(runs_dir().resolve()):
        raise UsageError("the mirror lies among the runs themselves", where=where, hint="Give a folder elsewhere.")
    return str(path.resolve())
