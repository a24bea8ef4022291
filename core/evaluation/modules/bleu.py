"""Corpus BLEU of sacrebleu, 0 to 100."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics


class Bleu(evaluate.Metric):
    """Corpus BLEU of sacrebleu, 0 to 100."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Corpus BLEU of sacrebleu, 0 to 100.",
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"bleu": metrics.bleu(predictions, references)}
