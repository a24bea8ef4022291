"""Mean negative log-likelihood of a token, in nats: summed nats of each row, and its tokens."""

from typing import Any

from core.evaluation import metrics, module


class Loss(module.LossMetric):
    """Mean negative log-likelihood of a token, in nats: summed nats of each row, and its tokens."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"loss": metrics.loss_table(predictions, references).value}
