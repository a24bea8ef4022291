"""`diapason show`: one run, its settings, its course and what became of it."""

from __future__ import annotations

import argparse
import json
import math
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runs.view import RunView

# So many of the job's own warnings are printed, the last ones.
_WARNINGS = 10


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "show", help="show one run", description="One run: status, settings, course, jobs."
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout (docs/json.md)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the run. Raises DiapasonError where there is none of that name."""
    from core.runs.folder import find_run

    run = find_run(args.target)
    if args.json:
        from core.rounds import rounds
        from core.runs.document import details
        from core.runs.view import RunView

        print(json.dumps({**details(RunView(run)), "rounds": [one.to_json() for one in rounds(run)]}, indent=2))
    else:
        from core.runs.course_cache import open_run

        print("\n".join(_lines(open_run(run)[0])))
    return 0


def _lines(view: RunView) -> list[str]:
    from core.preferring import preference_line
    from core.rounds import began_with, chain
    from core.text import visible
    from tui.follow import mirror_line, progress_text
    from tui.format import duration, loss, size
    from tui.warning_text import warning_lines

    spec = view.folder.spec()
    recipe, data = spec.get("recipe") or {}, spec.get("data") or {}
    train = recipe.get("train") or {}
    rows = [f"{role} {(data.get(role) or {}).get('rows', 'none')}" for role in ("train", "validation", "test")]
    lines = [
        f"{visible(view.name)}   {view.status}",
        *([f"  {visible(view.reason)}"] if view.reason else []),
        *([f"  {visible(view.hint)}"] if view.hint else []),
        "",
        f"id          {view.id}",
        f"folder      {visible(str(view.folder.path))}",
        f"model       {visible(str((spec.get('model') or {}).get('name', '')))}, {recipe.get('method', '')}",
        f"data        {visible(str((data.get('origin') or data.get('train') or {}).get('path', '')))}",
        f"rows        {', '.join(rows)}",
        f"batch       {train.get('micro_batch_size', '?')} x {train.get('accumulation', '?')}{_together(recipe)}",
        f"progress    {progress_text(view)} steps in {duration(view.elapsed_seconds)}"
        + ("" if view.final else f", ETA {duration(view.eta_seconds)}"),
    ]
    if view.preflight:
        lines.append(
            f"memory      {size(view.preflight.get('peak_memory_bytes'))} at most, measured before the first step"
        )
    if len(view.steps):
        lines.append(f"loss        {loss(view.steps.loss[-1])} at step {view.steps.step[-1]}")
    if view.best:
        lines.append(f"best        {loss(view.best[1])} on validation, at step {view.best[0]}")
    if shares := view.steps.shares():
        lines.append(f"step time   {', '.join(f'{name} {100 * share:.0f} %' for name, share in shares.items())}")
    if math.isfinite(mfu := view.steps.mean_mfu()):
        lines.append(f"mean MFU    {100 * mfu:.1f} %")
    if margin := preference_line(view.evals):
        lines.append(f"margin      {margin}")
    for number, line in enumerate(chain(view.folder) if began_with(view.folder) else ()):
        lines.append(f"{'' if number else 'rounds':<12}{visible(line)}")
    if view.restarts:
        lines.append(f"restarts    from step {', '.join(map(str, view.restarts))}")
    if mirror := mirror_line(view):
        lines.append(f"mirror      {visible(mirror)}")
    lines += [f"reports to  {line}" for line in _trackers(view, spec)]
    lines += [f"warning     {visible(line)}" for line in spec.get("warnings") or ()]
    lines += [f"watchers    {line}" for warning in view.warnings for line in warning_lines(warning, view.id)]
    warned = [str(event.get("message")) for event in view.log if event.get("level") == "warning"]
    lines += [f"log         {visible(message)}" for message in warned[-_WARNINGS:]]
    for job in view.jobs():
        said = f": {visible(job.reason)}" if job.reason else ""
        going = "" if job.status == "completed" else f" {progress_text(job)}"
        lines.append(f"job         {job.kind} {job.status}{going}{said}")
    return lines


def _trackers(view: RunView, spec: dict[str, Any]) -> list[str]:
    """Where the run reports to, with the line that shows it."""
    from core.reporting import PROJECT
    from core.text import visible

    shown = {
        "tensorboard": f"TensorBoard: tensorboard --logdir {shlex.quote(str(view.folder.path / 'tensorboard'))}",
        "wandb": f"Weights & Biases, run {view.id[:64]} (files and what was written offline: "
        f"{shlex.quote(str(view.folder.path / 'wandb'))})",
        "trackio": f"trackio: trackio show --project {PROJECT}",
    }
    return [visible(shown[name]) for name in spec.get("report_to") or [] if name in shown]


def _together(recipe: dict[str, Any]) -> str:
    """What several processes make of the batch, and how they work together."""
    gpus = recipe.get("gpus") or 1
    if gpus == 1:
        return ""
    on = "processes" if recipe.get("device") == "cpu" else "GPUs"
    return f" x {gpus} {on} ({(recipe.get('train') or {}).get('parallel')})"
