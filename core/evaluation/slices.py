"""Scores of an evaluation by slice: is the tuned model better everywhere, or only where most rows are?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.dataset import Dataset, fingerprint
from core.data.stats import slice_of
from core.errors import DiapasonError
from core.evaluation import metrics
from core.evaluation.answers import read_answers
from core.evaluation.catalog import Rows, measure
from core.evaluation.records import references_of
from core.evaluation.result import ANSWERS, read_result
from core.home import expand
from core.runs.folder import RunFolder, list_runs
from core.starter.score import applies

_SCORES = ("style_and_fact", "accuracy", "exact_match")
NONE = "(none)"


@dataclass(slots=True)
class SliceScore:
    """The test rows of one slice: how many, and by metric and arm what was reached."""

    rows: int = 0
    values: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])


@dataclass(frozen=True, slots=True)
class SliceScores:
    """An evaluation by slice. metrics: answer loss (nats a token), then the first that its rows have of
    style_and_fact, accuracy and exact_match."""

    run: str
    by: str
    arms: list[str]
    metrics: list[str]
    slices: dict[str, SliceScore]

    def ranked(self) -> list[tuple[str, SliceScore]]:
        """The slices, largest first."""
        return sorted(self.slices.items(), key=lambda item: (-item[1].rows, item[0]))

    def to_json(self) -> dict[str, Any]:
        """The document of `stats --json` and `evaluate --by --json`."""
        return {
            "run": self.run,
            "by": self.by,
            "slices": [{"value": name, "rows": part.rows, **part.values} for name, part in self.ranked()],
        }


def evaluated_on(path: Path | str) -> RunFolder | None:
    """The newest run whose last evaluation asked the rows of `path` as they are now; None where there is none."""
    wanted = expand(path).resolve()
    for run in list_runs():
        result = read_result(run)
        if result is None or Path(str(result.data.get("path"))).resolve() != wanted:
            continue
        if fingerprint(wanted).get("sha256") == result.data.get("sha256"):
            return run
    return None


def slice_scores(run: RunFolder, dataset: Dataset, by: str) -> SliceScores:
    """What the arms of a run's last evaluation reached on each slice of `dataset`, the rows that they answered.

    Args:
        by: ``label``, ``language``, or a field such as ``meta.topic``.

    Raises:
        DiapasonError: the run has no evaluation, it asked other rows, its answers are damaged, or no row has the
            field.
    """
    result = read_result(run)
    if result is None:
        raise DiapasonError("this run is not evaluated yet", where=run.name, hint=f"diapason evaluate {run.name}")
    if fingerprint(dataset.path).get("sha256") != result.data.get("sha256"):
        raise DiapasonError(
            "the evaluation asked other rows than these",
            where=str(dataset.path),
            hint=f"It asked those of {result.data.get('path')}; where they changed, evaluate again.",
        )
    names = [arm.name for arm in result.arms]
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    values: dict[int, str | None] = {}
    records = read_answers(run.evaluation / ANSWERS, run.name, names, result.rows, len(dataset))
    ours = all(applies(record["reference"]) for record in records)
    score = next((name for name in _SCORES if name in result.metrics and (ours or name != "style_and_fact")), None)
    for record in records:
        number = record["row"]
        if number not in values:
            values[number] = slice_of(dataset.row(number), by)
        name = values[number]
        groups.setdefault(NONE if name is None else name, {}).setdefault(record["arm"], []).append(record)
    if not any(name is not None for name in values.values()):
        raise DiapasonError(
            f"no test row has the field `{by}`",
            where=str(dataset.path),
            hint="label, language, or a field of the rows.",
        )
    found: dict[str, SliceScore] = {}
    for name, arms in groups.items():
        part = found[name] = SliceScore(max(len(records) for records in arms.values()))
        for arm, records in arms.items():
            for metric, value in _measured(records, score):
                part.values.setdefault(metric, {})[arm] = value
    return SliceScores(run.name, by, names, ["loss", *([score] if score else [])], found)


def _measured(records: list[dict[str, Any]], score: str | None) -> list[tuple[str, float]]:
    nll, tokens = [record["nll"] for record in records], [record["answer_tokens"] for record in records]
    found = [("loss", metrics.loss_table(nll, tokens).value)]
    if score is not None:
        rows = Rows([record["answer"] for record in records], [references_of(record) for record in records])
        found.append((score, measure(score).tables(rows)[score].value))
    return found
