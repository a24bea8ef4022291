"""The runner of one run: ``python -m core.worker FOLDER [--resume]``. Standard library only."""

from __future__ import annotations

import os
import sys

from core.runs.folder import RunFolder
from core.worker.runner import run


def main(arguments: list[str]) -> int:
    """The runner's command line."""
    folders = [item for item in arguments if item != "--resume"]
    if len(folders) != 1:
        print("usage: python -m core.worker FOLDER [--resume]", file=sys.stderr)
        return 2
    os.umask(0o077)
    return run(RunFolder(folders[0]), resume="--resume" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
