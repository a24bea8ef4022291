"""How the monitor reads a run: at once where that is quick, else a sample first while a process reads all of it."""

from __future__ import annotations

import subprocess

from core.runs import course_cache
from core.runs.course import Course
from core.runs.folder import RunFolder
from core.runs.glimpse import glimpse
from core.runs.machine import MachineCourse
from core.runs.view import RunView
from tui.looks import read_beside


class Reading:
    """Follows the files of one run; used by one thread at a time.

    `partial`: only a sample of the run was read so far.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.partial = False
        self._found: tuple[RunView, Course, MachineCourse] | None = None
        self._whole: subprocess.Popen[bytes] | None = None

    def look(self) -> tuple[RunView, Course, MachineCourse]:
        """The run now."""
        if self._found is None:
            self._found = self._first()
        elif self.partial and (whole := self._whole) is not None and whole.poll() is not None:
            self.close()
            # Where that process could not do it, this one does.
            self._take(course_cache.quick(self.folder) or course_cache.open_run(self.folder))
        else:
            self._found[0].refresh()
        view, course, machine = self._found
        machine.refresh()
        if not self.partial:
            course_cache.keep_new(view, course, machine)
        return view, course, machine

    def _first(self) -> tuple[RunView, Course, MachineCourse]:
        found = course_cache.quick(self.folder)
        if found is not None:
            return self._take(found)
        self._whole = read_beside(self.folder)
        if self._whole is None:
            return self._take(course_cache.open_run(self.folder))
        self.partial = True
        return glimpse(self.folder)

    def _take(self, found: tuple[RunView, Course, MachineCourse]) -> tuple[RunView, Course, MachineCourse]:
        self.partial, self._found = False, found
        return found

    def close(self) -> None:
        """End the process that reads, where one does."""
        whole, self._whole = self._whole, None
        if whole is not None:
            whole.kill()
            whole.communicate()
