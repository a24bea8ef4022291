"""From the answers of all arms to the result document: scores, intervals, differences, costs."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.evaluation import metrics
from core.evaluation.catalog import Measure, Rows, default_names, measure
from core.evaluation.document import Arm, document
from core.evaluation.records import Record, bytes_of, nats, references_of, tokens_of

_MODULES = Path(metrics.__file__).parent / "modules"
_PACKAGES = ("transformers", "evaluate", "sacrebleu", "rouge-score")


def summarise(
    experiment: str,
    rows: dict[str, list[Record]],
    kinds: set[str],
    facts: dict[str, Any],
    arms: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """The result document: each arm's metrics with intervals, what its answers cost, and the comparisons.

    Args:
        experiment: keeps the modules' scratch files apart from those of other jobs.
        rows: each arm's records, in the same order of test rows.
        kinds: those of the test rows' examples.
        facts: entries that the document begins with, ``task`` and ``seed`` among them. ``metrics``: names or paths,
            None for those that the task and the rows call for. ``primary``: a metric's name, None for the default.
        arms: of each arm ``kind`` (base, few-shot, bm25, rag, tuned, run, checkpoint, endpoint), ``model``,
            ``tokenizer``, ``peak_memory_bytes``, ``price`` (core/evaluation/costs.py).

    Raises:
        DiapasonError: a metric of the person's own fails.
    """
    given = [Arm(name, arms.get(name) or {}, records, rows_of(records)) for name, records in rows.items() if records]
    references = given[0].rows.references
    wanted = facts.get("metrics") or default_names(facts["task"], kinds, references)
    measures = [measure(name) for name in wanted]
    primary = facts.get("primary")
    if primary and not any(primary == item.name or primary in item.infos for item in measures):
        measures.append(measure(primary))
    values = {arm.name: _module_values(experiment, arm.rows, measures) for arm in given}
    found = document(given, measures, facts["task"], facts.get("primary"), seed=facts["seed"], values=values)
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"schema": 1, **facts, **found, "versions": versions}


def rows_of(records: Sequence[Record]) -> Rows:
    """What the metrics read of an arm's records."""
    nll = [nats(record) for record in records]
    known = [value for value in nll if value is not None]
    return Rows(
        answers=[record["answer"] for record in records],
        references=[references_of(record) for record in records],
        nll=known if len(known) == len(nll) else None,
        tokens=[tokens_of(record) for record in records],
        size=[bytes_of(record) for record in records],
    )


def _module_values(experiment: str, rows: Rows, measures: Sequence[Measure]) -> Mapping[str, float]:
    """The scores of evaluate's modules, loaded by path: no hub is asked."""
    usable = [item.module for item in measures if item.module and not (item.needs_loss and rows.nll is None)]
    if not usable:
        return {}
    import evaluate

    losses = {"loss": rows.tokens, "perplexity": rows.tokens, "bits_per_byte": rows.size}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in usable:
            path = str(_MODULES / f"{name}.py")
            module = evaluate.load(path, experiment_id=experiment, cache_dir=scratch, keep_in_memory=True)
            if name in losses:
                found |= module.compute(predictions=rows.nll, references=losses[name]) or {}
            else:
                found |= module.compute(predictions=rows.answers, references=rows.references) or {}
    return found
