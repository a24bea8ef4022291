"""Every run of the home followed for a list of them: long ones as a sample first, read in full one after another."""

from __future__ import annotations

import contextlib
import subprocess

from core.runs.course_cache import quick
from core.runs.folder import RunFolder
from core.runs.glimpse import glimpse
from core.runs.view import RunView
from core.worker.job import environment, python


def read_beside(folder: RunFolder) -> subprocess.Popen[bytes] | None:
    """Start a process that reads all of a run into the cache, and ends with this one; None where it cannot start."""
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            python("core.runs", str(folder.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
    return None


class Looks:
    """Used by one thread at a time."""

    def __init__(self) -> None:
        self._views: dict[str, RunView] = {}
        self._partial: set[str] = set()
        self._tried: set[str] = set()
        self._beside: subprocess.Popen[bytes] | None = None

    def look(self, folder: RunFolder) -> RunView:
        """The run now."""
        view = self._views.get(folder.id)
        if view is None or folder.id in self._partial:
            found = quick(folder)
            if found is not None:
                self._partial.discard(folder.id)
                view = found[0]
            elif view is None:
                self._partial.add(folder.id)
                view = glimpse(folder)[0]
            else:
                view.refresh()
            self._views[folder.id] = view
            self._read_next(folder)
        else:
            view.refresh()
        return view

    def is_partial(self, folder: RunFolder) -> bool:
        """Whether only a sample of the run is known: its best, its time and its energy are not."""
        return folder.id in self._partial

    def _read_next(self, folder: RunFolder) -> None:
        """Have the run read in full, unless another one is being read."""
        busy = self._beside is not None and self._beside.poll() is None
        if folder.id in self._partial and folder.id not in self._tried and not busy:
            self.close()
            self._tried.add(folder.id)
            self._beside = read_beside(folder)

    def close(self) -> None:
        """End the process that reads, where one does."""
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.kill()
            beside.communicate()
