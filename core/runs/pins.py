"""Runs that a person has pinned: they come first, and the monitor shows them beside the run that it opens."""

from __future__ import annotations

from core.errors import DiapasonError
from core.files import read_json, write_json
from core.home import home

_NAME = "pins.json"


def pinned() -> tuple[str, ...]:
    """The identifiers of the pinned runs, oldest pin first; some may be of runs that are gone."""
    found = read_json(home() / _NAME)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def toggle_pin(run: str) -> bool:
    """Pin the run with the identifier `run`, or take its pin away; True where it is pinned now.

    Raises:
        DiapasonError: where that cannot be written down.
    """
    before = pinned()
    try:
        write_json(home() / _NAME, [one for one in before if one != run] if run in before else [*before, run])
    except OSError as error:
        raise DiapasonError(f"cannot keep the pin: {error.strerror}", where=str(home() / _NAME)) from error
    return run not in before
