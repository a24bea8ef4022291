"""A quick look at a long run: right about where it is, a sample of its course, and followed as it grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import JsonlWriter
from core.runs import course_cache
from core.runs.course_cache import cache_file, load, quick
from core.runs.folder import RunFolder
from core.runs.glimpse import LONG_BYTES, glimpse
from tests.fake_run import make_run


@pytest.fixture
def long_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    run = make_run(steps=400, total_steps=20_000, every=100, status="stopped")
    writer = JsonlWriter(run.events)
    while run.events.stat().st_size <= LONG_BYTES:
        for _ in range(500):
            step = getattr(writer, "step", 400) + 1
            writer.step = step  # pyright: ignore[reportAttributeAccessIssue]
            writer.write({"event": "step", "step": step, "loss": 400 / step, "m": step * 0.5, "t": step * 0.5,
                          "seconds": 0.5, "tokens": step * 2100, "padding": "x" * 200})  # fmt: skip
    return run


def last_step(run: RunFolder) -> int:
    return json.loads(run.events.read_bytes().splitlines()[-1])["step"]


def test_a_sample_knows_where_the_run_is(long_run: RunFolder) -> None:
    assert quick(long_run) is None
    view, course, _ = glimpse(long_run)
    assert view.step == last_step(long_run) and view.total_steps == 20_000 and view.eta_seconds is None
    points = [(bucket.last, bucket.mean) for bucket in course.columns["loss"].buckets]
    assert len(points) > 200 and all(value == pytest.approx(400 / step) for step, value in points if step > 400)
    gaps = [after[0] - before[0] for before, after in zip(points, points[1:])]
    assert max(gaps) < last_step(long_run) / 100
    assert not view.warnings
    # What is written next is followed without a gap.
    step = last_step(long_run) + 1
    JsonlWriter(long_run.events).write({"event": "step", "step": step, "loss": 0.1, "m": step * 0.5})
    assert view.refresh() and view.step == step


def beside(run: RunFolder) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "core.runs", str(run.path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)


def test_a_process_beside_reads_all_of_it(long_run: RunFolder) -> None:
    with beside(long_run) as child:
        assert child.wait(120) == 0
    found = quick(long_run)
    assert found is not None and found[0].step == last_step(long_run)
    assert [event["step"] for event in found[0].evals] == [100, 200, 300, 400]
    assert sum(bucket.points for bucket in found[1].columns["loss"].buckets) == last_step(long_run)


def test_the_process_ends_with_whoever_started_it(long_run: RunFolder) -> None:
    with beside(long_run) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 1
    assert not cache_file(long_run).exists()


def test_a_cache_far_behind_is_read_on_beside(long_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    course_cache.open_run(long_run)
    assert cache_file(long_run).exists() and load(long_run, LONG_BYTES) is not None
    writer = JsonlWriter(long_run.events)
    for step in range(last_step(long_run) + 1, last_step(long_run) + 3):
        writer.write({"event": "step", "step": step, "loss": 1.0, "m": step * 0.5, "padding": "x" * LONG_BYTES})
    assert quick(long_run) is None and load(long_run) is not None
