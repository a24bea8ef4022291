"""The terminal's bell and its notice (OSC 9) where a run that somebody watches ends."""

from __future__ import annotations

import sys

from core.files import read_json
from core.runs.folder import FINAL, RunFolder
from core.runs.view import RunView
from core.text import shorten

#: Statuses in which nothing more happens without a person.
ENDED = FINAL | {"interrupted"}


def signal_of(folder: RunFolder, status: str) -> str:
    """What makes a terminal ring and tell that the run has ended; empty where its person wants no bell."""
    wanted = read_json(folder.notify_file)
    if isinstance(wanted, dict) and wanted.get("bell") is False:
        return ""
    # The name is inert: nothing in it ends the sequence early.
    return f"\a\x1b]9;diapason: {shorten(folder.name, 80)} {status}\x1b\\"


def ring_here(view: RunView) -> None:
    """Ring the terminal of this command, if it has one, for the end of the run."""
    for stream in (sys.stderr, sys.stdout):
        if stream.isatty():
            stream.write(signal_of(view.folder, view.status))
            stream.flush()
            return
