"""Completion of paths, as a shell does it."""

from __future__ import annotations

import os

from textual.suggester import Suggester

from core.home import expand


class PathSuggester(Suggester):
    """Suggests the first file or folder whose name starts with what is typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The whole path that `value` may become, or None."""
        return complete(value)


def complete(value: str) -> str | None:
    """The first path, in the order of names, that `value` is a beginning of; a folder ends in a slash.

    Hidden entries are suggested only where the typed name starts with a dot. None where nothing fits or the
    folder cannot be read.
    """
    if not value:
        return None
    folder, _, start = value.rpartition("/")
    base = expand(folder + "/" if folder or value.startswith("/") else ".")
    names: list[tuple[str, bool]] = []
    try:
        with os.scandir(base) as entries:
            for entry in entries:
                if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith(".")):
                    names.append((entry.name, entry.is_dir()))
    except OSError:
        return None
    if not names:
        return None
    name, is_folder = min(names)
    head = value[: len(value) - len(start)]
    found = head + name + ("/" if is_folder else "")
    return found if found != value else None
