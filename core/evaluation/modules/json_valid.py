"""Share of answers that are one JSON document and nothing else."""

from typing import Any

from core.evaluation import checks, module


class JsonValid(module.TextMetric):
    """Share of answers that are one JSON document and nothing else."""

    def _compute(self, *, predictions: Any = None, references: Any = None, **_: Any) -> dict[str, float]:
        return {"json_valid": checks.json_valid_table(predictions).value}
