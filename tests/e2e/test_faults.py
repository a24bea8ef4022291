"""Accidents in real trainings of a tiny model: the right verdict, and the losses of an undisturbed run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.errors import DiapasonError
from core.files import read_json, read_jsonl, write_json
from core.resuming import differences
from core.runs import checkpoints
from core.runs.folder import RunFolder, find_run, list_runs
from core.runs.process import start_time
from core.runs.status import status_of
from tests.faults_help import (
    PATIENCE,
    ROOT,
    STAND_INS,
    begin,
    end,
    evals,
    go,
    kill_dead,
    losses,
    monitor_tells,
    nothing_runs_on,
    place,
    process_with,
    race,
    resumed_from,
    shown,
    small_disk,
    undisturbed,
    waits,
    write_recipe,
)
from tests.runs_help import settled, wait
from tests.terminal import Terminal
from tui.cli import run

__all__ = ["nothing_runs_on", "place", "small_disk", "undisturbed"]


def test_hangs_failing_cards_and_full_memory_change_no_step(
    place: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_FAULT", "gpu@3,hang@6,oom@8")
    monkeypatch.setenv("DIAPASON_STALL_SECONDS", "6")
    folder = begin(place, "battered")
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 4), state
    assert (state["micro_batch"], state["accumulation"]) == (2, 2)
    starts = [event for event in read_jsonl(folder.events)[0] if event["event"] == "start"]
    assert [event["micro_batch"] for event in starts] == [4, 4, 4, 2]
    assert resumed_from(folder) == [None, 2, 4, 6]
    one, two = losses(folder), losses(undisturbed)
    assert {step: one[step] for step in range(1, 7)} == {step: two[step] for step in range(1, 7)}
    # The same rows in smaller pieces: sums of floats differ in their last digits.
    assert one == pytest.approx(two, abs=5e-6)
    why = [record["reason"] for record in read_jsonl(folder.runner_events)[0] if record["event"] == "exit"]
    for number, said in enumerate(("the GPU failed", "the job hung", "out of memory")):
        assert said in why[number], why
    told = shown(folder, capsys)
    assert (told["status"], told["step"], told["restarts"]) == ("completed", 10, [2, 4, 6])


def _begin_in_tmux(place: Path, name: str) -> tuple[RunFolder, list[str] | None]:
    """A run that a person started and follows in tmux, and the command that kills that tmux."""
    command = [sys.executable, "-m", "tui", "train", write_recipe(place, name), "--follow"]
    command += ["--set", "train.keep_checkpoints=5"]
    if shutil.which("tmux") is None:
        return begin(place, name, "train.keep_checkpoints=5"), None
    tmux = ["tmux", "-S", str(place / "tmux"), "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", *command], check=True)

    def found() -> RunFolder | None:
        with contextlib.suppress(DiapasonError):
            return find_run(name)
        return None

    return wait(found, PATIENCE, "the run"), [*tmux, "kill-server"]


def _lose_apps(place: Path, name: str) -> None:
    """Open the app four times, and lose it: killed, told to end by two signals, its terminal closed."""
    apps = [Terminal([], dict(os.environ), place) for _ in range(4)]
    for app in apps:
        app.wait_for(name, PATIENCE)
    for app, number in zip(apps, (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, None)):
        if number is None:
            app.close_terminal()
        else:
            app.process.send_signal(number)
    for app in apps:
        app.process.wait(PATIENCE)
        app.close()


def _damage(folder: RunFolder) -> None:
    """The three newest checkpoints: cut off, a flipped bit, no optimizer; torn and empty lines in the events."""
    at = lambda step: checkpoints.at(folder.checkpoints, step)  # noqa: E731
    weights = at(8) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    weights = at(6) / "adapter_model.safetensors"
    flipped = bytearray(weights.read_bytes())
    flipped[-5] ^= 0x10
    weights.write_bytes(flipped)
    (at(4) / "optimizer.pt").unlink()
    for path in (folder.events, folder.runner_events):
        with path.open("ab") as file:
            file.write(b"\0" * 700 + b'\n{"event":"step","step":9,"lo')


def test_whatever_is_killed_around_a_run_changes_no_step(
    place: Path,
    undisturbed: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = tmp_path / "clock"
    monkeypatch.setenv("DIAPASON_TEST_CLOCK", str(clock))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{STAND_INS}")
    monkeypatch.setenv("DIAPASON_FAULT", "wait@3,saving@5,wait@9")

    # Terminals, apps and the runner go; the job works on, and one of six runners that race takes charge of it.
    folder, kill_tmux = _begin_in_tmux(place, "survivor")
    waits(folder, 3)
    wait(lambda: folder.state()["job"], PATIENCE)
    runner, job = folder.state()["runner"], folder.state()["job"]
    if kill_tmux:
        subprocess.run(kill_tmux, check=True)
    _lose_apps(place, "survivor")
    for process in (runner, job):
        os.kill(process["pid"], signal.SIGHUP)
    assert race(folder, 0) == [] and (folder.state()["runner"], folder.state()["job"]) == (runner, job)
    kill_dead(runner)
    assert status_of(folder) == "unsupervised"
    monitor_tells(folder, "unsupervised")
    clock.write_text("31536000")
    (winner,) = race(folder, 1)
    wait(lambda: folder.state()["runner"]["pid"] == winner.pid, PATIENCE)
    assert folder.state()["job"] == job and shown(folder, capsys)["status"] == "running"
    os.kill(job["pid"], signal.SIGTERM)
    go(folder, 3)
    state = end(folder)
    assert (state["status"], state["attempt"], state["step"]) == ("stopped", 1, 3), state
    assert winner.wait(PATIENCE) == 0 and "it was asked to stop" in state["reason"]
    told = shown(folder, capsys)
    assert (told["status"], told["step"]) == ("stopped", 3) and 0 < told["elapsed_seconds"] < PATIENCE

    # Killed while it saves: what was sealed before is gone on from. Then the machine dies, and its disk is not well.
    clock.write_text("-86400")
    assert run(["resume", "survivor"]) == 0
    waits(folder, 9)
    wait(lambda: folder.state()["step"] == 8, PATIENCE)
    state = folder.state()
    assert resumed_from(folder) == [None, 3, 4] and state["attempt"] == 3
    assert (folder.checkpoints / ".bad-checkpoint-6").is_dir()
    kill_dead(state["runner"], state["job"])
    _damage(folder)
    stranger = process_with(state["job"]["pid"])
    assert status_of(folder) == "interrupted"
    monitor_tells(folder, "Was cut off at step 8 of 10")
    assert shown(folder, capsys)["status"] == "interrupted"
    assert run(["resume"]) == 0 and folder.id in (listed := capsys.readouterr().out) and "interrupted" in listed
    data = Path(folder.spec()["data"]["train"]["path"])
    rows = data.read_bytes()
    data.write_bytes(rows.replace(b"order 3", b"order 4", 1))
    assert run(["resume", "survivor"]) == 1
    assert f"the train file {data} has changed" in capsys.readouterr().err
    data.write_bytes(rows)

    # Back to the one checkpoint that is whole; then the machine shuts down.
    (folder.path / "waiting-9").unlink()
    assert run(["resume", "survivor"]) == 0
    waits(folder, 9)
    assert resumed_from(folder)[3:] == [3]
    told = "\n".join(event["message"] for event in shown(folder, capsys)["log"] if event["level"] == "warning")
    assert run(["show", folder.id]) == 0 and "The checkpoint of step 4 is not used" in capsys.readouterr().out
    for step, trouble in ((8, "bytes instead of"), (6, "has changed since"), (4, "optimizer.pt is missing")):
        assert f"The checkpoint of step {step} is not used: " in told and trouble in told
    os.kill(folder.state()["runner"]["pid"], signal.SIGTERM)
    wait(lambda: folder.inbox.exists() and "stop" in folder.inbox.read_text(), PATIENCE)
    go(folder, 9)
    state = end(folder)
    assert (state["status"], state["step"], state["cut_off"]) == ("stopped", 9, True) and "SIGTERM" in state["reason"]
    assert shown(folder, capsys)["reason"] == state["reason"]

    assert run(["resume", "--all"]) == 0
    state = end(folder)
    assert (state["status"], state["attempt"], resumed_from(folder)[4:]) == ("completed", 5, [9])
    assert losses(folder) == losses(undisturbed) and evals(folder) == evals(undisturbed)
    name = "adapter_model.safetensors"
    assert (folder.adapter / name).read_bytes() == (undisturbed.adapter / name).read_bytes()
    if stranger is not None:
        assert stranger.poll() is None, "whoever got the job's number is left alone"
        stranger.kill()
        stranger.wait()

    # What is finished stays as it is, whoever asks.
    before = folder.events.read_bytes()
    assert run(["resume", "survivor"]) == 1 and "is completed" in capsys.readouterr().err
    for module, *options in (("core.worker", "--resume"), ("core.engine",)):
        subprocess.run(
            [sys.executable, "-m", module, str(folder.path), *options], check=True, stdout=subprocess.DEVNULL
        )
    assert folder.events.read_bytes() == before and end(folder) == state
    monitor_tells(folder, "Trained to the end")


def _fill(disk: Path, leave: int = 0) -> Path:
    """Fill the disk but for `leave` bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - leave)
    return filler


