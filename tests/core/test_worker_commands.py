"""Commands to real runners: pause, resume, kill, another place in the queue, a command for the end; and retries."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from core.files import is_locked, read_jsonl, write_json
from core.runs.commands import send
from core.runs.folder import RunFolder
from core.runs.status import status_of
from core.worker.empty import after_all, log_file, pending
from core.worker.launch import launch
from core.worker.overview import overview
from core.worker.queue import waiting
from core.worker.recover import cut_off
from core.worker.timing import Timing
from tests.runs_help import fake_home, queue_run, settled, status, wait
from tui.cli import run

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


def events(folder: RunFolder, name: str) -> list[dict[str, Any]]:
    return [event for event in read_jsonl(folder.events)[0] if event["event"] == name]


def notes(folder: RunFolder, event: str) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(folder.runner_events)[0] if record["event"] == event]


def trained(folder: RunFolder) -> list[int]:
    return [event["step"] for event in events(folder, "step")]


def started(folder: RunFolder, step: int = 1) -> None:
    wait(lambda: max(trained(folder), default=0) >= step, what=f"step {step} of {folder.id}")


def end(folder: RunFolder) -> dict[str, Any]:
    wait(lambda: settled(folder), what=f"the end of {folder.id}: {folder.state()}")
    return folder.state()


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) == 0, capsys.readouterr()
    return capsys.readouterr().out


def test_a_paused_run_gives_its_slot_away_and_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = queue_run({"steps": 60, "pause": 0.05}, name="first"), queue_run({"steps": 3}, name="second")
    launch(first)
    started(first, 3)
    launch(second)
    wait(lambda: len(waiting()) == 1)
    assert "gives its slot back" in call(capsys, "pause", "first")
    wait(lambda: status(first) == "paused")
    assert end(second)["status"] == "completed"
    assert not first.state()["job"] and is_locked(first.lock_file) and status_of(first) == "paused"
    assert "paused" in call(capsys, "queue")
    at = max(trained(first))
    assert run(["checkpoint", "first"]) == 0 and run(["resume", "first"]) == 0
    state = end(first)
    assert state["status"] == "completed" and state["attempt"] == 2
    assert trained(first) == list(range(1, 61)) and at < 60
    assert events(first, "start")[1]["resumed_from"] == at


def test_a_run_can_be_paused_in_the_queue_and_stopped_while_paused() -> None:
    works, waits = queue_run({"steps": 400, "pause": 0.05}), queue_run({"steps": 2}, name="waits")
    launch(works)
    started(works)
    launch(waits)
    wait(lambda: len(waiting()) == 1)
    send(waits, "pause")
    wait(lambda: status(waits) == "paused")
    assert waiting() == []
    send(waits, "stop")
    assert end(waits)["reason"] == "stopped while it was paused"
    send(works, "kill")
    assert end(works)["status"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_paused_run_whose_runner_is_lost_stays_paused(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    folder = queue_run({"steps": 30, "pause": 0.05})
    launch(folder)
    started(folder, 2)
    send(folder, "pause")
    wait(lambda: status(folder) == "paused")
    os.kill(folder.state()["runner"]["pid"], number)
    wait(lambda: not is_locked(folder.lock_file))
    assert status_of(folder) == "paused" and cut_off() == [] and overview()[0].status == "paused"
    assert run(["stop", folder.id]) == 1 and "nothing of it runs" in capsys.readouterr().err
    assert run(["resume", folder.id]) == 0
    assert end(folder)["status"] == "completed" and trained(folder) == list(range(1, 31))


def test_a_pause_outlives_the_runner_that_was_asked() -> None:
    folder = queue_run({"steps": 40, "pause": 0.5})
    launch(folder)
    started(folder, 2)
    send(folder, "pause")
    wait(lambda: folder.state().get("asked") == "pause")
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: not is_locked(folder.lock_file))
    launch(folder)
    wait(lambda: status(folder) == "paused")
    assert is_locked(folder.lock_file)
    send(folder, "stop")
    end(folder)


def test_force_reaches_the_job_of_a_paused_run(capsys: pytest.CaptureFixture[str]) -> None:
    folder = queue_run({"steps": 40, "pause": 0.05})
    launch(folder)
    started(folder, 2)
    send(folder, "pause")
    wait(lambda: status(folder) == "paused")
    assert run(["resume", folder.id, "--force"]) == 0
    assert end(folder)["status"] == "completed"
    assert [start["forced"] for start in events(folder, "start")] == [None, "1"]


def test_a_long_attempt_makes_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_STALL_SECONDS", "2")
    folder = queue_run({"steps": 60, "pause": 0.1, "accidents": {"2": [45, "hang"]}})
    launch(folder)
    started(folder, 40)
    send(folder, "pause")
    wait(lambda: status(folder) == "paused")
    assert run(["resume", folder.id]) == 0
    wait(lambda: notes(folder, "stall"), 30)
    assert end(folder)["status"] == "completed"


def test_the_queue_is_listed_and_reordered(capsys: pytest.CaptureFixture[str]) -> None:
    works = queue_run({"steps": 2000, "pause": 0.02}, name="works")
    launch(works)
    started(works)
    runs = [queue_run({"steps": 1}, name=name) for name in ("one", "two", "three")]
    for folder in runs:
        launch(folder)
    wait(lambda: [item.folder for item in waiting()] == runs)
    assert "takes that place" in call(capsys, "queue", "move", "three", "1")
    wait(lambda: [item.folder.name for item in waiting()] == ["three", "one", "two"])
    call(capsys, "queue", "move", "three", "2")
    call(capsys, "queue", "move", "two", "1")
    wait(lambda: [item.folder.name for item in waiting()] == ["two", "one", "three"])
    listed = json.loads(call(capsys, "queue", "--json"))["queue"]
    assert [(entry["name"], entry["place"]) for entry in listed] == [
        ("works", None), ("two", 1), ("one", 2), ("three", 3)
    ]  # fmt: skip
    assert run(["queue", "move", "works", "1"]) == 1 and "does not wait" in capsys.readouterr().err
    text = call(capsys, "queue").splitlines()
    assert text[1].startswith("1.") and "two" in text[1] and "waiting for the processor: works uses it" in text[1]
    send(works, "kill")
    for folder in runs:
        assert end(folder)["status"] == "completed"
    began = {folder.name: events(folder, "start")[0]["m"] for folder in runs}
    assert sorted(began, key=lambda name: began[name]) == ["two", "one", "three"]
    assert overview() == [] and "Nothing runs" in call(capsys, "queue")


def test_a_command_runs_once_all_is_done(
    fake_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_GRACE_SECONDS", "0.3")
    assert run(["queue", "--when-empty", "true"]) == 1
    assert "nothing runs or waits" in capsys.readouterr().err
    runs = [queue_run({"steps": 20, "pause": 0.02}) for _ in range(2)]
    for folder in runs:
        launch(folder)
    call(capsys, "queue", "--when-empty", "echo done >> ended.txt")
    assert "once all is done: echo done" in call(capsys, "queue")
    wait(lambda: (fake_home / "ended.txt").exists())
    assert all(settled(folder) for folder in runs) and pending() is None
    wait(lambda: (fake_home / "ended.txt").read_text() == "done\n")
    assert "all is done: echo done" in log_file().read_text()


def test_the_command_for_the_end_waits_for_mirrors(
    fake_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_GRACE_SECONDS", "0")
    folder = queue_run({"steps": 60, "pause": 0.02}, name="lost")
    launch(folder)
    started(folder)
    call(capsys, "queue", "--when-empty", "touch never.txt")
    ended = queue_run({}, name="copied")
    write_json(ended.state_file, {"status": "completed", "ended": time.time(), "mirror": {"status": "failing"}})
    end(folder)
    wait(lambda: (pending() or {}).get("held"))
    assert "not run: the mirror of copied has failed" in call(capsys, "queue")
    assert not (fake_home / "never.txt").exists()


def test_the_command_for_the_end_says_why_nobody_runs_it(
    fake_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_GRACE_SECONDS", "0")
    folder = queue_run({"steps": 1000, "pause": 0.02}, name="torn")
    launch(folder)
    started(folder)
    call(capsys, "queue", "--when-empty", "touch never.txt")
    state = folder.state()
    for who in ("runner", "job"):
        os.kill(state[who]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "interrupted")
    assert "not run: torn was cut off" in call(capsys, "queue")
    # Nor does a runner that ends after it.
    after_all(Timing())
    assert "not run: torn was cut off" in call(capsys, "queue")
    assert not (fake_home / "never.txt").exists()


def test_the_command_for_the_end_can_be_forgotten(
    fake_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_GRACE_SECONDS", "0")
    folder = queue_run({"steps": 1000, "pause": 0.02})
    launch(folder)
    started(folder)
    call(capsys, "queue", "--when-empty", "touch never.txt")
    assert "forgotten" in call(capsys, "queue", "--cancel") and "no command" in call(capsys, "queue", "--cancel")
    assert run(["queue", "--when-empty", " "]) == 2
    send(folder, "kill")
    end(folder)
    wait(lambda: not is_locked(folder.lock_file))
    assert not (fake_home / "never.txt").exists()


def test_out_of_gpu_memory_goes_on_with_a_smaller_micro_batch() -> None:
    plan = {"steps": 8, "accidents": {"1": [3, "oom"], "2": [5, "oom"]}}
    folder = queue_run(plan, recipe={"train": {"micro_batch_size": 8, "accumulation": 2}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 3)
    assert (state["micro_batch"], state["accumulation"]) == (2, 8)
    sizes = [(start["micro_batch"], start["accumulation"]) for start in events(folder, "start")]
    assert sizes == [("8", "2"), ("4", "4"), ("2", "8")]
    assert [note["micro_batch"] for note in notes(folder, "oom_retry")] == [4, 2]


def test_one_row_that_does_not_fit_is_a_failure() -> None:
    plan = {"steps": 8, "accidents": {str(attempt): [1, "oom"] for attempt in range(1, 9)}}
    folder = queue_run(plan, recipe={"train": {"micro_batch_size": 2, "accumulation": 1}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"], state["reason"]) == ("failed", 2, "the GPU ran out of memory")


def test_a_job_that_hangs_is_ended_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_STALL_SECONDS", "2")
    folder = queue_run({"steps": 6, "accidents": {"1": [4, "hang"]}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert notes(folder, "stall") and "the job hung" in notes(folder, "restart")[0]["reason"]
    assert "in _accident" in folder.attempt_log(1).read_text(), "where it hung stands in its log"


def test_a_card_that_fails_is_tried_again() -> None:
    folder = queue_run({"steps": 6, "accidents": {"1": [4, "gpu"]}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert "the GPU failed" in notes(folder, "restart")[0]["reason"]
