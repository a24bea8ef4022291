"""What tells a row that a model wrote from one that people did."""

from __future__ import annotations

from typing import Any

_LONGEST = 60


def marks(row: int, model: str, prompt_hash: str) -> dict[str, Any]:
    """The fields that say of a row that it is a variant of row `row` (from 0 on); see core.data.columns.MARKS."""
    return {"synthetic": True, "source_row": row + 1, "synthetic_model": model, "synthetic_prompt": prompt_hash}


def origin(value: Any) -> str:
    """``synthetic, of row 3, by tiny`` for a row so marked, else empty. As it is: make it inert before showing it."""
    if not isinstance(value, dict) or value.get("synthetic") not in (True, 1, "true", "True"):
        return ""
    row, model = value.get("source_row"), value.get("synthetic_model")
    parts = ["synthetic"]
    if row is not None and not isinstance(row, (dict, list)):
        parts.append(f"of row {str(row)[:_LONGEST]}")
    if isinstance(model, str) and model:
        parts.append(f"by {model[:_LONGEST]}")
    return ", ".join(parts)
