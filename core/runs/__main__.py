"""``python -m core.runs FOLDER``: read all of a long run and keep its course, for the app that waits for it.

It ends when its standard input does: with whoever started it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from core.runs.course_cache import open_run
from core.runs.folder import RunFolder


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> int:
    """Read the run whose folder is named."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    open_run(RunFolder(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    code = main()
    # Without a wait for the thread that reads.
    os._exit(code)
