"""What a tracker must not do to a training. `tests/e2e/test_train.py` reports a real one."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.files import write_json
from tests.training import events


class _Trainer:
    """What the trackers want of a trainer."""

    args = model = None

    def is_world_process_zero(self) -> bool:
        return True


class _Stuck:
    """A tracker that waits for a login that nobody gives, or leaves the process over it."""

    free: ClassVar[threading.Event] = threading.Event()
    leaves: ClassVar[bool] = False

    def __init__(self, *_: Any) -> None:
        if self.leaves:
            raise SystemExit(1)
        self.free.wait()

    def known(self, *_: Any) -> dict[str, int]:
        return {}

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        pass

    on_log = on_train_end = on_train_begin


@pytest.mark.parametrize("leaves", [False, True])
def test_a_tracker_that_hangs_or_leaves_holds_nothing_up(
    leaves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.engine import trackers
    from core.engine.job import Job

    write_json(tmp_path / "spec.json", {"kind": "train"})
    monkeypatch.setattr(_Stuck, "free", threading.Event())
    monkeypatch.setattr(_Stuck, "leaves", leaves)
    monkeypatch.setattr(trackers, "_WAITING", 5)
    monkeypatch.setitem(trackers._MAKERS, "wandb", _Stuck)
    found = trackers.Trackers()
    began = time.monotonic()
    found.begin(Job(tmp_path), ["wandb"], _Trainer(), resumed=False)
    for step in range(1, 10):
        found.log(step, {"loss": 1.0})
    found.close(0.1)
    assert time.monotonic() - began < 5
    (said,) = [event["message"] for event in events(tmp_path, "log")]
    reason = "SystemExit: 1" if leaves else "it is 5 reports behind"
    assert said.startswith(f"Weights & Biases: {reason}; nothing more is reported to it")
    _Stuck.free.set()
