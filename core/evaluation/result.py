"""The result of an evaluation, as its job writes it and everyone reads it. Standard library only."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.files import read_json
from core.runs.folder import RunFolder

ANSWERS = "answers.jsonl"
RESULT = "result.json"


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
    """What one arm reached. seconds: time it took. tokens: written; prompt_tokens: read."""

    name: str
    metrics: dict[str, Value]
    seconds: float
    tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`arm` minus `against` on a metric, over the same rows; p from the paired bootstrap, two-sided."""

    arm: str
    against: str
    metric: str
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """One evaluation. rows: test rows counted; refused: left out as their prompt was trained on; too_long: left
    out as they do not fit the model. weights: checksum of the tuned weights. data: path, format and sha256."""

    rows: int
    refused: int
    too_long: int
    task: str
    arms: list[ArmResult]
    comparisons: list[Comparison]
    weights: int
    data: dict[str, Any]
    document: dict[str, Any]

    def arm(self, name: str) -> ArmResult | None:
        """The arm called `name`, if it was evaluated."""
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def metrics(self) -> list[str]:
        """The metrics that were measured, in the order in which to show them."""
        return [name for name in METRICS if any(name in arm.metrics for arm in self.arms)]


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
    """The result from its JSON document. Raises KeyError, TypeError or ValueError where it is not one."""
    arms = [
        ArmResult(
            name=arm["name"],
            metrics={
                name: Value(float(entry["value"]), float(entry["low"]), float(entry["high"]))
                for name, entry in arm["metrics"].items()
            },
            seconds=float(arm["seconds"]),
            tokens=int(arm["tokens"]),
            prompt_tokens=int(arm["prompt_tokens"]),
        )
        for arm in document["arms"]
    ]
    return EvaluationResult(
        rows=int(document["rows"]),
        refused=int(document["refused"]),
        too_long=int(document["too_long"]),
        task=document["task"],
        arms=arms,
        comparisons=[Comparison(**entry) for entry in document["comparisons"]],
        weights=int(document["weights"]),
        data=dict(document["data"]),
        document=document,
    )
