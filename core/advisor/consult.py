"""Look at the file, the model and the machine, and advise: what the command line, the wizard and the demo call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.advisor.approach import Answers
from core.advisor.lengths import Lengths, measure_lengths
from core.advisor.recommend import Advice, advise, task_for
from core.chat import load_chat
from core.data.report import Report, check
from core.errors import DiapasonError
from core.hardware import hardware
from core.models import ModelInfo, find_model
from core.origin import find_origin
from core.recipe import DataRecipe


@dataclass(frozen=True, slots=True)
class Consultation:
    """The advice, and the report of the check it rests on (None where no file is named)."""

    advice: Advice
    report: Report | None


def consult(
    file: Path | str | None,
    *,
    task: str | None = None,
    model: str = "starter",
    method: str | None = None,
    format: str | None = None,
    map: str | None = None,
    answers: Answers | None = None,
    data: DataRecipe | None = None,
    start: str | None = None,
    progress: Callable[[int, int], bool] | None = None,
) -> Consultation:
    """Advise on `file` (or on the task alone) for `model` on this machine.

    Args:
        task: one of core.recipe.TASKS; guessed from the file's format where it is not given.
        map: which fields are which, as core.data.dataset.open_dataset takes it.
        data: the recipe's data section: rows are held out only for the parts that it names no file for.
        start: the run or adapter to begin with, as core.origin.find_origin takes it; `model` is then its own.
        progress: as core.data.report.check takes it.

    Raises:
        DiapasonError: where the model is not found, or the file cannot be read.
        CheckCancelled: where `progress` returned False.
    """
    origin = find_origin(start) if start else None
    found = find_model(origin.model if origin else model)
    report = None
    if file is not None:
        report = check(file, format=format, map=map, task=task, near=None, languages=False, progress=progress)
    lengths, refused = _lengths(report, found)
    parts = data or DataRecipe()
    validation = 0.0 if parts.validation else parts.validation_fraction
    test = 0.0 if parts.test else parts.test_fraction
    advice = advise(
        task or task_for(report.format if report else None),
        report=report,
        model=found,
        hardware=hardware(),
        lengths=lengths,
        answers=answers,
        method=method,
        held_out=validation + test,
        validation=parts.validation_fraction,
        origin=origin,
    )
    if refused:
        advice.warnings.append(refused)
    return Consultation(advice, report)


def _lengths(report: Report | None, model: ModelInfo) -> tuple[Lengths | None, str | None]:
    """Token counts of the rows, or why they could not be counted: advice is given without them too."""
    if report is None or not report.rows_valid:
        return None, None
    try:
        return measure_lengths(report.path, load_chat(model), report.format, report.map), None
    except DiapasonError as error:
        return None, f"the rows could not be measured in this model's tokens: {error.message}"
