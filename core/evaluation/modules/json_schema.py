"""Share of answers that are JSON and match the schema in the file `schema`."""

from pathlib import Path
from typing import Any

from core.evaluation import checks, module


class JsonSchema(module.TextMetric):
    """Share of answers that are JSON and match the schema in the file `schema`."""

    def _compute(
        self, *, predictions: Any = None, references: Any = None, schema: str = "", **_: Any
    ) -> dict[str, float]:
        return {"json_schema": checks.json_schema(Path(schema))(predictions).value}
