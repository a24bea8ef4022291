"""`diapason` and `python -m tui`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or the app where no command is given, and exit with its code."""
    from tui.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
