"""`diapason watch`: one line a second about a run, for a plain terminal."""

from __future__ import annotations

import argparse
import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.view import RunView


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "watch",
        help="print one line a second about a run",
        description="One line a second until the run ends: step, loss, speed, memory, time left. Ctrl+C only leaves.",
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print until the run ends; 0 where it completed."""
    from core.runs.course_cache import open_run
    from core.runs.folder import find_run
    from tui.follow import ending

    view = open_run(find_run(args.target))[0]
    try:
        while not view.final and view.status != "interrupted":
            began = time.monotonic()
            print(line(view), flush=True)
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
            view.refresh()
    except KeyboardInterrupt:
        return 130
    print("\n".join(ending(view)))
    return 0 if view.status == "completed" else 1


def line(view: RunView) -> str:
    """The run in one line, inert."""
    from core.text import visible
    from tui.follow import progress_text
    from tui.format import count, duration, gigabytes, loss, small

    parts = [time.strftime("%H:%M:%S"), visible(view.name), view.status, progress_text(view)]
    steps = view.steps
    if len(steps):
        parts += [f"loss {loss(steps.loss[-1])}", f"lr {small(steps.learning_rate[-1])}",
                  f"{count(steps.tokens_per_second[-1])} tok/s"]  # fmt: skip
        if math.isfinite(steps.mfu[-1]):
            parts.append(f"MFU {100 * steps.mfu[-1]:.1f} %")
    if view.best:
        parts.append(f"eval {loss(view.best[1])} best")
    for card in (view.gpu or {}).get("gpus") or []:
        parts.append(f"gpu{card.get('index')} {card.get('utilisation')} % {gigabytes(card.get('memory_used'))} GB")
    if view.eta_seconds is not None:
        parts.append(f"ETA {duration(view.eta_seconds)}")
    if view.reason:
        parts.append(visible(view.reason))
    return "  ".join(parts)
