"""The rounds of training that led to a run, for the monitor: read again only when one of them may have changed."""

from __future__ import annotations

from core.errors import DiapasonError
from core.runs.folder import RunFolder


class Rounds:
    """Follows the chain of one run."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._mark: object = None
        self._lines: tuple[str, ...] = ()

    def read(self, status: str) -> tuple[str, ...]:
        """A line for each round, the first one first; none where the run began with no other run.

        Args:
            status: of the run: its figures change with it.
        """
        spec = self._spec()
        if not (spec.get("start") or spec.get("origin")):
            return ()
        mark = (status, *(_changed(self._folder, name) for name in ("evaluation", "judging")))
        if mark != self._mark:
            from core.rounds import chain

            self._mark = mark
            try:
                self._lines = tuple(chain(self._folder))
            except DiapasonError:
                self._lines = ()
        return self._lines

    def _spec(self) -> dict[str, object]:
        try:
            return self._folder.spec()
        except DiapasonError:
            return {}


def _changed(folder: RunFolder, name: str) -> int:
    try:
        return (folder.path / name).stat().st_mtime_ns
    except OSError:
        return 0
