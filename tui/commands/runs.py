"""`diapason runs`: every run with its status and how far it is."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.folder import RunFolder
    from core.runs.view import RunView

STATUSES = ("queued", "running", "paused", "completed", "stopped", "failed", "interrupted", "unsupervised")


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("runs", help="list the runs", description="Every run of this home, newest first.")
    parser.add_argument("--status", choices=STATUSES, metavar="S", help="only those: " + ", ".join(STATUSES))
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout (docs/json.md)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the runs, newest first."""
    from core.runs.course_cache import open_run
    from core.runs.folder import list_runs

    folders = list_runs()
    views = [view for view in (open_run(folder)[0] for folder in folders) if args.status in (None, view.status)]
    if args.json:
        from core.runs.document import summary

        print(json.dumps({"schema": 1, "runs": [summary(view) for view in views]}, indent=2))
        return 0
    if not views:
        none = (
            f"No run is {args.status}." if folders else "There are no runs yet. `diapason train run.yaml` starts one."
        )
        print(none)
        return 0
    rows = [_row(view, folders) for view in views]
    heads = ("id", "name", "status", "step", "loss", "best", "ETA", "GPU-h", "kWh", "begun")
    _table([heads, *rows])
    return 0


def _row(view: RunView, folders: list[RunFolder]) -> tuple[str, ...]:
    from core.runs.folder import short_id
    from core.runs.usage import usage
    from core.text import shorten
    from tui.follow import progress_text
    from tui.format import DASH, ago, duration, loss

    last = view.steps.loss[-1] if len(view.steps) else None
    begun = view.state.get("started") or view.state.get("submitted")
    energy = usage(view.folder).kilowatt_hours
    return (
        short_id(view.folder, folders),
        shorten(view.name, 32),
        view.status + _jobs(view),
        progress_text(view),
        loss(last),
        loss(view.best[1]) if view.best else DASH,
        duration(view.eta_seconds) if not view.final else DASH,
        DASH if view.gpu_hours is None else f"{view.gpu_hours:.2f}",
        DASH if energy is None else f"{energy:.3f}",
        ago(begun),
    )


def _jobs(view: RunView) -> str:
    active = [job.kind for job in view.jobs() if not job.final]
    return f" ({', '.join(active)})" if active else ""


def _table(rows: list[tuple[str, ...]]) -> None:
    from core.text import cells

    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text + " " * (width - cells(text)) for text, width in zip(row, widths)).rstrip())
