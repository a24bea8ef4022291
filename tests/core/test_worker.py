"""The runner, with real processes: what kills, stops, fails and queues must do to a run."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import DiapasonError
from core.files import Lock, is_locked, read_json, read_jsonl, write_json
from core.home import queue_dir
from core.runs.commands import send, wait_for
from core.runs.folder import RunFolder
from core.runs.process import is_alive
from core.runs.status import status_of
from core.runs.view import RunView
from core.worker.launch import launch
from core.worker.recover import adopt_orphans, cut_off, resume
from tests.runs_help import fake_home, queue_run, settled, wait

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")
ROOT = Path(__file__).resolve().parents[2]


def steps(folder: RunFolder) -> list[int]:
    return [event["step"] for event in read_jsonl(folder.events)[0] if event["event"] == "step"]


def notes(folder: RunFolder, event: str) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(folder.runner_events)[0] if record["event"] == event]


def running(folder: RunFolder, step: int = 1) -> dict[str, Any]:
    """Wait until the job has done `step`; its identity."""
    wait(lambda: folder.state().get("job") and max(steps(folder), default=0) >= step, what=f"step {step}")
    return folder.state()["job"]


def end(folder: RunFolder, seconds: float = 20) -> dict[str, Any]:
    wait(lambda: settled(folder), seconds, f"the end of the run, which is {folder.state()}")
    return folder.state()


def test_a_run_completes_and_its_evaluation_follows() -> None:
    then = [{"kind": "evaluate", "arms": ["base", "tuned"], "fake": {"steps": 1}}]
    folder = queue_run({"steps": 6}, then=then)
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"], state["step"], state["total_steps"]) == ("completed", 1, 6, 6)
    assert steps(folder) == [1, 2, 3, 4, 5, 6]
    (job,) = folder.jobs()
    assert job.kind == "evaluate" and job.spec()["run"] == str(folder.path) and job.parent == folder
    assert end(job)["status"] == "completed"
    assert list(queue_dir().glob("[0-9]*")) == []


@pytest.mark.parametrize("accident", ["kill", "segv"])
def test_a_job_that_dies_by_a_signal_goes_on_from_its_last_sealed_step(accident: str) -> None:
    folder = queue_run({"steps": 7, "accidents": {"1": [5, accident]}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert steps(folder) == [1, 2, 3, 4, 5, 5, 6, 7]
    view = RunView(folder)
    assert view.steps.step == [1, 2, 3, 4, 5, 6, 7] and view.restarts == [4]


def test_a_kill_from_outside_is_survived() -> None:
    folder = queue_run({"steps": 30, "pause": 0.03})
    launch(folder)
    os.kill(running(folder, 3)["pid"], signal.SIGKILL)
    assert end(folder)["status"] == "completed"
    assert sorted(set(steps(folder))) == list(range(1, 31))
    (restart,) = notes(folder, "restart")
    assert "SIGKILL" in restart["reason"]


def test_three_deaths_without_progress_are_enough() -> None:
    folder = queue_run({"steps": 5, "accidents": {str(n): [1, "kill"] for n in range(1, 9)}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 4)
    assert "SIGKILL" in state["reason"] and "4 times in a row" in state["reason"] and state["hint"]


def test_progress_between_deaths_starts_the_count_again() -> None:
    folder = queue_run({"steps": 14, "accidents": {str(n): [2 * n, "kill"] for n in range(1, 7)}, "seal": 1})
    launch(folder)
    state = end(folder)
    # Killed before the even step was sealed, six times, with a newly sealed step each time.
    assert (state["status"], state["attempt"]) == ("completed", 7)


def test_a_python_error_is_not_tried_again() -> None:
    folder = queue_run({"accidents": {"1": [2, "raise"]}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 1)
    assert state["reason"] == "RuntimeError: mat1 and mat2 shapes cannot be multiplied" and state["hint"]


def test_an_exit_without_a_verdict_shows_the_last_log_line() -> None:
    folder = queue_run({"accidents": {"1": [1, "exit"]}})
    launch(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 1)
    assert "exit code 7" in state["reason"] and "libnothing.so" in state["reason"]


def test_leftovers_of_a_job_are_swept() -> None:
    folder = queue_run({"steps": 3, "accidents": {"1": [1, "child"]}})
    launch(folder)
    assert end(folder)["status"] == "completed"
    assert not is_alive({**folder.state()["runner"], "pid": int((folder.path / "child.pid").read_text())})
    assert notes(folder, "exit")[0]["swept"] == 1


def test_stop_is_acknowledged_saves_and_can_be_resumed() -> None:
    folder = queue_run({"steps": 500, "pause": 0.02, "seal": 1000})
    launch(folder)
    running(folder, 2)
    answer = wait_for(folder, send(folder, "stop"))
    assert answer and answer["result"] == "the job finishes its step, saves and ends"
    state = end(folder)
    assert state["status"] == "stopped" and state["step"] == steps(folder)[-1] > 0
    assert list(folder.control.iterdir()) == []
    with pytest.raises(DiapasonError, match="is not running"):
        send(folder, "stop")
    resume(folder)
    running(folder, state["step"] + 2)
    assert steps(folder)[: state["step"] + 1] == list(range(1, state["step"] + 2))
    assert wait_for(folder, send(folder, "kill"))
    assert end(folder)["status"] == "stopped" and cut_off() == []


def test_a_job_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_STOP_SECONDS", "0.3")
    monkeypatch.setenv("DIAPASON_TERM_SECONDS", "0.3")
    folder = queue_run({"steps": 5000, "deaf": True, "seal": 2})
    launch(folder)
    job = running(folder, 4)
    send(folder, "stop")
    state = end(folder)
    assert state["status"] == "stopped" and "by force" in state["reason"] and state["step"] >= 4
    assert not is_alive(job)
    assert [record["signal"] for record in notes(folder, "push")] == [signal.SIGTERM, signal.SIGKILL]


def test_checkpoint_now_reaches_the_job() -> None:
    folder = queue_run({"steps": 2000, "seal": 100000})
    launch(folder)
    running(folder)
    assert wait_for(folder, send(folder, "checkpoint"))
    wait(lambda: folder.state()["step"] > 0, what="the sealed step in state.json")
    assert (folder.checkpoints / f"checkpoint-{folder.state()['step']}" / "MANIFEST.json").is_file()
    send(folder, "kill")
    end(folder)


def test_the_runner_ignores_hangup_and_stops_its_job_on_term() -> None:
    folder = queue_run({"steps": 3000})
    launch(folder)
    running(folder)
    runner = folder.state()["runner"]["pid"]
    os.kill(runner, signal.SIGHUP)
    count = len(steps(folder))
    wait(lambda: len(steps(folder)) > count + 5)
    assert status_of(folder) == "running"
    os.kill(runner, signal.SIGTERM)
    state = end(folder)
    assert state["status"] == "stopped" and "SIGTERM" in state["reason"] and state["step"] == steps(folder)[-1]
    assert cut_off() == [(folder, "stopped")], "after a shutdown it is listed among what was cut off"


def test_a_lost_runner_shows_and_the_next_one_adopts_its_job() -> None:
    folder = queue_run({"steps": 60, "pause": 0.03})
    launch(folder)
    job = running(folder)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "unsupervised")
    assert is_alive(job) and RunView(folder).hint
    assert cut_off() == [(folder, "unsupervised")]
    assert adopt_orphans() == [folder] and adopt_orphans() == []
    assert status_of(folder) == "running"
    state = end(folder)
    assert [record["pid"] for record in notes(folder, "adopt")] == [job["pid"]]
    assert (state["status"], state["attempt"]) == ("completed", 1)
    assert steps(folder) == list(range(1, 61))


def test_an_adopted_job_that_is_killed_is_started_again() -> None:
    folder = queue_run({"steps": 60, "pause": 0.03})
    launch(folder)
    job = running(folder, 3)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "unsupervised")
    adopt_orphans()
    os.kill(job["pid"], signal.SIGKILL)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert sorted(set(steps(folder))) == list(range(1, 61))


def test_a_job_that_ended_without_a_runner_is_judged_by_its_record_and_not_started_again() -> None:
    folder = queue_run({"steps": 25, "pause": 0.02})
    launch(folder)
    running(folder)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "interrupted", what="the job's own end")
    assert folder.exit_record(1) == {"status": "completed", "step": 25, "error": None}
    resume(folder)
    state = end(folder)
    assert (state["status"], state["attempt"], state["step"]) == ("completed", 1, 24)
    with pytest.raises(DiapasonError, match="completed"):
        resume(folder)
    launch(folder, resume=True)
    assert end(folder)["attempt"] == 1 and len(notes(folder, "start")) == 1


def test_runner_and_job_killed_is_interrupted_and_resumes() -> None:
    folder = queue_run({"steps": 40, "pause": 0.03})
    launch(folder)
    job = running(folder, 5)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    os.kill(job["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "interrupted")
    sealed = max(int(path.name.rpartition("-")[2]) for path in folder.checkpoints.iterdir())
    assert cut_off() == [(folder, "interrupted")] and adopt_orphans() == []
    resume(folder)
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert RunView(folder).restarts == [sealed] and sorted(set(steps(folder))) == list(range(1, 41))


def test_a_runner_killed_between_start_and_note_finds_its_job_by_the_mark() -> None:
    folder = queue_run({"steps": 60, "pause": 0.03})
    launch(folder)
    job = running(folder)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: not is_locked(folder.lock_file))
    state = folder.state()
    write_json(folder.state_file, {**state, "job": None})
    launch(folder)
    assert (end(folder)["status"], len(notes(folder, "start"))) == ("completed", 1)
    assert [record["pid"] for record in notes(folder, "adopt")] == [job["pid"]]


def test_of_runners_that_race_one_wins() -> None:
    folder = queue_run({"steps": 20})
    command = [sys.executable, "-P", "-m", "core.worker", str(folder.path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    racers = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(5)]
    codes = sorted(racer.wait(20) for racer in racers)
    assert codes == [0, 3, 3, 3, 3] and end(folder)["status"] == "completed"
    assert len(notes(folder, "start")) == 1 and steps(folder) == list(range(1, 21))


def test_the_processor_is_shared_in_turn() -> None:
    first, second, third = (queue_run({"steps": 12}, name=name) for name in ("first", "second", "third"))
    slot = _occupied()
    with slot:
        for folder in (first, second, third):
            launch(folder)
        wait(lambda: "before it in the queue" in str(third.state()["reason"]))
        assert "waiting for the processor" in first.state()["reason"]
    for folder in (first, second, third):
        assert end(folder)["status"] == "completed"
    began = [notes(folder, "start")[0]["m"] for folder in (first, second, third)]
    ended = [notes(folder, "end")[0]["m"] for folder in (first, second, third)]
    assert began[0] < ended[0] < began[1] < ended[1] < began[2]


def _occupied() -> Lock:
    folder = Path(os.environ["DIAPASON_LOCKS"])
    folder.mkdir(exist_ok=True)
    return Lock(folder / "cpu.lock")


def test_a_dead_or_failed_run_blocks_nobody() -> None:
    dead, failing, good = (queue_run(plan) for plan in ({}, {"accidents": {"1": [1, "raise"]}}, {"steps": 2}))
    with _occupied():
        for folder in (dead, failing, good):
            launch(folder)
        wait(lambda: "waiting" in str(good.state()["reason"]))
        os.kill(dead.state()["runner"]["pid"], signal.SIGKILL)
    assert end(failing)["status"] == "failed" and end(good)["status"] == "completed"
    assert status_of(dead) == "interrupted" and list(queue_dir().glob("[0-9]*")) == []


def test_a_job_without_a_runner_keeps_its_slot() -> None:
    first, second = queue_run({"steps": 60, "pause": 0.03}), queue_run({"steps": 2})
    launch(first)
    running(first)
    launch(second)
    os.kill(first.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(first) == "unsupervised")
    assert "waiting for the processor" in wait(lambda: second.state()["reason"])
    adopt_orphans()
    assert end(first)["status"] == end(second)["status"] == "completed"
    last = next(event["m"] for event in read_jsonl(first.events)[0] if event["event"] == "end")
    assert notes(second, "start")[0]["m"] > last


def test_a_queued_run_can_be_stopped() -> None:
    folder = queue_run()
    with _occupied():
        launch(folder)
        wait(lambda: "waiting" in str(folder.state()["reason"]))
        answer = wait_for(folder, send(folder, "stop"))
        assert answer and answer["result"] == "taken out of the queue"
        assert end(folder)["status"] == "stopped" and steps(folder) == []


def test_a_run_outlives_the_terminal_and_the_program_that_started_it() -> None:
    """A program on a terminal of its own starts the run; the terminal is closed and the program killed."""
    folder = queue_run({"steps": 60, "pause": 0.03})
    script = f"""
