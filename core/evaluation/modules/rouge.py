"""Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1, over words of any script."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics


class Rouge(evaluate.Metric):
    """Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1, over words of any script."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1, over words of any script.",
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return metrics.rouge(predictions, references)
