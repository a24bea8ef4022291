"""Help for tests that start real runners: a home and locks of their own, runs without a model, and waiting."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import is_locked
from core.home import runs_dir
from core.runs.create import Draft
from core.runs.folder import RunFolder, list_runs
from core.runs.process import marked


def wait(condition: Callable[[], Any], seconds: float = 20.0, what: str = "") -> Any:
    """What `condition` gives as soon as it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what or condition}")
        time.sleep(0.02)
    return value


def queue_run(plan: dict[str, Any] | None = None, *, name: str = "fake", **spec: Any) -> RunFolder:
    """A queued run whose job is `tests.fake_engine`; nothing is started."""
    with Draft(runs_dir(), name) as draft:
        values = {"kind": "train", "name": name, "recipe": {}, "gpu_request": {"device": "cpu"}, "fake": plan or {}}
        notify = spec.pop("notify", None)
        return draft.publish(values | spec, notify=notify)


def status(folder: RunFolder) -> str:
    """The status that the runner wrote."""
    return str(folder.state().get("status"))


def settled(folder: RunFolder) -> bool:
    """Whether the run has ended and its runner has left."""
    return status(folder) in ("completed", "stopped", "failed") and not is_locked(folder.lock_file)


@pytest.fixture
def fake_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own in which runners start `tests.fake_engine`; whatever still runs at the end is killed."""
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DIAPASON_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("DIAPASON_ENGINE", "tests.fake_engine")
    monkeypatch.setenv("DIAPASON_POLL_SECONDS", "0.05")
    monkeypatch.setenv("DIAPASON_BACKOFF_SECONDS", "0.05")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield tmp_path / "home"
    end_everything()


def end_everything() -> None:
    """Kill the runners and jobs of this home, and only those."""
    for folder in [run for owner in list_runs() for run in (*owner.jobs(), owner)]:
        runner = (folder.state().get("runner") or {}).get("pid")
        if runner and is_locked(folder.lock_file):
            os.kill(runner, signal.SIGKILL)
            wait(lambda folder=folder: not is_locked(folder.lock_file), what="the runner's death")
        for pid, _ in marked(folder.id):
            os.kill(pid, signal.SIGKILL)