import time
from core.runs.folder import RunFolder
from core.worker.launch import launch
launch(RunFolder({str(folder.path)!r}))
print("up", flush=True)
time.sleep(600)
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(sys.executable, [sys.executable, "-c", script], os.environ | {"PYTHONPATH": str(ROOT)})
    shown = b""
    deadline = time.monotonic() + 20
    while b"up" not in shown and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            shown += os.read(terminal, 1000)
    running(folder)
    os.close(terminal)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGINT)
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert status_of(folder) == "running"
    assert (end(folder)["status"], folder.state()["attempt"]) == ("completed", 1)


def test_torn_lines_and_garbage_commands_are_survived() -> None:
    folder = queue_run({"steps": 400})
    folder.events.write_bytes(b'{"event":"step","st\n\0\0\0\0\n{"event":"check')
    folder.runner_events.write_bytes(b'{"event":"runn')
    (folder.control / "1-x-y.json").write_text("{")
    (folder.control / "2-x-y.json").write_text('{"command": "format", "id": "2-x-y"}')
    launch(folder)
    running(folder, 3)
    wait(lambda: not list(folder.control.iterdir()))
    assert [record["result"] for record in notes(folder, "command")] == ["not a command", "not a command"]
    assert RunView(folder).steps.step[:3] == [1, 2, 3]
    send(folder, "kill")
    end(folder)


