"""Ask for an evaluation: find the result that is there already, the job that is making it, or start one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.data.dataset import fingerprint, open_dataset
from core.errors import DiapasonError
from core.evaluation.result import EvaluationResult, read_result, weights_fingerprint
from core.home import expand
from core.recipe import Recipe, make_recipe
from core.runs.folder import FINAL, RunFolder
from core.runs.status import status_of
from core.submit import evaluation_spec, submit_job

_SETTINGS = ("max_rows", "max_new_tokens", "seed")


def tuned_weights(run: RunFolder) -> Path:
    """The run's adapter/ or model/.

    Raises:
        DiapasonError: where there is neither yet.
    """
    for folder in (run.adapter, run.model):
        if folder.is_dir():
            return folder
    status = status_of(run)
    raise DiapasonError(
        f"{run.name} has no tuned model yet: it is {status}",
        hint=f"`diapason show {run.id}` says why; `diapason resume {run.id}` goes on with it."
        if status in FINAL
        else f"It has one once it is done: `diapason logs {run.id} -f` follows it.",
    )


def specify(run: RunFolder, data: Path | None = None) -> dict[str, Any]:
    """The spec of the evaluation of `run` on its test rows, or on the file `data`.

    Raises:
        DiapasonError: where there are no test rows, or the file cannot be read.
    """
    parts = run.spec()["data"]
    recipe = make_recipe(run.spec()["recipe"], str(run.spec_file))
    test = parts.get("test")
    if data is not None:
        path = expand(data).absolute()
        test = {"path": str(path), **_read(path, recipe)}
    if not test:
        raise DiapasonError(
            f"{run.name} has no test rows",
            hint="Name a file of rows that were not trained on: diapason evaluate RUN --data FILE.",
        )
    return evaluation_spec(recipe, {**parts, "test": test})


def _read(path: Path, recipe: Recipe) -> dict[str, Any]:
    """The format and the map to read `path` with: the recipe's map, where the file's own names say nothing."""
    plain = open_dataset(path).format
    if plain or not recipe.data.map:
        return {"format": plain, "map": None}
    return {"format": recipe.data.format or open_dataset(path, map=recipe.data.map).format, "map": recipe.data.map}


def existing(run: RunFolder, spec: dict[str, Any]) -> EvaluationResult | None:
    """The run's result, where it is of these weights, rows and settings."""
    result = read_result(run)
    if result is None:
        return None
    same = (
        [arm.name for arm in result.arms] == spec["arms"]
        and all(result.document.get(name) == spec[name] for name in _SETTINGS)
        and result.data.get("format") == spec["data"]["test"]["format"]
        and result.data.get("sha256") == fingerprint(Path(spec["data"]["test"]["path"]))["sha256"]
        and result.weights == weights_fingerprint(tuned_weights(run))
    )
    return result if same else None


def under_way(run: RunFolder, spec: dict[str, Any]) -> RunFolder | None:
    """The newest job of `run` that is making this very evaluation now."""
    for job in reversed(run.jobs()):
        theirs = job.spec()
        if job.kind != "evaluate" or status_of(job) not in ("queued", "running", "unsupervised"):
            continue
        if all(theirs.get(name) == spec[name] for name in ("arms", "data", *_SETTINGS)):
            return job
    return None


def start(run: RunFolder, spec: dict[str, Any]) -> RunFolder:
    """Start the evaluation, detached.

    Raises:
        DiapasonError: where the run has no tuned model yet, or the job cannot be started.
    """
    tuned_weights(run)
    fields = {name: value for name, value in spec.items() if name != "kind"}
    return submit_job(spec["kind"], run, **fields)
