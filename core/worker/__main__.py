"""The runner of one run: ``python -m core.worker FOLDER [--resume]``. Standard library only."""

from __future__ import annotations

import os
import sys

from core.runs.folder import RunFolder
from core.worker.empty import after_all
from core.worker.runner import run
from core.worker.timing import Timing


def main(arguments: list[str]) -> int:
    """The runner's command line."""
    folders = [item for item in arguments if item != "--resume"]
    if len(folders) != 1:
        print("usage: python -m core.worker FOLDER [--resume]", file=sys.stderr)
        return 2
    os.umask(0o077)
    code = run(RunFolder(folders[0]), resume="--resume" in arguments)
    if code == 0:
        after_all(Timing())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