def test_an_idle_runner_is_small_and_quiet() -> None:
    folder = queue_run({"steps": 10000, "pause": 30})
    launch(folder)
    wait(lambda: folder.state().get("job"))
    pid = folder.state()["runner"]["pid"]
    kilobytes = int(next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in x).split()[1])
    assert kilobytes <= 20 * 1024
    modules = subprocess.run(
        [sys.executable, "-c", "import sys, core.worker.__main__; print(*sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    foreign = {name.partition(".")[0] for name in modules.stdout.split()} - sys.stdlib_module_names - {"core"}
    assert {name for name in foreign if not name.startswith(("_", "sitecustomize"))} == set()
    send(folder, "kill")
    end(folder)


def test_the_hardware_is_sampled_beside_the_job(fake_home: Path) -> None:
    folder = queue_run({"steps": 3000})
    launch(folder)
    job = running(folder)
    wait(lambda: RunView(folder).gpu, what="a sample of the hardware")
    sample = RunView(folder).gpu
    assert sample and sample["job"]["pid"] == job["pid"] and sample["job"]["rss"] > 1_000_000
    assert sample["ram_total"] > sample["ram_used"] > 0
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    os.kill(job["pid"], signal.SIGKILL)
    wait(lambda: not is_locked(folder.gpu), what="the sampler to leave an interrupted run")


def test_the_inbox_is_emptied_for_the_next_attempt() -> None:
    folder = queue_run({"steps": 300, "seal": 1})
    launch(folder)
    running(folder)
    send(folder, "stop")
    assert end(folder)["status"] == "stopped"
    before = read_json(folder.inbox)
    resume(folder)
    running(folder, folder.state()["step"] + 2)
    after = read_json(folder.inbox)
    assert before and after and after["commands"] == [] and after["seq"] > before["seq"]
    send(folder, "kill")
    end(folder)
