"""Ask for an evaluation: find the result that is there already, the job that is making it, or start one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.dataset import fingerprint, open_dataset
from core.errors import DiapasonError, UsageError
from core.evaluation.arms import Arm, full_name, parse_arms
from core.evaluation.catalog import check_metrics
from core.evaluation.resolve import arm_run, identity, probe, resolve, tuned_weights
from core.evaluation.result import EvaluationResult, read_result, weights_fingerprint
from core.home import expand
from core.models import read_model
from core.recipe import Recipe, make_recipe
from core.runs.folder import RunFolder
from core.runs.status import status_of
from core.submit import evaluation_spec, submit_job

__all__ = ["Endpoint", "Wish", "asked", "existing", "specify", "start", "tuned_weights", "under_way"]

_SETTINGS = ("max_rows", "max_new_tokens", "seed")
# With how much they were asked since `asked` is kept: earlier results had no choice.
_CHOICES = {"temperature": 0.0, "top_p": 1.0, "metrics": None, "primary": None, "general": None}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How endpoints are asked. prices: of a million tokens, (prompt, answer). budget: tokens at most, both ways.
    per_minute: requests at most, 0: as fast as they come. timeout: seconds for an answer."""

    prices: tuple[float, float] | None = None
    budget: int | None = None
    per_minute: float = 0.0
    concurrency: int = 4
    timeout: float = 120.0

    def to_json(self) -> dict[str, Any]:
        """The settings as a job's spec keeps them."""
        return {
            "prices": list(self.prices) if self.prices else None, "budget": self.budget,
            "per_minute": self.per_minute, "concurrency": self.concurrency, "timeout": self.timeout,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks of an evaluation; None leaves it to the recipe.

    arms: in the syntax of `core.evaluation.arms`. settings: of the recipe's evaluation section, by name.
    """

    data: Path | None = None
    arms: Sequence[str] | None = None
    metrics: Sequence[str] | None = None
    primary: str | None = None
    general: bool | None = None
    endpoint_model: str = ""
    endpoint: Endpoint = field(default_factory=Endpoint)
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def open(self) -> bool:
        """Whether it names rows at most: any result on them will do."""
        return self == Wish(data=self.data)


def specify(run: RunFolder, wish: Wish | None = None) -> dict[str, Any]:
    """The spec of the evaluation of `run` that `wish` asks for: by default that of its recipe, on its test rows.

    Raises:
        DiapasonError: there are no test rows, a file cannot be read, or there is no such metric or no such thing as
            an arm names.
    """
    wish = wish or Wish()
    parts = run.spec()["data"]
    recipe = make_recipe(run.spec()["recipe"], str(run.spec_file))
    test = parts.get("test")
    if wish.data is not None:
        path = expand(wish.data).absolute()
        test = {"path": str(path), **_read(path, recipe)}
    if not test:
        raise DiapasonError(
            f"{run.name} has no test rows",
            hint="Name a file of rows that were not trained on: diapason evaluate RUN --data FILE.",
        )
    changed = {"metrics": _files(wish.metrics), "primary": wish.primary, "general": wish.general, **wish.settings}
    values = recipe.evaluation.model_dump() | {name: value for name, value in changed.items() if value is not None}
    recipe = make_recipe(recipe.model_dump() | {"evaluation": values}, "the options")
    check_metrics(recipe.evaluation.metrics, recipe.evaluation.primary)
    spec = evaluation_spec(recipe, {**parts, "test": test})
    arms = parse_arms(spec["arms"] if wish.arms is None else wish.arms, endpoint_model=wish.endpoint_model)
    arms = resolve(arms, run, test.get("format"))
    found = {**spec, "arms": [full_name(arm) for arm in arms], "gpu_request": _gpu_request(run, arms)}
    return found | ({"endpoint": wish.endpoint.to_json()} if not all(arm.local for arm in arms) else {})


def _read(path: Path, recipe: Recipe) -> dict[str, Any]:
    """The format and the map to read `path` with: the recipe's map, where the file's own names say nothing."""
    plain = open_dataset(path).format
    if plain or not recipe.data.map:
        return {"format": plain, "map": None}
    return {"format": recipe.data.format or open_dataset(path, map=recipe.data.map).format, "map": recipe.data.map}


def _files(metrics: Sequence[str] | None) -> list[str] | None:
    """The metrics with the files that some of them name made absolute: the job works in a folder of its own."""
    if metrics is None:
        return None
    found: list[str] = []
    for metric in metrics:
        head, colon, name = metric.rpartition(":")
        path = expand(name).absolute()
        found.append(f"{head}{colon}{path}" if path.is_file() else metric)
    return found


def _gpu_request(run: RunFolder, arms: Sequence[Arm]) -> dict[str, Any]:
    """What the job needs of this machine: what the run asked for, or what another run's larger model takes."""
    own = run.spec().get("gpu_request") or {}
    if not any(arm.local for arm in arms):
        return {**own, "device": "cpu", "gpus": 1, "bytes": 0}
    size = own.get("alone", own.get("bytes")) or 0
    if size:
        for arm in arms:
            if arm.run:
                size = max(size, read_model(Path(arm_run(arm, run).spec()["model"]["path"])).bytes_on_disk)
    return {**own, "gpus": 1, "bytes": size}


def asked(run: RunFolder, spec: dict[str, Any]) -> dict[str, Any]:
    """All that decides what an evaluation finds: two with equal values find the same.

    Raises:
        DiapasonError: a file, run, checkpoint or folder that it needs is gone.
    """
    arms = parse_arms(spec["arms"])
    test = spec["data"]["test"]
    found: dict[str, Any] = {
        "arms": {full_name(arm): identity(arm, run) for arm in arms},
        "weights": weights_fingerprint(tuned_weights(run)),
        "data": {"sha256": fingerprint(Path(test["path"]))["sha256"], "format": test.get("format")},
        **{name: spec.get(name) for name in _SETTINGS},
        **{name: spec.get(name, usual) for name, usual in _CHOICES.items()},
        "metric_files": {name: _digest(name) for name in spec.get("metrics") or ()},
    }
    if any(arm.folder for arm in arms):
        found["rag"] = spec.get("rag")
    prices = (spec.get("endpoint") or {}).get("prices")
    return found | ({"prices": list(prices)} if prices and not all(arm.local for arm in arms) else {})


def _digest(metric: str) -> str | None:
    """The SHA-256 of the file that a metric names, None where it names none."""
    path = Path(metric.rpartition(":")[2])
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_absolute() and path.is_file() else None
    except OSError:
        return None


def existing(run: RunFolder, spec: dict[str, Any], *, whatever: bool = False) -> EvaluationResult | None:
    """The run's result, where it is of these weights, rows, arms and settings and no arm of it failed.

    Args:
        whatever: of any arms and settings, where weights and rows are these.
    """
    result = read_result(run)
    if result is None or result.document.get("failed"):
        return None
    kept = result.document.get("asked")
    if not isinstance(kept, dict):
        return result if _same_as_before(run, spec, result) else None
    if whatever:
        spec = {**spec, **{name: kept[name] for name in (*_SETTINGS, *_CHOICES, "rag") if name in kept}}
        spec["arms"] = list(kept.get("arms") or spec["arms"])
    try:
        wanted = asked(run, spec)
        if "prices" in kept:
            # Who names no price takes the costs as they are.
            wanted.setdefault("prices", kept["prices"])
        return result if kept == wanted else None
    except (DiapasonError, UsageError):
        return None


def _same_as_before(run: RunFolder, spec: dict[str, Any], result: EvaluationResult) -> bool:
    """Whether a result that does not keep what it was asked is what `spec` asks for."""
    return (
        [arm.name for arm in result.arms] == spec["arms"]
        and all(result.document.get(name) == spec[name] for name in _SETTINGS)
        and all(spec.get(name, usual) == usual for name, usual in _CHOICES.items())
        and result.data.get("format") == spec["data"]["test"]["format"]
        and result.data.get("sha256") == fingerprint(Path(spec["data"]["test"]["path"]))["sha256"]
        and result.weights == weights_fingerprint(tuned_weights(run))
    )


def under_way(run: RunFolder, spec: dict[str, Any]) -> RunFolder | None:
    """The newest job of `run` that is making this very evaluation now."""
    for job in reversed(run.jobs()):
        theirs = job.spec()
        if job.kind != "evaluate" or status_of(job) not in ("queued", "running", "unsupervised"):
            continue
        if all(theirs.get(name) == spec.get(name) for name in ("arms", "data", *_SETTINGS, *_CHOICES, "rag")):
            return job
    return None


def start(run: RunFolder, spec: dict[str, Any], *, again: bool = False) -> RunFolder:
    """Start the evaluation, detached; answers that earlier jobs of the run gave to the very same are used again.

    Args:
        again: use no earlier answers.

    Raises:
        DiapasonError: where the run has no tuned model yet, an endpoint refuses, or the job cannot be started.
    """
    tuned_weights(run)
    for arm in parse_arms(spec["arms"]):
        if not arm.local:
            probe(arm)
    fields = {name: value for name, value in spec.items() if name != "kind"}
    return submit_job(spec["kind"], run, **fields, **({"again": True} if again else {}))
