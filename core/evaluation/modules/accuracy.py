"""Share of answers that name the right class."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics


class Accuracy(evaluate.Metric):
    """Share of answers that name the right class."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Share of answers that name the right class.",
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"accuracy": metrics.accuracy(predictions, references)}
