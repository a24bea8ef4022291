"""A training of two processes (gloo, on the processor): torchrun underneath, one run folder, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from core.files import read_json, read_jsonl
from core.runs import checkpoints
from core.runs.folder import RunFolder, list_runs
from core.runs.process import is_rank, marked
from tests.runs_help import end_everything, settled, status, wait
from tests.tiny import make_tiny_model
from tests.training import curve, make_run
from tui.cli import run

PATIENCE = 300
ROOT = Path(__file__).resolve().parents[2]
TRAIN = {"micro_batch_size": 2, "accumulation": 1, "max_steps": 8, "max_length": 64, "eval_every": 2,
         "learning_rate": 1.0e-3}  # fmt: skip
RECIPE = """\
name: {name}
model: {model}
device: cpu
gpus: 2
data: {{train: rows.jsonl}}
lora: {{dropout: {dropout}}}
train: {train}
samples: {{count: 1, max_new_tokens: 4}}
evaluation: {{after_training: false}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny model, rows, and a home of its own."""
    folder = tmp_path_factory.mktemp("ranks")
    make_tiny_model(folder / "tiny")
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} left today. Thank you!"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIAPASON_HOME": str(folder / "home"), "DIAPASON_LOCKS": str(folder / "locks"), "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false",
            "DIAPASON_BACKOFF_SECONDS": "0.1", "DIAPASON_POLL_SECONDS": "0.1", "PYTHONPATH": str(ROOT),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.chdir(folder)
        yield folder
        end_everything()


def begin(place: Path, name: str) -> RunFolder:
    (place / f"{name}.yaml").write_text(
        RECIPE.format(name=name, model=place / "tiny", dropout=0.1, train=json.dumps(TRAIN))
    )
    before = set(list_runs())
    assert run(["train", f"{name}.yaml"]) == 0
    (folder,) = set(list_runs()) - before
    return folder


def ended(folder: RunFolder) -> dict[str, Any]:
    wait(lambda: settled(folder), PATIENCE, f"the end of {folder.name}: {folder.state()}")
    assert marked(folder.id) == [], "no process is left behind"
    return folder.state()


def rank_of(folder: RunFolder, number: int) -> int:
    """The process id of rank `number`."""
    mark = b"\0RANK=%d\0" % number
    (pid,) = [pid for pid, _ in marked(folder.id) if mark in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()]
    return pid


def at_step(folder: RunFolder, step: int, attempt: int) -> bool:
    if folder.state().get("attempt") != attempt:
        return False
    found = read_jsonl(folder.events)[0]
    starts = [at for at, event in enumerate(found) if event["event"] == "start"]
    return len(starts) == attempt and any(e["event"] == "step" and e["step"] >= step for e in found[starts[-1] :])


def test_one_killed_rank_a_stop_and_a_resume_change_no_step(place: Path) -> None:
    undisturbed = begin(place, "undisturbed")
    disturbed = begin(place, "disturbed")
    assert ended(undisturbed)["status"] == "completed"
    (start,) = [event for event in read_jsonl(undisturbed.events)[0] if event["event"] == "start"]
    assert (start["world_size"], start["parallel"]) == (2, "ddp")
    assert [record["step"] for record in read_jsonl(undisturbed.samples)[0]] == [0, 2, 4, 6, 8], "each answered once"

    wait(lambda: at_step(disturbed, 3, 1), PATIENCE)
    os.kill(rank_of(disturbed, 1), signal.SIGKILL)
    wait(lambda: at_step(disturbed, 5, 2), PATIENCE, "the second attempt")
    ranks = [pid for pid, _ in marked(disturbed.id) if is_rank(pid)]
    assert len(ranks) == 2
    assert run(["stop", disturbed.id]) == 0
    state = ended(disturbed)
    assert status(disturbed) == "stopped" and 5 <= state["step"] < 8, state
    reasons = [note["reason"] for note in read_jsonl(disturbed.runner_events)[0] if note["event"] == "exit"]
    assert reasons[0] == "process 2 of 2 was killed by signal 9 (SIGKILL)" and state["attempt"] == 2
    sealed = checkpoints.at(disturbed.checkpoints, state["step"])
    assert checkpoints.problem(sealed) is None and {"rng_state_0.pth", "rng_state_1.pth"} <= {
        path.name for path in sealed.iterdir()
    }

    assert run(["resume", disturbed.id]) == 0
    assert ended(disturbed)["status"] == "completed"
    assert curve(disturbed.path) == curve(undisturbed.path)
    assert read_json(disturbed.path / "exit.3.json")["status"] == "completed"
    one, two = (load_file(folder.adapter / "adapter_model.safetensors") for folder in (disturbed, undisturbed))
    assert one.keys() == two.keys() and all((one[name] == two[name]).all() for name in one)
