"""train, runs, show, logs, stop and resume as a person uses them, with the real engine and a tiny model."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import read_jsonl
from core.runs.folder import RunFolder, list_runs
from core.runs.status import status_of
from tests.runs_help import end_everything, settled, wait
from tests.tiny import make_tiny_model

# Seconds that anything may take: the machine of a test may be busy with others.
PATIENCE = 600
ROOT = Path(__file__).resolve().parents[2]
RECIPE = """\
# a run of a few seconds
name: brand voice
model: {model}
device: cpu
data: {{train: rows.jsonl}}
train: {{micro_batch_size: 4, accumulation: 1, max_steps: 12, max_length: 64, eval_every: 4, learning_rate: 1.0e-3}}
samples: {{count: 1, max_new_tokens: 4}}
evaluation: {{after_training: false}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a tiny model, rows and a recipe, and a home of its own for all tests of this file."""
    folder = tmp_path_factory.mktemp("runs")
    make_tiny_model(folder / "tiny")
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} left today. Thank you!"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.yaml").write_text(RECIPE.format(model=folder / "tiny"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIAPASON_HOME": str(folder / "home"), "DIAPASON_LOCKS": str(folder / "locks"), "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false",
            "DIAPASON_BACKOFF_SECONDS": "0.1", "PYTHONPATH": str(ROOT),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        yield folder


@pytest.fixture(autouse=True)
def nothing_runs_on(place: Path) -> Iterator[None]:
    """No test leaves the slot taken for the next one."""
    yield
    end_everything()


def diapason(*arguments: str, cwd: Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


def document(*arguments: str, cwd: Path) -> dict[str, Any]:
    done = diapason(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0 and done.stderr == ""
    return json.loads(done.stdout)


def losses(folder: RunFolder) -> dict[int, float]:
    """The last logged loss of each step."""
    return {event["step"]: event["loss"] for event in read_jsonl(folder.events)[0] if event["event"] == "step"}


def sealed(folder: RunFolder) -> int:
    return int(folder.state().get("step") or 0)


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> RunFolder:
    """A run that was followed to its end."""
    done = diapason("train", "run.yaml", "--follow", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("preflight: peak memory", "step 12/12  loss ", "validation at step 4", "checkpoint sealed at step 8",
                 "training completed after", "best validation loss", "the tuned adapter is in"):  # fmt: skip
        assert said in done.stdout
    (folder,) = list_runs()
    assert f"run {folder.id}" in done.stdout
    return folder


def test_a_run_is_followed_listed_shown_and_its_log_read(undisturbed: RunFolder, place: Path) -> None:
    listed = document("runs", cwd=place)
    assert listed["schema"] == 1
    (row,) = listed["runs"]
    assert (row["id"], row["name"], row["status"]) == (undisturbed.id, "brand voice", "completed")
    assert (row["step"], row["total_steps"], row["eta_seconds"]) == (12, 12, None) and row["best"]["loss"] > 0
    shown = document("show", "last", cwd=place)
    assert [step["step"] for step in shown["steps"]] == list(range(1, 13)) and shown["recipe"]["train"][
        "max_steps"
    ] == 12
    assert shown["data"]["train"]["rows"] == 48 and [event["step"] for event in shown["checkpoints"]] == [4, 8, 12]
    assert undisturbed.recipe_file.read_text() == (place / "run.yaml").read_text()
    text = diapason("show", "brand", cwd=place).stdout
    assert "completed" in text and "rows        train 48, validation 6, test 6" in text
    assert re.search(r"brand voice +completed +12/12", diapason("runs", cwd=place).stdout)
    assert diapason("logs", undisturbed.id[:-2], "-n", "2", cwd=place).stdout.count("\n") == 2
    followed = diapason("logs", "last", "-f", cwd=place)
    assert followed.returncode == 0 and "-- completed" in followed.stderr
    again = diapason("resume", "last", cwd=place)
    assert again.returncode == 1 and "completed" in again.stderr and "Traceback" not in again.stderr
    assert diapason("stop", "last", cwd=place).returncode == 1
    assert "No run was cut off" in diapason("resume", cwd=place).stdout


def _leave_with_ctrl_c(place: Path) -> bytes:
    """Follow a long run on a terminal until its first step, press ctrl+c; what the terminal showed."""
    command = [sys.executable, "-m", "tui", "train", "run.yaml", "--follow", "--set", "train.max_steps=400"]
    pid, terminal = pty.fork()
    if pid == 0:
        # A suite started in the background by a shell inherits an ignored SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(place)
        os.execv(sys.executable, [*command, "--set", "name=long"])
    shown, deadline = b"", time.monotonic() + PATIENCE
    while b"/400  loss" not in shown and time.monotonic() < deadline:
        shown += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 4096):
            shown += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    return shown


def test_ctrl_c_leaves_stop_saves_resume_goes_on_and_a_lost_runner_is_replaced(place: Path) -> None:
    shown = _leave_with_ctrl_c(place)
    assert b"The run goes on." in shown and b"Traceback" not in shown
    folder = list_runs()[0]
    count = len(losses(folder))
    wait(lambda: len(losses(folder)) > count, PATIENCE, "a step after ctrl+c")

    stopped = diapason("stop", "long", cwd=place)
    assert stopped.returncode == 0 and "finishes its step" in stopped.stdout
    wait(lambda: settled(folder), PATIENCE)
    at = sealed(folder)
    assert folder.state()["status"] == "stopped" and at == max(losses(folder))
    assert (folder.checkpoints / f"checkpoint-{at}" / "MANIFEST.json").is_file()

    resumed = diapason("resume", "long", cwd=place)
    assert resumed.returncode == 0 and "goes on" in resumed.stdout
    wait(lambda: max(losses(folder)) > at, PATIENCE, "a step after the stop")
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: status_of(folder) == "unsupervised", PATIENCE, "the end of the runner")
    assert document("show", "long", cwd=place)["status"] == "running", "the next command has given it a runner"
    assert diapason("stop", "long", cwd=place).returncode == 0
    wait(lambda: settled(folder), PATIENCE)
    assert (folder.state()["status"], folder.state()["attempt"]) == ("stopped", 2)


def test_a_failed_run_exits_1_and_says_why(place: Path) -> None:
    weights = place / "broken"
    make_tiny_model(weights)
    (weights / "tokenizer.json").write_text("{}")
    done = diapason("train", "run.yaml", "--follow", "--set", f"model={weights}", cwd=place)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "Traceback" not in said and "tokenizer" in said.lower()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("train", "gone.yaml"), 2, "gone.yaml"),
        (("train", "run.yaml", "--set", "train.max_step=3"), 2, "max_steps"),
        (("train", "run.yaml", "--set", "data.train=gone.jsonl"), 1, "gone.jsonl"),
        (("show", "nothing"), 1, "no run is called"),
        (("stop", "nothing"), 1, "no run is called"),
        (("resume", "x", "--all"), 2, "not both"),
        (("logs", "last", "-n", "many"), 2, "whole number"),
    ],
)
def test_what_is_wrong_is_one_plain_message(
    undisturbed: RunFolder, place: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = list_runs()
    done = diapason(*arguments, cwd=place)
    assert done.returncode == code and said in done.stderr and "Traceback" not in done.stderr + done.stdout
    assert list_runs() == before
