"""Where the time of a step goes, by the clock and by a card's events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch

from core.engine import step_time
from core.engine.step_time import StepTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that is a second on each time it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(step_time.time, "perf_counter", lambda: float(next(ticks)))
    yield


@pytest.mark.usefixtures("clock")
def test_parts_of_all_micro_batches_add_up() -> None:
    found = StepTime(cuda=False)
    found.start("forward")
    found.reset()
    found.start("data")
    found.stop()
    for _ in range(3):
        found.start("forward")
        found.start("backward")
        found.stop()
    found.start("optimizer")
    found.stop()
    assert found.take(10.5) == {"data": 1, "forward": 3, "backward": 3, "optimizer": 1, "other": 2.5}
    assert found.take(1.0) == {"data": 0, "forward": 0, "backward": 0, "optimizer": 0, "other": 1.0}


class _Event:
    """A CUDA event: its moment, and whether the card has passed it."""

    moment: ClassVar[float] = 0.0
    passed: ClassVar[float] = 0.0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        _Event.moment += 10.0
        self.at = _Event.moment

    def query(self) -> bool:
        return self.at <= _Event.passed

    def elapsed_time(self, other: Any) -> float:
        assert self.query() and other.query(), "torch raises of an event that is not passed"
        return other.at - self.at


def test_a_cards_events_are_read_once_it_has_passed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    monkeypatch.setattr(_Event, "moment", 0.0)
    monkeypatch.setattr(_Event, "passed", 25.0)
    found = StepTime(cuda=True)
    found.start("forward")
    found.start("backward")
    found.stop()
    assert found.take(1.0) == {"data": 0, "forward": 0.01, "backward": 0, "optimizer": 0, "other": 0.99}
    monkeypatch.setattr(_Event, "passed", 30.0)
    assert found.take(1.0)["backward"] == 0.01
    assert found.take(1.0)["backward"] == 0
