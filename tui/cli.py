"""The command line: finds the command, runs it, and turns errors into one plain message and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from core.errors import DiapasonError
from core.text import visible

# Command → the module that holds it; a module is imported only when its command, or the help, needs it.
COMMANDS = {
    "data": "data",
    "advise": "advise",
    "recipe": "recipe",
    "train": "train",
    "runs": "runs",
    "show": "show",
    "logs": "logs",
    "watch": "watch",
    "report": "report",
    "queue": "queue",
    "stop": "control",
    "pause": "control",
    "checkpoint": "control",
    "kill": "control",
    "resume": "resume",
    "fork": "fork",
    "clean": "clean",
    "evaluate": "evaluate",
    "metrics": "metrics",
    "judge": "judge",
    "judgements": "judgements",
    "preferences": "preferences",
    "chat": "chat",
    "demo": "demo",
    "doctor": "doctor",
}
# Commands before which runs whose runner was lost get a new one.
_ADOPTING = {
    "train",
    "runs",
    "show",
    "logs",
    "watch",
    "queue",
    "stop",
    "pause",
    "checkpoint",
    "kill",
    "resume",
    "fork",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {visible(message)}\n  `{self.prog} --help` shows how it is used.", file=sys.stderr)
        raise SystemExit(2)


def build_parser(names: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of the commands `names`, or of all."""
    parser = _Parser(
        prog="diapason",
        description="Fine-tune language models from the terminal. Without a command: the app.",
        epilog="Runs live in $DIAPASON_HOME (~/.local/share/diapason). Exit codes: 0 done, 1 failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for module in dict.fromkeys(COMMANDS[name] for name in names or COMMANDS):
        importlib.import_module(f"tui.commands.{module}").register(commands)
    return parser


def run(argv: Sequence[str]) -> int:
    """Run one command line; return its exit code. Errors go to stderr, never a traceback."""
    try:
        return _run(argv)
    except DiapasonError as error:
        print(f"diapason: {visible(str(error), newlines=True)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; give the interpreter nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except Exception as error:
        return _crashed(error)


def _run(argv: Sequence[str]) -> int:
    if not argv:
        return _app()
    name = argv[0] if argv[0] in COMMANDS else None
    options = build_parser([name] if name else None).parse_args(argv)
    if options.version:
        from importlib.metadata import version

        print(f"diapason {version('diapason')}")
        return 0
    if options.command in _ADOPTING:
        from core.worker.recover import adopt_orphans

        adopt_orphans()
    return options.run(options)


def _app() -> int:
    from tui.app import run as run_app

    return run_app()


def _crashed(error: Exception) -> int:
    """Keep the traceback in a file, tell the person where; a traceback is never printed."""
    import time
    import traceback

    from core.home import cache_dir

    report = None
    try:
        report = cache_dir() / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        report.write_text("".join(traceback.format_exception(error)), "utf-8")
    except (OSError, DiapasonError):
        report = None
    what = visible(f"{type(error).__name__}: {error}")
    print(f"diapason: something broke that should not have: {what}", file=sys.stderr)
    print(f"  The details are in {report}." if report else "  The details could not be written.", file=sys.stderr)
    return 1
