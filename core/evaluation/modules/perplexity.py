"""exp of the mean negative log-likelihood of a token: summed nats of each row, and its tokens."""

from typing import Any

from core.evaluation import metrics, module


class Perplexity(module.LossMetric):
    """exp of the mean negative log-likelihood of a token: summed nats of each row, and its tokens."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"perplexity": metrics.perplexity_table(predictions, references).value}
