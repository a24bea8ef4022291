"""The part of a result document that is computed from answers: for the evaluation job and for `diapason metrics`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.evaluation import overlap
from core.evaluation.bootstrap import RESAMPLES
from core.evaluation.catalog import Measure, Rows, primary_of
from core.evaluation.classes import confusion, labels_of
from core.evaluation.costs import costs
from core.evaluation.metrics import Table
from core.evaluation.records import Record
from core.evaluation.significance import compare, randomisation, scored

TUNED, BASE = "tuned", "base"
_SACREBLEU = {"bleu": overlap.bleu, "chrf": overlap.chrf}
_CLASSES = {"accuracy", "macro_f1", "macro_precision", "macro_recall"}


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm. about: its kind, model, tokenizer, peak memory and price. records: lines of answers.jsonl, empty for
    predictions made elsewhere."""

    name: str
    about: dict[str, Any]
    records: list[Record]
    rows: Rows

    @property
    def kind(self) -> str:
        """base, few-shot, bm25, rag, tuned, run, checkpoint, endpoint; told by the name where nothing says it."""
        return str(self.about.get("kind") or self.name.partition(":")[0])


def document(
    arms: Sequence[Arm],
    measures: Sequence[Measure],
    task: str,
    primary: str | None,
    *,
    seed: int = 0,
    values: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Scores with intervals, comparisons with corrected p, classes and costs of arms that answered the same rows.

    Args:
        values: of each arm the scores as evaluate's modules found them, kept instead of the tables' own.
    """
    tables: dict[tuple[str, str], Table] = {}
    infos: dict[str, dict[str, Any]] = {}
    for item in measures:
        for arm in arms:
            for name, table in item.tables(arm.rows).items():
                tables[arm.name, name] = table
                if name not in infos:
                    infos[name] = asdict(item.info(name)) | _signature(name, arms[0].rows)
    everywhere = [name for name in infos if all((arm.name, name) in tables for arm in arms)]
    main, why = primary_of(primary, measures, task, everywhere)
    scores, drawn = scored(tables, seed=seed)
    for (arm, name), score in scores.items():
        score["value"] = ((values or {}).get(arm) or {}).get(name, score["value"])
    names = list(dict.fromkeys([main, *infos])) if main in infos else list(infos)
    pairs = pairs_of(arms)
    tested = _sacrebleu_tests(arms, pairs, [name for name in names if name in _SACREBLEU])
    return {
        "rows": len(arms[0].rows.answers),
        "primary_metric": {"name": main, "why": why},
        "measured": {name: infos[name] for name in names},
        "arms": [_arm(arm, {name: scores[arm.name, name] for name in names if (arm.name, name) in scores})
                 for arm in arms],
        "comparisons": compare(tables, drawn, pairs, primary=main, tested=tested),
        **_classes(arms, infos),
        "resamples": RESAMPLES,
    }  # fmt: skip


def pairs_of(arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """What is compared: tuned with every other arm, then every other arm with base; without a base and a tuned arm,
    every arm with the first."""
    tuned = next((arm.name for arm in arms if arm.kind == TUNED), None)
    base = next((arm.name for arm in arms if arm.kind == BASE), arms[0].name if tuned is None else None)
    found = [(tuned, arm.name) for arm in arms if tuned is not None and arm.name != tuned]
    if base is not None:
        found += [(arm.name, base) for arm in arms if arm.name not in (base, tuned)]
    return found


def _sacrebleu_tests(
    arms: Sequence[Arm], pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> dict[tuple[str, str, str], float]:
    answers = {arm.name: arm.rows.answers for arm in arms}
    # Each test is of one arm against several; it is two-sided, so that either may be called the baseline.
    hubs: dict[str, list[str]] = {}
    for ours, other in pairs:
        hub, spoke = (ours, other) if pairs and ours == pairs[0][0] and len(pairs) > 1 else (other, ours)
        hubs.setdefault(hub, []).append(spoke)
    found: dict[tuple[str, str, str], float] = {}
    for name in names:
        for hub, spokes in hubs.items():
            group = {arm: answers[arm] for arm in (hub, *spokes)}
            for spoke, p in randomisation(group, arms[0].rows.references, _SACREBLEU[name](), hub).items():
                for pair in ((hub, spoke), (spoke, hub)):
                    found[*pair, name] = p
    return found


def _signature(name: str, rows: Rows) -> dict[str, str]:
    if name in _SACREBLEU:
        return {"signature": overlap.signature(_SACREBLEU[name](), rows.references)}
    return {"signature": overlap.TOKENS} if name in overlap.ROUGE else {}


def _arm(arm: Arm, scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    about = {"kind": arm.kind, "model": arm.about.get("model"), "tokenizer": arm.about.get("tokenizer")}
    return {"name": arm.name, **about, "metrics": scores, **(costs(arm.records, arm.about) if arm.records else {})}


def _classes(arms: Sequence[Arm], infos: Mapping[str, Any]) -> dict[str, Any]:
    if not _CLASSES & infos.keys():
        return {}
    labels, total = labels_of(arms[0].rows.references)
    found = {arm.name: confusion(arm.rows.answers, arm.rows.references, labels) for arm in arms}
    return {"classes": {"labels": labels, "total": total, "arms": found}}
