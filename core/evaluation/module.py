"""What the evaluate.Metric modules share; `evaluate.load("core/evaluation/modules/bleu.py")` loads one of them.

A module imports this one by its name: evaluate takes the first class that it finds in a module for its metric.
"""

from __future__ import annotations

import datasets
import evaluate


class TextMetric(evaluate.Metric):
    """predictions: one string a row. references: one string a row, or a list of those that are accepted."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = [
            datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            datasets.Features({"predictions": text, "references": text}),
        ]
        told = "predictions: one string a row; references: one string a row, or a list of accepted ones"
        return evaluate.MetricInfo(
            description=self.__doc__ or "", citation="", inputs_description=told, features=features
        )


class LossMetric(evaluate.Metric):
    """predictions: of each row the summed nats of its reference. references: its tokens, or its bytes."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
        )
        told = "predictions: summed nats of each row's reference; references: how many tokens (or bytes) it has"
        return evaluate.MetricInfo(
            description=self.__doc__ or "", citation="", inputs_description=told, features=features
        )
