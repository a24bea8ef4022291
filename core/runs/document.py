"""A run as one JSON document: what ``runs --json`` and ``show --json`` print (docs/json.md)."""

from __future__ import annotations

from typing import Any

from core.files import finite, read_json
from core.runs.series import PARTS
from core.runs.usage import usage
from core.runs.view import RunView


def summary(view: RunView) -> dict[str, Any]:
    """The run in short."""
    best = view.best
    return finite(
        {
            "id": view.id,
            "name": view.name,
            "kind": view.kind,
            "status": view.status,
            "reason": view.reason,
            "hint": view.hint,
            "step": view.step,
            "total_steps": view.total_steps,
            "epoch": view.epoch,
            "loss": view.steps.loss[-1] if len(view.steps) else None,
            "best": {"step": best[0], "loss": best[1]} if best else None,
            "attempt": view.attempt,
            "elapsed_seconds": view.elapsed_seconds,
            "eta_seconds": view.eta_seconds,
            "gpu_hours": view.gpu_hours,
            "energy_kwh": usage(view.folder).kilowatt_hours,
            "submitted": view.state.get("submitted"),
            "started": view.state.get("started"),
            "ended": view.state.get("ended"),
            "mirror": view.mirror,
            "path": str(view.folder.path),
        }
    )


def details(view: RunView) -> dict[str, Any]:
    """The run with its recipe, data, course and jobs. Raises DiapasonError where the folder is no run's."""
    spec = view.folder.spec()
    course = ("step", "loss", "learning_rate", "grad_norm", "tokens_per_second", "mfu", "seconds")
    columns = [getattr(view.steps, name) for name in course]
    parts = [getattr(view.steps, name) for name in PARTS]
    steps = [
        {**dict(zip(course, row)), "split": dict(zip(PARTS, split)) if split[0] == split[0] else None}
        for row, split in zip(zip(*columns), zip(*parts))
    ]
    return finite(
        {
            "schema": 1,
            **summary(view),
            "recipe": spec.get("recipe"),
            "model": spec.get("model"),
            "data": spec.get("data"),
            "warnings": spec.get("warnings") or [],
            "versions": spec.get("versions"),
            "preflight": _values(view.preflight),
            "restarts": view.restarts,
            "watchers": [warning.to_json() for warning in view.warnings],
            "mfu": view.steps.mean_mfu(),
            "split": view.steps.shares() or None,
            "report_to": spec.get("report_to") or [],
            "log": [_values(event) for event in view.log],
            "steps": steps,
            "evals": [_values(event) for event in view.evals],
            "checkpoints": [_values(event) for event in view.checkpoints],
            "evaluation": read_json(view.folder.evaluation / "result.json"),
            "jobs": [{**summary(job), "progress": _values(job.progress)} for job in view.jobs()],
        }
    )


def _values(event: dict[str, Any] | None) -> dict[str, Any] | None:
    """An event without its name and clocks."""
    return {key: value for key, value in event.items() if key not in ("event", "t", "m")} if event else None