def test_what_a_person_has_to_mend_ends_the_run(
    place: Path,
    undisturbed: RunFolder,
    small_disk: Path | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faults = "wait@3,wait@5,nan@7" if small_disk else "full@4"
    monkeypatch.setenv("DIAPASON_FAULT", faults)
    if small_disk:
        monkeypatch.setenv("DIAPASON_HOME", str(small_disk / "home"))
    folder = begin(place, "mended")
    if small_disk:
        waits(folder, 3)
        filler = _fill(small_disk, 8 << 20)
        go(folder, 3)
    state = end(folder)
    assert (state["status"], state["attempt"], state["step"]) == ("failed", 1, 2), state
    assert "Free some space" in state["hint"] and shown(folder, capsys)["reason"] == state["reason"]
    assert checkpoints.steps(folder.checkpoints) == [2], "nothing half written is left"
    if small_disk:
        assert "the checkpoint of step 4 needs about" in state["reason"] and "8 MiB are free" in state["reason"]
        monitor_tells(folder, "the disk is nearly full")
        filler.unlink()
        _read_only(small_disk, folder, place, capsys)
    else:
        assert "the disk is full" in state["reason"]
        monkeypatch.setenv("DIAPASON_FAULT", "line@5,nan@7")

    assert run(["resume", folder.id]) == 0
    if small_disk:
        waits(folder, 5)
        with folder.events.open("ab") as file:
            # The rest of its last block would still take a line.
            room = -folder.events.stat().st_size % 4096
            file.write(b"\n" * (room - 40 if room > 40 else room))
        filler, job = _fill(small_disk), folder.state()["job"]
        go(folder, 5)
        wait(lambda: start_time(job["pid"]) != job["start"], PATIENCE)
        # Room for the verdict, and for nothing else.
        os.truncate(filler, filler.stat().st_size - (512 << 10))
    state = end(folder)
    assert (state["status"], state["attempt"], state["step"]) == ("failed", 2, 4), state
    assert "the disk is full" in state["reason"] and "Free some space" in state["hint"]
    assert shown(folder, capsys)["reason"] == state["reason"]
    if small_disk:
        filler.unlink()

    assert run(["resume", folder.id]) == 0
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 3) and "the loss became nan at step 7" in state["reason"]
    assert state["step"] == 6 and shown(folder, capsys)["step"] == 6
    monitor_tells(folder, "the loss became nan at step 7")
    monkeypatch.delenv("DIAPASON_FAULT")
    assert run(["resume", folder.id]) == 0
    assert end(folder)["status"] == "completed" and losses(folder) == losses(undisturbed)
    assert resumed_from(folder) == [None, 2, 4, 6]


