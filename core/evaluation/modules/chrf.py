"""Corpus chrF2 of sacrebleu, 0 to 100."""

from typing import Any

from core.evaluation import module, overlap


class Chrf(module.TextMetric):
    """Corpus chrF2 of sacrebleu, 0 to 100."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"chrf": overlap.chrf_table(predictions, references).value}
