"""A new run that begins with the weights of another run's checkpoint, with other settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.errors import DiapasonError, UsageError
from core.recipe import Recipe, change_recipe, dump_recipe, make_recipe
from core.runs import checkpoints
from core.runs.folder import REFERENCE, RunFolder
from core.submit import Start, submit

# What decides which weights there are: a checkpoint fits no other.
_SHAPE = ("model", "method", "lora.r", "lora.targets")
Tell = Callable[[str], None]


def fork(
    run: RunFolder,
    *,
    step: int | None = None,
    name: str = "",
    changes: Sequence[str] = (),
    tell: Tell | None = None,
    warn: Tell | None = None,
) -> RunFolder:
    """Start a run with `run`'s recipe, changed, and the weights of its checkpoint `step` (the newest whole one).

    Optimizer, schedule and step count begin anew; the rows are `run`'s, unless `changes` name others.

    Raises:
        UsageError: a change would need other weights.
        DiapasonError: there is no such checkpoint, or as `core.submit.submit`.
    """
    old = make_recipe(run.spec().get("recipe") or {}, str(run.spec_file))
    recipe = change_recipe(_with_rows(old, run), list(changes))
    # What the run's own start decided stands in its recipe already.
    recipe = recipe.model_copy(update={"name": name or f"{run.name} fork"[:80], "start": None})
    for field in _SHAPE:
        if _get(recipe, field) != _get(old, field):
            raise UsageError(
                f"a fork keeps the weights of its checkpoint, so `{field}` cannot change",
                where="--set", hint="Start a new run with `diapason train` instead.",
            )  # fmt: skip
    checkpoint = _checkpoint(run, step)
    reference = run.path / REFERENCE
    start = Start(
        run.id,
        int(checkpoint.name.rpartition("-")[2]),
        checkpoint,
        reference if reference.is_dir() else None,
    )
    return submit(recipe, text=dump_recipe(recipe), start=start, tell=tell, warn=warn)


def _checkpoint(run: RunFolder, step: int | None) -> Any:
    steps = checkpoints.steps(run.checkpoints)
    for wanted in [step] if step is not None else reversed(steps):
        path = checkpoints.at(run.checkpoints, wanted)
        if checkpoints.problem(path) is None:
            return path
    whole = [str(one) for one in steps if checkpoints.problem(checkpoints.at(run.checkpoints, one)) is None]
    which = f"of step {step}" if step is not None else "to begin with"
    raise DiapasonError(
        f"the run `{run.name}` has no whole checkpoint {which}",
        where=str(run.checkpoints),
        hint=f"There are those of the steps {', '.join(whole)}." if whole else "Train until one is sealed.",
    )


def _with_rows(recipe: Recipe, run: RunFolder) -> Recipe:
    """The recipe with the parts that the run used named as files of their own."""
    parts = run.spec().get("data") or {}
    named = {role: parts[role]["path"] for role in ("train", "validation", "test") if parts.get(role)}
    fractions = {f"{role}_fraction": 0.0 for role in ("validation", "test") if role not in named}
    part = parts.get("train") or {}
    data = recipe.data.model_dump() | named | fractions | {"format": part.get("format"), "map": part.get("map")}
    return make_recipe(recipe.model_dump() | {"data": data})


def _get(recipe: Recipe, path: str) -> Any:
    value: Any = recipe
    for name in path.split("."):
        value = getattr(value, name)
    return value
