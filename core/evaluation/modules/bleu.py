"""Corpus BLEU of sacrebleu, 0 to 100."""

from typing import Any

from core.evaluation import module, overlap


class Bleu(module.TextMetric):
    """Corpus BLEU of sacrebleu, 0 to 100."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"bleu": overlap.bleu_table(predictions, references).value}
