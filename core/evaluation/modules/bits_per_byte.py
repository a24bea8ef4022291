"""Bits of all tokens over UTF-8 bytes: summed nats of each row, and its bytes."""

from typing import Any

from core.evaluation import metrics, module


class BitsPerByte(module.LossMetric):
    """Bits of all tokens over UTF-8 bytes: summed nats of each row, and its bytes."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"bits_per_byte": metrics.bits_per_byte_table(predictions, references).value}
