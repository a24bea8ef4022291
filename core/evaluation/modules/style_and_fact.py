"""Mean style-and-fact score of the sample data and share of right facts (core/starter/score.py), 0 to 1."""

from typing import Any

import datasets
import evaluate

from core.evaluation import metrics

_ABOUT = "Mean style-and-fact score of the sample data and share of right facts (core/starter/score.py), 0 to 1."


class StyleAndFact(evaluate.Metric):
    """Mean style-and-fact score of the sample data and share of right facts (core/starter/score.py), 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description=_ABOUT,
            citation="",
            inputs_description="predictions and references: one string a row",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return metrics.style_and_fact(predictions, references)
