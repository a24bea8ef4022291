"""Mean F1 over the classes of the references, 0 to 1."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics


class MacroF1(evaluate.Metric):
    """Mean F1 over the classes of the references, 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Mean F1 over the classes of the references, 0 to 1.",
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"macro_f1": metrics.macro_f1(predictions, references)}
