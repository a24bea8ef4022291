"""The result of an evaluation, as its job writes it and everyone reads it. Standard library only."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.files import read_json
from core.runs.folder import RunFolder

ANSWERS = "answers.jsonl"
RESULT = "result.json"
SURE = 0.05
"""The corrected p from which on nothing is shown."""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """How a metric is called and read. decimals: digits worth showing."""

    label: str
    higher_is_better: bool
    decimals: int
    definition: str


#: The metrics with names of their own, in the order in which to show them.
METRICS: dict[str, MetricInfo] = {
    "loss": MetricInfo(
        "answer loss", False, 3, "mean negative log-likelihood of a reference token, its end included, in nats"
    ),
    "perplexity": MetricInfo("perplexity", False, 2, "exp of the answer loss"),
    "bits_per_byte": MetricInfo(
        "bits per byte", False, 3, "bits of all reference tokens over the references' UTF-8 bytes"
    ),
    "style_and_fact": MetricInfo("style and fact", True, 3, "house style and the right fact, 0 to 1"),
    "right_fact": MetricInfo("right fact", True, 3, "share of answers that state the right fact and no other"),
    "accuracy": MetricInfo("accuracy", True, 3, "share of answers that name the right class"),
    "macro_f1": MetricInfo("macro F1", True, 3, "mean F1 over the classes of the references"),
    "macro_precision": MetricInfo("macro precision", True, 3, "mean precision over the classes of the references"),
    "macro_recall": MetricInfo("macro recall", True, 3, "mean recall over the classes of the references"),
    "json_valid": MetricInfo("valid JSON", True, 3, "share of answers that are one JSON document and nothing else"),
    "exact_match": MetricInfo("exact match", True, 3, "share of answers equal to a reference, white space aside"),
    "bleu": MetricInfo("BLEU", True, 1, "corpus BLEU of sacrebleu (13a, exponential smoothing), 0 to 100"),
    "chrf": MetricInfo("chrF2", True, 1, "corpus chrF2 of sacrebleu, 0 to 100"),
    "rouge1": MetricInfo("ROUGE-1", True, 3, "mean F-measure over words, 0 to 1"),
    "rouge2": MetricInfo("ROUGE-2", True, 3, "mean F-measure over pairs of words, 0 to 1"),
    "rougeL": MetricInfo("ROUGE-L", True, 3, "mean F-measure over the longest common subsequence, 0 to 1"),
}


@dataclass(frozen=True, slots=True)
class Value:
    """A score with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What one arm reached, and what its answers cost.

    kind: base, few-shot, bm25, rag, rag-tuned, tuned, run, checkpoint, endpoint. seconds: time it took. tokens:
    written; prompt_tokens: read. cut: answers that reached the longest length. per_1000: of a thousand answers
    ``prompt_tokens``, ``tokens``, ``seconds``, and ``money`` where prices are known. currency: that of the money.
    """

    name: str
    metrics: dict[str, Value]
    seconds: float
    tokens: int
    prompt_tokens: int
    kind: str = ""
    cut: int = 0
    peak_memory_bytes: int | None = None
    per_1000: dict[str, float | None] = field(default_factory=dict[str, float | None])
    currency: str = ""

    @property
    def untuned(self) -> bool:
        """Whether the base model or somebody else's answers, whatever stands in the prompt."""
        return self.kind in ("base", "few-shot", "bm25", "rag", "endpoint")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`arm` minus `against` on a metric, over the same rows.

    low, high: 95 % interval of the paired bootstrap. p: two-sided, by `method`. p_corrected: by Holm over its
    `family` ("primary" or "other"); p itself in results from before there was one (family "").
    """

    arm: str
    against: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    method: str = "paired bootstrap"
    family: str = ""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One evaluation. rows: test rows counted; refused: left out as their prompt was trained on; too_long: left
    out as they do not fit the model. weights: checksum of the tuned weights. data: path, format and sha256.
    primary: the metric named beforehand. infos: how each metric is called and read, in the order to show them."""

    rows: int
    refused: int
    too_long: int
    task: str
    arms: list[ArmResult]
    comparisons: list[Comparison]
    weights: int
    data: dict[str, Any]
    document: dict[str, Any]
    primary: str
    infos: dict[str, MetricInfo]

    def arm(self, name: str) -> ArmResult | None:
        """The arm called `name`, if it was evaluated."""
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def failed(self) -> dict[str, str]:
        """The arms that could not answer, and why."""
        found = self.document.get("failed")
        return {str(arm): str(why) for arm, why in found.items()} if isinstance(found, dict) else {}

    @property
    def tuned(self) -> ArmResult | None:
        """The arm of the run's own tuned model."""
        return next((arm for arm in self.arms if arm.kind == "tuned"), None)

    @property
    def metrics(self) -> list[str]:
        """The metrics that were measured, in the order in which to show them."""
        return [name for name in self.infos if any(name in arm.metrics for arm in self.arms)]

    @property
    def corrected(self) -> bool:
        """Whether its p-values are corrected for how many there are."""
        return any(item.family for item in self.comparisons)

    def better(self, item: Comparison) -> bool | None:
        """True where the arm is surely better, False where surely worse, None where nothing is shown."""
        if item.p_corrected >= SURE or not item.difference or item.metric not in self.infos:
            return None
        return (item.difference > 0) == self.infos[item.metric].higher_is_better


