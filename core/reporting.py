"""The trackers that a run reports to: which a person asked for, and whether their packages are here."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import UsageError

Tracker = Literal["none", "tensorboard", "wandb", "trackio"]
NONE = "none"
#: The project at W&B and trackio, where their own settings name none.
PROJECT = "diapason"
TRACKERS: tuple[str, ...] = tuple(name for name in get_args(Tracker) if name != NONE)


def split_names(value: Any) -> Any:
    """What a person may write (`none`, one name, several with commas, a list) as a list, without `none`."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    return [name for name in value if name != NONE] if isinstance(value, list) else value


def trackers_of(recipe: Sequence[str] | None, settings: Sequence[str] | None) -> list[str]:
    """The trackers of a run: its recipe's (none where that is empty), else the person's.

    Raises:
        UsageError: where a package is missing; says how to install it into the environment that runs Diapason.
    """
    names = list(dict.fromkeys((settings if recipe is None else recipe) or []))
    if missing := [name for name in names if not _installed(name)]:
        raise UsageError(
            f"report_to names {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            where="report_to of the recipe" if recipe is not None else "report_to of the settings",
            hint=f"`{install_line(missing)}`, or `report_to: none`.",
        )
    return names


def _installed(name: str) -> bool:
    """Found without being imported; a mere folder of that name, as trackers leave behind, is none."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None


def install_line(packages: Sequence[str], python: str = sys.executable, prefix: str = sys.prefix) -> str:
    """The command that adds packages to this environment: pipx's, one made by uv (which has no pip), or any other."""
    names, place = " ".join(packages), Path(prefix)
    if place.parent.name == "venvs" and place.parent.parent.name == "pipx":
        return f"pipx inject {place.name} {names}"
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(python)} {names}"
    return f"{shlex.quote(python)} -m pip install {names}"
