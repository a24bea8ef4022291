"""What a test machine cannot be made to do, in every Python process that finds this folder on its PYTHONPATH.

``DIAPASON_TEST_CLOCK``: a file with seconds by which the wall clock has jumped. ``DIAPASON_TEST_NO_LOCKS``: a file
system without locks, as flock(2) tells it (ENOLCK).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

if _file := os.environ.get("DIAPASON_TEST_CLOCK"):
    _time = time.time

    def _jumped() -> float:
        try:
            with open(_file) as file:
                return _time() + float(file.read())
        except (OSError, ValueError):
            return _time()

    time.time = _jumped

if os.environ.get("DIAPASON_TEST_NO_LOCKS"):

    def _no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = _no_locks