def _read_only(disk: Path, folder: RunFolder, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While the home cannot be written to, runs are shown, and none is started: told in plain words."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        before = folder.state()
        assert shown(folder, capsys)["status"] == "failed"
        for command in (["resume", folder.id], ["train", "mended.yaml"]):
            assert run(command) == 1
            said = capsys.readouterr().err
            assert "Read-only file system" in said and str(disk) in said and "should not have" not in said, said
        assert folder.state() == before and list_runs() == [folder] and settled(folder)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def test_a_home_without_locks_shows_its_runs_and_starts_none(
    place: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAPASON_TEST_NO_LOCKS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{STAND_INS}")
    before, state = list_runs(), undisturbed.state()
    try:
        write_json(undisturbed.state_file, {**state, "status": "stopped"})
        code = "import sys; from tui.cli import run; print([run(each.split()) for each in sys.argv[1:]], flush=True)"
        commands = ["runs --json", f"train {write_recipe(place, 'lockless')}", f"resume {undisturbed.id}"]
        done = subprocess.run(
            [sys.executable, "-c", code, *commands], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    finally:
        write_json(undisturbed.state_file, state)
    listed, codes = done.stdout.rsplit("\n", 2)[:2]
    assert codes == "[0, 1, 1]", done
    assert {row["id"]: row["status"] for row in json.loads(listed)["runs"]}[undisturbed.id] == "stopped"
    assert done.stderr.count("the file system has no working locks (No locks available)") == 2
    assert list_runs() == before and undisturbed.state() == state


def test_a_fork_begins_with_the_weights_and_takes_other_settings(
    place: Path, undisturbed: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fork", "undisturbed", "--from", "4", "--set", "train.learning_rate=1e-5", "--name", "forked"]) == 1
    assert "no whole checkpoint of step 4" in capsys.readouterr().err
    assert run(["fork", "undisturbed", "--from", "8", "--set", "lora.r=4"]) == 2
    assert "`lora.r` cannot change" in capsys.readouterr().err
    before = set(list_runs())
    assert run(["fork", "undisturbed", "--from", "8", "--set", "train.learning_rate=1e-5", "--name", "forked"]) == 0
    (folder,) = set(list_runs()) - before
    assert end(folder)["status"] == "completed"
    assert folder.spec()["start"] == {"run": undisturbed.id, "step": 8} and folder.name == "forked"
    assert evals(folder)[0] == pytest.approx(evals(undisturbed)[8], abs=1e-6), "the weights are those of step 8"
    assert folder.spec()["recipe"]["train"]["learning_rate"] == 1e-5


def test_a_run_does_not_go_on_as_another(
    place: Path, undisturbed: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(undisturbed.path.with_name(f"{undisturbed.id[:-4]}0000-changed"))
    shutil.copytree(undisturbed.path, folder.path)
    assert differences(folder).refused == [] == differences(folder).warnings
    rows = tmp_path / "other.jsonl"
    spec = read_json(folder.spec_file)
    shutil.copyfile(spec["data"]["train"]["path"], rows)
    with rows.open("ab") as file:
        file.write(b"\n")
    spec["data"]["train"]["path"] = str(rows)
    write_json(folder.spec_file, spec)
    folder.recipe_file.write_text(folder.recipe_file.read_text().replace("1.0e-3", "5.0e-3"))
    for manifest in folder.checkpoints.glob("*/MANIFEST.json"):
        found = read_json(manifest)
        found["versions"] |= {"torch": "1.0.0", "peft": found["versions"]["peft"] + ".1"}
        write_json(manifest, found)
    write_json(folder.state_file, folder.state() | {"status": "stopped", "ended": time.time()})
    (folder.path / "exit.1.json").unlink()
    assert run(["resume", folder.id]) == 1
    told = capsys.readouterr().err
    for said in (
        "train.learning_rate was 0.001 and is 0.005", "other.jsonl has changed", "torch was 1.0.0",
        f"diapason fork {folder.id}", "--force",
    ):  # fmt: skip
        assert said in told, told
    assert folder.state()["status"] == "stopped" and "peft" in differences(RunFolder(folder.path)).warnings[0]
    shutil.rmtree(folder.path)
