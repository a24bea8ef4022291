"""Share of answers equal to their reference, white space aside."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics


class ExactMatch(evaluate.Metric):
    """Share of answers equal to their reference, white space aside."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Share of answers equal to their reference, white space aside.",
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"exact_match": metrics.exact_match(predictions, references)}
