"""A recommended value, with why and on whose word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A value, why it is recommended, and the source of the reason."""

    value: Any
    reason: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """The value, reason and source as a JSON object."""
        return {"value": self.value, "reason": self.reason, "source": self.source}
