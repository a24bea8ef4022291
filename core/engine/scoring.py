"""From the answers of all arms to the result document: scores, intervals, differences."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.evaluation import metrics
from core.evaluation.bootstrap import RESAMPLES, difference, draws, interval
from core.evaluation.metrics import Table

if TYPE_CHECKING:
    from core.engine.evaluate import Asked

_MODULES = Path(metrics.__file__).parent / "modules"


def summarise(
    experiment: str, rows: dict[str, list[dict[str, Any]]], asked: dict[str, list[Asked]], facts: dict[str, Any]
) -> dict[str, Any]:
    """The result document: each arm's metrics with intervals, and tuned minus each base arm.

    Args:
        experiment: keeps the modules' scratch files apart from those of other jobs.
        rows: each arm's records, in the same order of test rows.
        asked: what was asked, for the kind of the rows.
        facts: entries that the document begins with, ``task`` and ``seed`` among them.
    """
    kinds = {item.example.kind for items in asked.values() for item in items}
    tables: dict[tuple[str, str], Table] = {}
    values: dict[tuple[str, str], float] = {}
    for arm, records in rows.items():
        for name, table in _tables(records, kinds, facts["task"]).items():
            tables[arm, name] = table
            values[arm, name] = table.value
        scores = _module_values(experiment, records, kinds, facts["task"])
        values |= {(arm, name): value for name, value in scores.items()}
    drawn = draws(tables, seed=facts["seed"])
    return {
        "schema": 1,
        **facts,
        "rows": len(next(iter(rows.values()))),
        "arms": [_arm(name, records, tables, values, drawn) for name, records in rows.items()],
        "comparisons": _comparisons(rows, tables, values, drawn),
        "resamples": RESAMPLES,
        "versions": {name: importlib.metadata.version(name) for name in ("transformers", "sacrebleu", "rouge-score")},
    }


def _texts(records: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    return [record["answer"] for record in records], [record["reference"] for record in records]


def _modules(references: Sequence[str], kinds: set[str], task: str) -> list[str]:
    """The metric modules that make sense for these rows."""
    if kinds == {"text"}:
        return []
    names = ["exact_match", "bleu", "chrf", "rouge"]
    if task == "classification" or kinds == {"classification"}:
        names += ["accuracy", "macro_f1"]
    from core.starter.score import applies

    if all(applies(reference) for reference in references):
        names.append("style_and_fact")
    return names


def _module_values(experiment: str, records: list[dict[str, Any]], kinds: set[str], task: str) -> dict[str, float]:
    """The scores of evaluate's modules, loaded by path: no hub is asked."""
    predictions, references = _texts(records)
    names = _modules(references, kinds, task)
    if not names:
        return {}
    import evaluate

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            path = str(_MODULES / f"{name}.py")
            module = evaluate.load(path, experiment_id=experiment, cache_dir=scratch, keep_in_memory=True)
            found |= module.compute(predictions=predictions, references=references) or {}
    return found


def _tables(records: list[dict[str, Any]], kinds: set[str], task: str) -> dict[str, Table]:
    nll, tokens = [record["nll"] for record in records], [record["answer_tokens"] for record in records]
    found = {"loss": metrics.loss_table(nll, tokens), "perplexity": metrics.perplexity_table(nll, tokens)}
    predictions, references = _texts(records)
    for name in _modules(references, kinds, task):
        if name in ("rouge", "style_and_fact"):
            found |= getattr(metrics, f"{name}_tables")(predictions, references)
        else:
            found[name] = getattr(metrics, f"{name}_table")(predictions, references)
    return found


def _arm(
    arm: str,
    records: list[dict[str, Any]],
    tables: dict[tuple[str, str], Table],
    values: dict[tuple[str, str], float],
    drawn: dict[tuple[str, str], metrics.Floats],
) -> dict[str, Any]:
    scores: dict[str, dict[str, float]] = {}
    for owner, name in tables:
        if owner == arm:
            low, high = interval(drawn[owner, name])
            scores[name] = {"value": values[owner, name], "low": low, "high": high}
    return {
        "name": arm,
        "metrics": scores,
        "seconds": sum(record["seconds"] for record in records),
        "tokens": sum(record["generated_tokens"] for record in records),
        "prompt_tokens": sum(record["prompt_tokens"] for record in records),
    }


def _comparisons(
    rows: dict[str, Any],
    tables: dict[tuple[str, str], Table],
    values: dict[tuple[str, str], float],
    drawn: dict[tuple[str, str], metrics.Floats],
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for against in rows:
        for arm, name in tables:
            if arm != "tuned" or against == "tuned":
                continue
            mine, other = (arm, name), (against, name)
            gap = difference(values[mine], values[other], drawn[mine], drawn[other])
            found.append(
                {
                    "arm": arm,
                    "against": against,
                    "metric": name,
                    "difference": gap.value,
                    "low": gap.low,
                    "high": gap.high,
                    "p": gap.p,
                }
            )
    return found