def weights_fingerprint(folder: Path) -> int:
    """CRC-32 of the weight files in `folder` (adapter/ or model/): which weights a result is about."""
    value = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                value = zlib.crc32(block, value)
    return value


def read_result(run: RunFolder | Path) -> EvaluationResult | None:
    """The last evaluation of the run, or None where there is none that can be read."""
    folder = run.evaluation if isinstance(run, RunFolder) else Path(run) / "evaluation"
    document = read_json(folder / RESULT)
    try:
        return parse_result(document) if isinstance(document, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def parse_result(document: dict[str, Any]) -> EvaluationResult:
    """The result from its JSON document; that of `diapason metrics` has no run, data or costs.

    Raises KeyError, TypeError or ValueError where it is not one.
    """
    arms = [_arm(entry) for entry in document["arms"]]
    infos = _infos(document, {name for arm in arms for name in arm.metrics})
    return EvaluationResult(
        rows=int(document["rows"]),
        refused=int(document.get("refused") or 0),
        too_long=int(document.get("too_long") or 0),
        task=str(document.get("task") or ""),
        arms=arms,
        comparisons=[parse_comparison(entry) for entry in document["comparisons"]],
        weights=int(document.get("weights") or 0),
        data=dict(document.get("data") or {}),
        document=document,
        primary=str((document.get("primary_metric") or {}).get("name") or next(iter(infos), "")),
        infos=infos,
    )


def parse_comparison(entry: dict[str, Any]) -> Comparison:
    """A comparison from its JSON object. Raises KeyError, TypeError or ValueError where it is not one."""
    figures = {name: float(entry[name]) for name in ("difference", "low", "high", "p")}
    return Comparison(
        str(entry["arm"]),
        str(entry["against"]),
        str(entry["metric"]),
        **figures,
        p_corrected=float(entry.get("p_corrected", entry["p"])),
        method=str(entry.get("method") or "paired bootstrap"),
        family=str(entry.get("family") or ""),
    )


def parse_value(entry: dict[str, Any]) -> Value:
    """A score from its JSON object. Raises KeyError, TypeError or ValueError where it is not one."""
    return Value(float(entry["value"]), float(entry["low"]), float(entry["high"]))


def _arm(entry: dict[str, Any]) -> ArmResult:
    price = entry.get("price")
    return ArmResult(
        name=entry["name"],
        metrics={name: parse_value(score) for name, score in entry["metrics"].items()},
        seconds=float(entry.get("seconds") or 0),
        tokens=int(entry.get("tokens") or 0),
        prompt_tokens=int(entry.get("prompt_tokens") or 0),
        kind=str(entry.get("kind") or entry["name"].partition(":")[0]),
        cut=int(entry.get("cut") or 0),
        peak_memory_bytes=entry.get("peak_memory_bytes"),
        per_1000=dict(entry.get("per_1000") or {}),
        currency=str(price.get("currency") or "") if isinstance(price, dict) else "",
    )


def _infos(document: dict[str, Any], found: set[str]) -> dict[str, MetricInfo]:
    told = document.get("measured")
    if not isinstance(told, dict):
        return {name: info for name, info in METRICS.items() if name in found}
    fields = ("label", "higher_is_better", "decimals", "definition")
    return {name: MetricInfo(*(entry[field] for field in fields)) for name, entry in told.items()}
