"""Share of answers whose length is within `bounds`: MIN-MAX words, or MIN-MAX:characters."""

from typing import Any

from core.evaluation import checks, module


class Length(module.TextMetric):
    """Share of answers whose length is within `bounds`: MIN-MAX words, or MIN-MAX:characters."""

    def _compute(
        self, *, predictions: Any = None, references: Any = None, bounds: str = "", **_: Any
    ) -> dict[str, float]:
        return {"length": checks.length(bounds)[0](predictions).value}
