"""Mean style-and-fact score of the sample data and share of right facts, 0 to 1."""

from typing import Any

from core.evaluation import catalog, metrics, module


class StyleAndFact(module.TextMetric):
    """Mean style-and-fact score of the sample data and share of right facts, 0 to 1."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        rows = catalog.Rows(list(predictions), metrics.all_references(references))
        return {name: table.value for name, table in catalog.measure("style_and_fact").tables(rows).items()}
