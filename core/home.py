"""Where Diapason keeps its things, and how much room there is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core.errors import DiapasonError


def expand(name: Path | str) -> Path:
    """The path `name` with ``~`` and ``~user`` put in; as it is where there is no such user."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises for a user that does not exist


def home() -> Path:
    """Diapason's home: ``$DIAPASON_HOME``, else ``$XDG_DATA_HOME/diapason``, else ``~/.local/share/diapason``."""
    chosen = os.environ.get("DIAPASON_HOME")
    if chosen:
        return expand(chosen).absolute()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "diapason"


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DiapasonError(
            f"cannot make the folder: {error.strerror}",
            where=str(path),
            hint="Point DIAPASON_HOME at a folder that you can write to.",
        ) from error
    return path


def runs_dir() -> Path:
    """The folder of run folders, made on demand with mode 0700."""
    _private(home())
    return _private(home() / "runs")


def jobs_dir() -> Path:
    """The folder of jobs over data, which belong to no run."""
    _private(home())
    return _private(home() / "jobs")


def queue_dir() -> Path:
    """The folder of queue tickets."""
    _private(home())
    return _private(home() / "queue")


def cache_dir() -> Path:
    """The folder of things that can be made again; removing it loses nothing."""
    _private(home())
    return _private(home() / "cache")


def free_bytes(path: Path) -> int:
    """Bytes free for this user on the file system that holds `path` or its nearest existing parent."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
