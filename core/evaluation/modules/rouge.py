"""Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1, over words of any script."""

from typing import Any

from core.evaluation import module, overlap


class Rouge(module.TextMetric):
    """Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1, over words of any script."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {name: table.value for name, table in overlap.rouge_tables(predictions, references).items()}
