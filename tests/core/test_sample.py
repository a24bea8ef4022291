"""What of a hardware sample counts for a run: its own cards, at the time it had them, as numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.files import JsonlWriter, write_json
from core.runs.course import Course
from core.runs.folder import RunFolder
from core.runs.machine import MachineCourse
from core.runs.sample import own
from core.runs.usage import usage
from core.runs.view import RunView
from tests.fake_run import make_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    found = make_run(steps=4, total_steps=4, status="stopped")
    found.gpu.unlink()
    return found


def sampled(run: RunFolder, watts: dict[str, float]) -> None:
    writer = JsonlWriter(run.gpu)
    for second in range(0, 101, 10):
        cards = [{"uuid": uuid, "index": at, "power_w": power} for at, (uuid, power) in enumerate(watts.items())]
        writer.write({"t": 1000.0 + second, "m": float(second), "gpus": cards})


def test_a_run_that_moved_to_another_card_is_charged_for_both(run: RunFolder) -> None:
    notes = JsonlWriter(run.runner_events)
    notes.write({"t": 990.0, "event": "slot", "name": "GPU-a"})
    notes.write({"t": 1051.0, "event": "slot", "name": "GPU-b,GPU-c"})
    sampled(run, {"GPU-x": 900.0, "GPU-a": 100.0, "GPU-b": 200.0, "GPU-c": 300.0})
    # 50 s at 100 W, 10 s on the way to 500 W, 40 s at 500 W.
    assert usage(run).joules == pytest.approx(50 * 100 + 10 * 300 + 40 * 500)
    machine = MachineCourse(run)
    machine.refresh()
    assert [column.buckets[-1].mean for column in machine.columns["gpu_power"]] == [200.0, 300.0]
    view = RunView(run)
    assert view.gpu is not None and [card["index"] for card in view.gpu["gpus"]] == [2, 3]


def test_without_a_note_the_state_tells_the_card(run: RunFolder) -> None:
    write_json(run.state_file, run.state() | {"slot": "GPU-b"})
    sampled(run, {"GPU-a": 100.0, "GPU-b": 200.0})
    assert usage(run).joules == pytest.approx(100 * 200)


@pytest.mark.parametrize(
    "bad", [{"gpus": 5}, {"ram_used": "x"}, {"gpus": [{"memory_used": "x", "index": []}]}, {"job": {"rss": 10**400}}]
)
def test_what_is_no_number_is_none(bad: dict[str, object]) -> None:
    found = own(bad, None)
    assert all(value is None for name, value in found.items() if name not in ("gpus", "job"))
    assert all(card["memory_used"] is None and card["index"] == 0 for card in found["gpus"])
    assert found["job"] is None or found["job"]["rss"] is None


def test_the_parts_of_a_long_course_are_those_of_all_its_steps() -> None:
    course = Course()
    for step in range(1, 5001):
        share = 0.8 if step <= 2500 else 0.2
        course.add({"step": step, "m": step * 1.0, "seconds": 1.0, "mfu": share,
                    "split": {"data": share, "forward": 0.0, "backward": 0.0, "optimizer": 0.0}})  # fmt: skip
    assert course.shares()["data"] == pytest.approx(0.5) and course.mean_mfu() == pytest.approx(0.5)


def test_a_pause_before_a_restart_is_none_of_work() -> None:
    course = Course()
    for step in range(1, 11):
        course.add({"step": step, "m": step * 1.0, "seconds": 1.0})
    course.cut(8)
    for step in range(9, 12):
        course.add({"step": step, "m": 1800.0 + step, "seconds": 1.0})
    assert course.columns["worked"].buckets[-1].high == pytest.approx(11.0)


def test_steps_of_no_sane_size_are_passed_over(run: RunFolder) -> None:
    with run.events.open("a") as file:
        file.write('{"event": "eval", "step": 1' + "0" * 400 + ', "loss": 1.0}\n')
        file.write('{"event": "step", "step": 1' + "0" * 400 + ', "loss": 1.0}\n')
    assert RunView(run).step <= 4
