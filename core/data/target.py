"""Where something is written: never over the data it is made of, and over another file only where that is wanted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.data.opening import data_files
from core.data.place import find_place
from core.data.source import Source
from core.errors import UsageError
from core.home import expand


class TargetExists(UsageError):
    """A file has that name already; `force` would replace it."""


def check_target(out: Path, source: Source | Path | str, *, force: bool = False) -> None:
    """Refuse to write `out`, a file in a folder that is there, from `source`; without `force` nothing is replaced.

    Raises:
        TargetExists: there is such a file already.
        UsageError: `out` is the source, also by a link, or a folder, or its folder is missing.
        DiapasonError: a source given by its name cannot be found.
    """
    check_free(out, source, force=force)
    if not (os.path.lexists(out.parent) and out.parent.is_dir()):
        raise UsageError("the folder does not exist", where=str(out.parent), hint="Make it first, or choose another.")


def check_free(out: Path, source: Source | Path | str, *, force: bool = False) -> None:
    """As `check_target`, where the folder of `out` will be made."""
    if source.reads(out) if isinstance(source, Source) else _is_named(out, expand(source)):
        raise UsageError("that is the source itself", where=str(out), hint="Name another file.")
    if not os.path.lexists(out):
        return
    if out.is_dir():
        raise UsageError("that is a folder", where=str(out), hint="Name a file in it.")
    if not force:
        raise TargetExists("is there already", where=str(out), hint="Choose another name, or use --force.")


def _is_named(out: Path, source: Path) -> bool:
    """Whether `out` is a file of the data set that goes by the name `source`."""
    if not (os.path.lexists(out) and out.exists()):
        return False
    place = find_place(source)
    if place.kind == "stdin":
        return sys.stdin is not None and os.path.samestat(out.stat(), os.fstat(0))
    return any(out.samefile(file) for file in data_files(place))
