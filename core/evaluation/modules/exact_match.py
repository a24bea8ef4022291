"""Share of answers equal to a reference, white space aside."""

from typing import Any

from core.evaluation import classes, module


class ExactMatch(module.TextMetric):
    """Share of answers equal to a reference, white space aside."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"exact_match": classes.exact_match_table(predictions, references).value}
