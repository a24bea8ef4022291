"""Accidents in real trainings of a tiny model: the right verdict, and the losses of an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import read_json, read_jsonl, write_json
from core.resuming import differences
from core.runs.folder import RunFolder, list_runs
from core.runs.process import marked
from core.runs.status import status_of
from tests.runs_help import end_everything, settled, wait
from tests.tiny import make_tiny_model
from tui.cli import run

PATIENCE = 300
ROOT = Path(__file__).resolve().parents[2]
RECIPE = """\
name: {name}
model: {model}
device: cpu
data: {{train: rows.jsonl}}
lora: {{dropout: 0}}
train: {{micro_batch_size: 4, accumulation: 1, max_steps: 10, max_length: 64, eval_every: 2, learning_rate: 1.0e-3}}
samples: {{count: 0}}
evaluation: {{after_training: false}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny model, rows, and a home of its own."""
    folder = tmp_path_factory.mktemp("faults")
    make_tiny_model(folder / "tiny")
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} left today. Thank you!"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIAPASON_HOME": str(folder / "home"), "DIAPASON_LOCKS": str(folder / "locks"), "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false",
            "DIAPASON_BACKOFF_SECONDS": "0.1", "DIAPASON_POLL_SECONDS": "0.1", "PYTHONPATH": str(ROOT),
            "DIAPASON_ENGINE": "tests.faulty_engine",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.chdir(folder)
        yield folder


@pytest.fixture(autouse=True)
def nothing_runs_on(place: Path) -> Iterator[None]:
    yield
    end_everything()


def losses(folder: RunFolder) -> dict[int, float]:
    """The last logged loss of each step."""
    return {event["step"]: event["loss"] for event in read_jsonl(folder.events)[0] if event["event"] == "step"}


def evals(folder: RunFolder) -> dict[int, float]:
    return {event["step"]: event["loss"] for event in read_jsonl(folder.events)[0] if event["event"] == "eval"}


def begin(place: Path, name: str, *changes: str) -> RunFolder:
    """Submit a run called `name`."""
    (place / f"{name}.yaml").write_text(RECIPE.format(name=name, model=place / "tiny"))
    before = set(list_runs())
    assert run(["train", f"{name}.yaml", *(part for change in changes for part in ("--set", change))]) == 0
    (folder,) = set(list_runs()) - before
    return folder


def end(folder: RunFolder) -> dict[str, Any]:
    wait(lambda: settled(folder), PATIENCE, f"the end of {folder.name}: {folder.state()}")
    assert marked(folder.id) == [], "no process is left behind"
    return folder.state()


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> RunFolder:
    folder = begin(place, "undisturbed")
    assert end(folder)["status"] == "completed"
    return folder


def test_kills_hangs_and_full_memory_change_no_step(
    place: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAPASON_FAULT", "kill@3,gpu@5,hang@6,oom@8")
    monkeypatch.setenv("DIAPASON_STALL_SECONDS", "40")
    folder = begin(place, "battered")
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("completed", 6), state
    assert (state["micro_batch"], state["accumulation"]) == (1, 4)
    starts = [event for event in read_jsonl(folder.events)[0] if event["event"] == "start"]
    assert [event["micro_batch"] for event in starts] == [4, 4, 4, 4, 2, 1]
    assert [event["resumed_from"] for event in starts] == [None, 2, 4, 4, 6, 6]
    one, two = losses(folder), losses(undisturbed)
    assert {step: one[step] for step in range(1, 7)} == {step: two[step] for step in range(1, 7)}
    # The same rows in smaller pieces: sums of floats differ in their last digits.
    assert one == pytest.approx(two, abs=5e-6)
    why = [record["reason"] for record in read_jsonl(folder.runner_events)[0] if record["event"] == "exit"]
    for number, said in enumerate(("SIGKILL", "the GPU failed", "the job hung", "out of memory", "out of memory")):
        assert said in why[number], why


def test_what_a_person_has_to_mend_ends_the_run(
    place: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAPASON_FAULT", "full@4")
    folder = begin(place, "mended")
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 1) and "the disk is full" in state["reason"]
    assert "Free some space" in state["hint"] and state["step"] == 2
    monkeypatch.setenv("DIAPASON_FAULT", "nan@5")
    assert run(["resume", folder.id]) == 0
    state = end(folder)
    assert (state["status"], state["attempt"]) == ("failed", 2) and "the loss became nan at step 5" in state["reason"]
    monkeypatch.delenv("DIAPASON_FAULT")
    assert run(["resume", folder.id]) == 0
    assert end(folder)["status"] == "completed" and losses(folder) == losses(undisturbed)


def test_runner_and_trainer_killed_shows_and_goes_on(
    place: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAPASON_FAULT", "hang@6")
    folder = begin(place, "both")
    wait(lambda: max(losses(folder), default=0) >= 5, PATIENCE)
    state = folder.state()
    os.kill(state["runner"]["pid"], signal.SIGKILL)
    os.kill(state["job"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "interrupted")
    assert run(["resume", folder.id]) == 0
    assert end(folder)["status"] == "completed" and losses(folder) == losses(undisturbed)


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
