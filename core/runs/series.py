"""The measured course of a training, in columns."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

_NAN = float("nan")
# A step or count beyond it is damage.
_MOST = 1 << 63


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
        return value if -_MOST < value < _MOST else otherwise
    found = number(value)
    return int(found) if abs(found) < _MOST else otherwise


def _finite(values: tuple[float, ...]) -> bool:
    return all(math.isfinite(value) for value in values)


@dataclass(slots=True)
class Series:
    """One entry a logged step in each list; steps ascend, a value that was not measured is NaN.

    `t` is in unix seconds, `m` in seconds of the job machine's monotonic clock, `tokens` is cumulative. `seconds` is
    the time since the entry before without evaluations and checkpoints; `data`, `forward`, `backward` and `optimizer`
    are what those parts took of it. `mfu` is a share of 1.
    """

    step: list[int] = field(default_factory=list[int])
    epoch: list[float] = field(default_factory=list[float])
    loss: list[float] = field(default_factory=list[float])
    grad_norm: list[float] = field(default_factory=list[float])
    learning_rate: list[float] = field(default_factory=list[float])
    tokens: list[float] = field(default_factory=list[float])
    tokens_per_second: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    mfu: list[float] = field(default_factory=list[float])
    data: list[float] = field(default_factory=list[float])
    forward: list[float] = field(default_factory=list[float])
    backward: list[float] = field(default_factory=list[float])
    optimizer: list[float] = field(default_factory=list[float])
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
        for name in _PLAIN:
            value = event.get(name)
            getattr(self, name).append(value if type(value) is float else number(value))
        split = event.get("split")
        split = split if isinstance(split, dict) else {}
        for name in PARTS:
            value = split.get(name)
            getattr(self, name).append(value if type(value) is float else number(value))

    def shares(self) -> dict[str, float]:
        """What each part took of the whole course's time, `other` at last; empty where it was not measured."""
        rows = [row for row in zip(*(getattr(self, name) for name in ("seconds", *PARTS))) if _finite(row)]
        total = math.fsum(row[0] for row in rows)
        if total <= 0:
            return {}
        found = {name: math.fsum(row[place] for row in rows) / total for place, name in enumerate(PARTS, 1)}
        return {**found, OTHER: max(0.0, 1.0 - sum(found.values()))}

    def mean_mfu(self) -> float:
        """MFU over the whole course, weighted by time; NaN where it is not known."""
        rows = [row for row in zip(self.seconds, self.mfu) if _finite(row)]
        total = math.fsum(seconds for seconds, _ in rows)
        return math.fsum(seconds * mfu for seconds, mfu in rows) / total if total > 0 else _NAN

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


#: The parts of a step's time that are measured; what is left of it is `OTHER`.
PARTS = ("data", "forward", "backward", "optimizer")
OTHER = "other"
_COLUMNS = tuple(name for name in Series.__dataclass_fields__ if name != "step")
_PLAIN = tuple(name for name in _COLUMNS if name not in PARTS)
