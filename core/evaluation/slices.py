"""Scores of an evaluation by slice: is the tuned model better everywhere, or only where most rows are?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.dataset import Dataset, fingerprint, open_dataset
from core.data.stats import LABEL, LANGUAGE, field_value, slice_of
from core.errors import DiapasonError
from core.evaluation.answers import read_answers
from core.evaluation.bootstrap import draws, interval
from core.evaluation.catalog import Rows, measure
from core.evaluation.document import BASE
from core.evaluation.metrics import Table
from core.evaluation.records import Record, bytes_of, nats, references_of, tokens_of
from core.evaluation.result import (
    ANSWERS,
    METRICS,
    SURE,
    Comparison,
    EvaluationResult,
    MetricInfo,
    parse_comparison,
    read_result,
)
from core.evaluation.significance import compare, holm, value_of
from core.home import expand
from core.runs.folder import RunFolder, list_runs
from core.starter.score import applies

NONE = "(none)"
_RESAMPLES = 2000
_MOST_VALUES = 100
_OLDER = ("style_and_fact", "accuracy", "exact_match")


@dataclass(slots=True)
class SliceScore:
    """The test rows of one slice: how many, and by metric and arm what was reached, with its 95 % interval.

    gap: tuned minus base on the slices' own metric, p corrected by Holm over the slices. turned: tuned is worse than
    base here although it is better over all rows.
    """

    rows: int = 0
    values: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    intervals: dict[str, dict[str, tuple[float, float]]] = field(
        default_factory=dict[str, dict[str, tuple[float, float]]]
    )
    gap: Comparison | None = None
    turned: bool = False

    @property
    def surely_turned(self) -> bool:
        """Whether that is significant after the correction for how many slices there are."""
        return self.turned and self.gap is not None and self.gap.p_corrected < SURE

    def to_json(self) -> dict[str, Any]:
        """Values by metric and arm, intervals as ``[low, high]``, the gap and what it means."""
        gap = self.gap
        told = {"difference": gap.difference, "low": gap.low, "high": gap.high, "p": gap.p,
                "p_corrected": gap.p_corrected, "method": gap.method} if gap else None  # fmt: skip
        return {"rows": self.rows, **self.values, "intervals": self.intervals, "tuned_minus_base": told,
                "turned": self.turned}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SliceScores:
    """An evaluation by slice. metrics: answer loss (nats a token) where every arm has one, and the primary metric,
    on which tuned and base are compared; infos: how these are called and read."""

    run: str
    by: str
    arms: list[str]
    metrics: list[str]
    slices: dict[str, SliceScore]
    infos: dict[str, MetricInfo]

    @property
    def compared(self) -> str:
        """The metric on which tuned and base are compared."""
        return self.metrics[-1]

    def ranked(self) -> list[tuple[str, SliceScore]]:
        """The slices, largest first."""
        return sorted(self.slices.items(), key=lambda item: (-item[1].rows, item[0]))

    def to_json(self) -> dict[str, Any]:
        """The document of `stats --json` and `evaluate --by --json`."""
        return {
            "run": self.run,
            "by": self.by,
            "compared": self.compared,
            "slices": [{"value": name, **part.to_json()} for name, part in self.ranked()],
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


def test_rows(run: RunFolder, result: EvaluationResult) -> Dataset:
    """The file of rows that the run's evaluation asked.

    Raises:
        DiapasonError: it is gone or cannot be read.
    """
    about = result.data
    path = Path(str(about.get("path")))
    if not path.exists():
        raise DiapasonError(
            "the test rows are no longer there", where=str(path), hint=f"Evaluate again: diapason evaluate {run.name}"
        )
    return open_dataset(path, about.get("format"), about.get("map"))


def slice_fields(dataset: Dataset, rows: Iterable[int]) -> list[str]:
    """By what the rows can be sliced: label and language where they have two or more, and every field of few values.

    Args:
        rows: numbers of the rows to look at.
    """
    seen: dict[str, set[str]] = {}
    count = 0
    for number in rows:
        count += 1
        row = dataset.row(number)
        names = {LABEL, LANGUAGE} | (set(_fields(row.value)) if isinstance(row.value, dict) else set())
        for name in names:
            value = slice_of(row, name)
            if value is not None:
                seen.setdefault(name, set()).add(value)
    most = min(_MOST_VALUES, max(2, count // 3))
    found = [name for name, values in seen.items() if 2 <= len(values) <= most]
    first = [name for name in (LABEL, LANGUAGE) if name in found]
    return first + sorted(name for name in found if name not in first)


def _fields(value: dict[str, Any], before: str = "") -> Iterable[str]:
    for name, item in value.items():
        if isinstance(item, dict) and not before:
            yield from _fields(item, f"{name}.")
        elif isinstance(item, str | int | bool) and field_value(value, name) is not None:
            yield f"{before}{name}"


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
    records = read_answers(run.evaluation / ANSWERS, run.name, names, result.rows, len(dataset))
    by_arm = {name: {record["row"]: record for record in records if record["arm"] == name} for name in names}
    numbers = sorted(by_arm[names[0]])
    groups: dict[str, list[int]] = {}
    for place, number in enumerate(numbers):
        value = slice_of(dataset.row(number), by)
        groups.setdefault(NONE if value is None else value, []).append(place)
    if groups.keys() <= {NONE}:
        raise DiapasonError(
            f"no test row has the field `{by}`",
            where=str(dataset.path),
            hint="label, language, or a field of the rows.",
        )
    tables = {
        (arm, metric): table
        for arm in names
        for metric, table in _tables([by_arm[arm][number] for number in numbers], _wanted(result, records)).items()
    }
    metrics = list(dict.fromkeys(metric for _, metric in tables))
    found = {name: _slice(tables, places) for name, places in groups.items()}
    _compare(found, tables, groups, result, metrics[-1] if metrics else "")
    infos = {name: result.infos.get(name) or METRICS[name] for name in metrics}
    return SliceScores(run.name, by, names, metrics, found, infos)


def _wanted(result: EvaluationResult, records: list[Record]) -> list[str]:
    """Loss where every arm has one, then the primary metric; of older results the first score that is by row."""
    losses = ["loss"] if all(nats(record) is not None for record in records) else []
    if "primary_metric" in result.document:
        score = [result.primary] if result.primary != "loss" else []
    else:
        ours = all(applies(record["reference"]) for record in records)
        usable = [name for name in _OLDER if name in result.metrics and (ours or name != "style_and_fact")]
        score = usable[:1]
    return losses + score


def _tables(records: list[Record], wanted: list[str]) -> dict[str, Table]:
    rows = Rows(
        [record["answer"] for record in records],
        [references_of(record) for record in records],
        [nats(record) or 0.0 for record in records],
        [tokens_of(record) for record in records],
        [bytes_of(record) for record in records],
    )
    found: dict[str, Table] = {}
    for name in wanted:
        path, _, _ = name.partition("#")
        found[name] = measure(path if path.endswith(".py") else name).tables(rows)[name]
    return found


def _part(tables: dict[tuple[str, str], Table], places: list[int]) -> dict[tuple[str, str], Table]:
    return {
        key: Table(table.rows[places], table.combine, table.binary, table.resamples) for key, table in tables.items()
    }


def _slice(tables: dict[tuple[str, str], Table], places: list[int]) -> SliceScore:
    part, found = _part(tables, places), SliceScore(len(places))
    drawn = draws(part, resamples=_RESAMPLES) if len(places) > 1 else {}
    for (arm, metric), table in part.items():
        found.values.setdefault(metric, {})[arm] = table.value
        if drawn:
            value = value_of(table, interval(drawn[arm, metric]))
            found.intervals.setdefault(metric, {})[arm] = (value["low"], value["high"])
    return found


def _compare(
    found: dict[str, SliceScore],
    tables: dict[tuple[str, str], Table],
    groups: dict[str, list[int]],
    result: EvaluationResult,
    metric: str,
) -> None:
    """Tuned against base in every slice, and where that is the other way round than over all rows."""
    tuned = result.tuned
    base = next((arm for arm in result.arms if arm.kind == BASE), None)
    if tuned is None or base is None or (tuned.name, metric) not in tables or (base.name, metric) not in tables:
        return
    info = result.infos.get(metric) or METRICS[metric]
    sign = 1 if info.higher_is_better else -1
    whole = tables[tuned.name, metric].value - tables[base.name, metric].value
    pair = {(arm.name, metric): tables[arm.name, metric] for arm in (tuned, base)}
    gaps: dict[str, dict[str, Any]] = {}
    for name, places in groups.items():
        if len(places) > 1:
            part = _part(pair, places)
            drawn = draws(part, resamples=_RESAMPLES)
            gaps[name] = compare(part, drawn, [(tuned.name, base.name)], primary=metric)[0]
        difference = found[name].values[metric][tuned.name] - found[name].values[metric][base.name]
        found[name].turned = difference * sign < 0 < whole * sign
    for (name, gap), p in zip(gaps.items(), holm([gap["p"] for gap in gaps.values()]), strict=True):
        found[name].gap = parse_comparison(gap | {"p_corrected": p})


def slices_of_run(run: RunFolder, by: str | None = None) -> tuple[list[str], SliceScores | None]:
    """The fields by which a run's evaluation can be sliced, and its slices by one of them, the first without `by`.

    Raises:
        DiapasonError: as `slice_scores` does, and where the test rows are gone.
    """
    result = read_result(run)
    if result is None:
        raise DiapasonError("this run is not evaluated yet", where=run.name, hint=f"diapason evaluate {run.name}")
    dataset = test_rows(run, result)
    records = read_answers(run.evaluation / ANSWERS, run.name, [result.arms[0].name], result.rows, len(dataset))
    fields = slice_fields(dataset, sorted({record["row"] for record in records}))
    chosen = by or next(iter(fields), None)
    return fields, slice_scores(run, dataset, chosen) if chosen else None
