"""The measured course of a training, in columns."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

_NAN = float("nan")


def number(value: Any) -> float:
    """`value` as a float; NaN where it is no number (JSON has no NaN: it is written as null)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _NAN
    try:
        return float(value)
    except OverflowError:
        return _NAN


def whole(value: Any, otherwise: int = 0) -> int:
    """`value` as an int; `otherwise` where it is no finite number."""
    if type(value) is int:
        return value
    found = number(value)
    return int(found) if math.isfinite(found) else otherwise


@dataclass(slots=True)
class Series:
    """One entry a logged step in each list; steps ascend, a value that was not measured is NaN.

    `t` is in unix seconds, `m` in seconds of the job machine's monotonic clock, `tokens` is cumulative.
    """

    step: list[int] = field(default_factory=list[int])
    epoch: list[float] = field(default_factory=list[float])
    loss: list[float] = field(default_factory=list[float])
    grad_norm: list[float] = field(default_factory=list[float])
    learning_rate: list[float] = field(default_factory=list[float])
    tokens: list[float] = field(default_factory=list[float])
    tokens_per_second: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    ram_bytes: list[float] = field(default_factory=list[float])
    gpu_bytes: list[float] = field(default_factory=list[float])
    t: list[float] = field(default_factory=list[float])
    m: list[float] = field(default_factory=list[float])

    def __len__(self) -> int:
        return len(self.step)

    def add(self, event: dict[str, Any]) -> None:
        """Append a ``step`` event; one that repeats earlier steps (after a restart) replaces them."""
        step = whole(event.get("step"))
        if self.step and step <= self.step[-1]:
            self.cut(step - 1)
        self.step.append(step)
        for name in _COLUMNS:
            value = event.get(name)
            getattr(self, name).append(value if type(value) is float else number(value))

    def cut(self, step: int) -> None:
        """Forget what comes after `step`: a restart trains it again."""
        keep = bisect_right(self.step, step)
        for name in ("step", *_COLUMNS):
            del getattr(self, name)[keep:]

    def forget(self, keep: int) -> None:
        """Keep the last `keep` steps only."""
        extra = max(0, len(self.step) - keep)
        for name in ("step", *_COLUMNS):
            del getattr(self, name)[:extra]


_COLUMNS = tuple(name for name in Series.__dataclass_fields__ if name != "step")
