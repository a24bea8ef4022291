"""Share of answers that name the right class."""

from typing import Any

from core.evaluation import classes, module


class Accuracy(module.TextMetric):
    """Share of answers that name the right class."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"accuracy": classes.accuracy_table(predictions, references).value}
