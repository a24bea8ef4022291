"""Share of answers in which the regular expression `pattern` is found."""

from typing import Any

from core.evaluation import checks, module


class RegexMatch(module.TextMetric):
    """Share of answers in which the regular expression `pattern` is found."""

    def _compute(
        self, *, predictions: Any = None, references: Any = None, pattern: str = "", **_: Any
    ) -> dict[str, float]:
        return {"regex_match": checks.pattern(pattern)(predictions).value}
