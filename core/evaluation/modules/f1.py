"""Mean precision, recall and F1 over the classes of the references, 0 to 1."""

from typing import Any

from core.evaluation import classes, module


class F1(module.TextMetric):
    """Mean precision, recall and F1 over the classes of the references, 0 to 1."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {name: table.value for name, table in classes.class_tables(predictions, references).items()}
