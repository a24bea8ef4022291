"""The demo: the main job from end to end, on the bundled model and data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import DiapasonError
from core.home import home
from core.runs.folder import RunFolder, list_runs
from core.runs.view import RunView

NAME = "demo"
TASK = "style"
SAMPLE = "support_en.jsonl"
_PARTS = ("train", "validation", "test")
_ENDED_SHORT = {"failed", "stopped"}


@dataclass(frozen=True, slots=True)
class Step:
    """A preparation that is done: its title, and in one line what came of it."""

    title: str
    outcome: str


def folder(seed: int = 0) -> Path:
    """Where the demo keeps its parts and its recipe."""
    return home() / (NAME if seed == 0 else f"{NAME}-{seed}")


def recipe_path(seed: int = 0) -> Path:
    """The recipe that the demo writes and trains by."""
    return folder(seed) / "run.yaml"


def prepare(seed: int = 0) -> Iterator[Step]:
    """Check the sample data, split them, recommend and write the recipe; yields each step once it is done.

    Args:
        seed: of the split and of the training.

    Raises:
        DiapasonError: where the home cannot be written.
    """
    from core.advisor.write import new_recipe, save_recipe
    from core.data.report import check
    from core.data.split import split
    from core.starter import sample

    source, place = sample(SAMPLE), folder(seed)
    report = check(source, task=TASK)
    errors = sum(finding.severity == "error" for finding in report.findings)
    yield Step(
        "check",
        f"{SAMPLE}: {report.format}, {report.rows_valid} of {report.rows_total} rows usable; "
        f"{errors} errors, {len(report.findings) - errors} other findings",
    )
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DiapasonError(f"cannot make the folder: {error.strerror}", where=str(place)) from error
    parts = split(source, place, validation=0.1, test=0.2, seed=seed, force=True)
    yield Step("split", ", ".join(f"{parts.counts[part]} rows {part}" for part in _PARTS))
    out = recipe_path(seed)
    written = new_recipe(parts.train, out, validation=parts.validation, test=parts.test, task=TASK, name=NAME)
    text = written.text if seed == 0 else _with_seed(written.text, seed)
    save_recipe(out, text)
    plan = written.advice.plan
    yield Step("recipe", f"{out}: {plan.method}, {plan.reason}")


def _with_seed(text: str, seed: int) -> str:
    import re

    return re.sub(r"(?m)^(  (?:seed|split_seed):) 0\b", rf"\1 {seed}", text)


def train(seed: int = 0) -> RunFolder:
    """The run of the prepared recipe: the newest one that need not be made again, else a new one."""
    from core.recipe import load_recipe
    from core.submit import submit

    recipe = load_recipe(recipe_path(seed))
    for run in list_runs():
        if run.name == NAME and run.spec().get("recipe") == recipe.model_dump() and _of_these_data(run):
            status = RunView(run).status
            if status not in _ENDED_SHORT:
                return _going(run, status)
    return submit(recipe, source=recipe_path(seed))


def _of_these_data(run: RunFolder) -> bool:
    from core.data.dataset import fingerprint

    parts = run.spec().get("data") or {}
    return all(
        part and Path(part["path"]).is_file() and fingerprint(part["path"])["sha256"] == part["sha256"]
        for part in (parts.get(name) for name in _PARTS)
    )


def _going(run: RunFolder, status: str) -> RunFolder:
    """See to it that `run`, and the evaluation that follows it, are under way or done."""
    from core.evaluation.result import read_result
    from core.submit import submit_job
    from core.worker.recover import resume

    if status == "interrupted":
        resume(run)
    elif status == "completed" and read_result(run) is None:
        views = RunView(run).jobs()
        if not any(view.kind == "evaluate" and not view.final for view in views):
            submit_job("evaluate", run)
    return run


def ready(run: RunFolder) -> bool:
    """Whether `run` is evaluated, and base and tuned answers lie ready to be judged."""
    from core.evaluation.result import read_result
    from core.judging.session import find_answers

    return read_result(run) is not None and find_answers(run.path) is not None
