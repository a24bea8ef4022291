"""A training of two processes (gloo, on the processor): torchrun underneath, one run folder, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import read_json, read_jsonl, write_json
from core.runs import checkpoints
from core.runs.folder import RunFolder, list_runs
from core.runs.process import is_rank, marked
from tests.runs_help import end_everything, settled, wait
from tests.tiny import make_tiny_model
from tests.training import curve
from tui.cli import run

PATIENCE = 300
ROOT = Path(__file__).resolve().parents[2]
TRAIN = {"micro_batch_size": 2, "accumulation": 1, "max_steps": 14, "max_length": 64, "eval_every": 2,
         "keep_checkpoints": 7, "learning_rate": 1.0e-3}  # fmt: skip
RECIPE = """\
name: {name}
model: {model}
device: cpu
gpus: 2
data: {{train: rows.jsonl}}
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
    (place / f"{name}.yaml").write_text(RECIPE.format(name=name, model=place / "tiny", train=json.dumps(TRAIN)))
    before = set(list_runs())
    assert run(["train", f"{name}.yaml"]) == 0
    (folder,) = set(list_runs()) - before
    return folder


def ended(folder: RunFolder) -> dict[str, Any]:
    wait(lambda: settled(folder), PATIENCE, f"the end of {folder.name}: {folder.state()}")
    assert marked(folder.id) == [], "no process is left behind"
    return folder.state()


def began(folder: RunFolder) -> list[dict[str, Any]]:
    return [event for event in read_jsonl(folder.events)[0] if event["event"] == "start"]


def at_step(folder: RunFolder, step: int, attempt: int) -> bool:
    """Whether the attempt has come to `step`."""
    lines = read_jsonl(folder.events)[0]
    mine = [at for at, event in enumerate(lines) if event["event"] == "start" and event["attempt"] == attempt]
    return bool(mine) and any(event["event"] == "step" and event["step"] >= step for event in lines[mine[0] :])


def rank_of(folder: RunFolder, number: int) -> int:
    """The process id of rank `number`."""
    mark = b"\0RANK=%d\0" % number
    (pid,) = [pid for pid, _ in marked(folder.id) if mark in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()]
    return pid


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> RunFolder:
    folder = begin(place, "undisturbed")
    assert ended(folder)["status"] == "completed"
    return folder


def test_two_processes_train_as_one_does(undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows a step, once by two processes and once by one with twice the accumulation."""
    import torch

    from core.engine.__main__ import run as engine

    (start,) = began(undisturbed)
    assert (start["world_size"], start["parallel"], start["micro_batch"]) == (2, "ddp", 2)
    assert [record["step"] for record in read_jsonl(undisturbed.samples)[0]] == [*range(0, 15, 2)], (
        "each answered once"
    )
    alone = undisturbed.path.parent / "alone"
    spec = read_json(undisturbed.spec_file)
    spec["recipe"] |= {"gpus": 1, "train": spec["recipe"]["train"] | {"accumulation": 2}}
    alone.mkdir()
    write_json(alone / "spec.json", spec)
    threads = torch.get_num_threads()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    monkeypatch.setenv("DIAPASON_ATTEMPT", "1")
    torch.set_num_threads(1)
    try:
        assert engine(alone) == 0
    finally:
        torch.set_num_threads(threads)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    two, one = curve(undisturbed.path), curve(alone)
    shutil.rmtree(alone)
    assert two["eval", 0] == one["eval", 0], "each row's loss is found in the same batch"
    # Until the first step the adapters add nothing, so that their dropout, which differs, does not show.
    assert two["step", 1][0] == pytest.approx(one["step", 1][0], abs=1e-6)
    assert two.keys() == one.keys()
    for key, (loss, _, rate, tokens) in one.items():
        assert two[key][0] == pytest.approx(loss, abs=5e-3), key
        assert two[key][2:] == (rate, tokens), key


def test_a_resume_a_killed_rank_and_a_stop_change_no_step(undisturbed: RunFolder) -> None:
    """A copy of the run, cut back to step 2 and resumed; one of its processes is killed, the rest stopped."""
    folder = RunFolder(undisturbed.path.with_name(f"{undisturbed.id[:-4]}0000-copy"))
    shutil.copytree(undisturbed.path, folder.path)
    for step in checkpoints.steps(folder.checkpoints):
        if step > 2:
            shutil.rmtree(checkpoints.at(folder.checkpoints, step))
    for name in ("exit.1.json", "events.jsonl", "runner.jsonl"):
        (folder.path / name).unlink()
    write_json(folder.state_file, folder.state() | {"status": "stopped", "step": 2})

    assert run(["resume", folder.id]) == 0
    wait(lambda: at_step(folder, 5, 2), PATIENCE, "step 5")
    os.kill(rank_of(folder, 1), signal.SIGKILL)
    wait(lambda: at_step(folder, 7, 3), PATIENCE, "step 7 of the third attempt")
    assert sum(is_rank(pid) for pid, _ in marked(folder.id)) == 2
    assert run(["stop", folder.id]) == 0
    state = ended(folder)
    assert (state["status"], state["attempt"]) == ("stopped", 3) and state["step"] >= 7, state
    ends = [note["reason"] for note in read_jsonl(folder.runner_events)[0] if note["event"] == "exit"]
    assert ends == ["process 2 of 2 was killed by signal 9 (SIGKILL)", "stopped as asked, after saving"]
    assert [start["resumed_from"] for start in began(folder)] in ([2, 4], [2, 6])
    sealed = checkpoints.at(folder.checkpoints, state["step"])
    assert checkpoints.problem(sealed) is None
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in sealed.iterdir()}
    mine = curve(folder.path)
    assert {("step", step) for step in range(3, 8)} <= mine.keys()
    assert mine == {key: value for key, value in curve(undisturbed.path).items() if key in mine}
    assert (folder.adapter / "adapter_model.safetensors").is_file()


def test_a_model_that_is_dealt_out_is_saved_whole_and_goes_on(place: Path, tmp_path: Path) -> None:
    """Two processes with raw `fully_shard`, as accelerate shards over GPUs only (tests/sharded.py)."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    shutil.copytree(place / "tiny", tmp_path / "tiny")
    (tmp_path / "logs").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "core.engine.launch", "2", "tests.sharded", str(tmp_path)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    losses = json.loads((tmp_path / "losses.json").read_text())
    for method in ("lora", "full"):
        assert losses[method]["again"] == losses[method]["on"] != losses[method]["before"]
        saved = checkpoints.at(tmp_path / method, 2)
        assert checkpoints.problem(saved) is None
        exported = checkpoints.export(saved, tmp_path / f"{method}-exported")
        base = tmp_path / "tiny" if method == "lora" else exported
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        if method == "lora":
            model = PeftModel.from_pretrained(model, exported)
        found: list[float] = []
        for rank in range(2):
            torch.manual_seed(200 + rank)
            ids = torch.randint(6, 400, (2, 16))
            with torch.no_grad():
                found.append(float(model(input_ids=ids, labels=ids).loss))
        # The whole model of the exported files answers as the parts did.
        assert sum(found) / 2 == pytest.approx(losses[method]["on"][0], abs=1e-5)
        state = torch.load(saved / "optimizer.pt", weights_only=True)["state"]
        assert state and all(entry["exp_avg"].shape == entry["exp_avg_sq"].shape for entry in state.values())
