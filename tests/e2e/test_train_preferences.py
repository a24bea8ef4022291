"""DPO and KTO in their folders: the reference is the tuned adapter, the first loss says so, a kill loses nothing."""

from __future__ import annotations

import json
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from core.files import read_json, write_json
from core.runs import checkpoints
from tests.e2e.test_train import at_step, here, wait_for  # noqa: F401
from tests.tiny import make_tiny_model
from tests.training import chat_rows, curve, events, make_run, start, verdict

_DEADLINE = 300.0
_SETTINGS: dict[str, Any] = {
    "method": "dpo", "format": "preference", "lora": {"r": 4, "alpha": 8},
    "train": {"epochs": 2, "micro_batch_size": 2, "accumulation": 2, "learning_rate": 0.01, "eval_every": 3},
}  # fmt: skip


def pairs(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Pairs of a polite and a curt answer, all different."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(chat_rows(count, first)):
        question, answer = row["messages"]
        curt = {"role": "assistant", "content": f"No idea about {number}."}
        rows.append({"prompt": [question], "chosen": [answer], "rejected": [curt]})
    return rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def tuned(model: Path, tmp_path_factory: pytest.TempPathFactory, here: Any) -> Path:  # noqa: F811
    """The folder of an SFT run, whose spec is one of before preferences were trained on; made once."""
    folder = tmp_path_factory.getbasetemp() / "tuned" / "run"
    if folder.exists():
        return folder
    make_run(folder, model, lora={"r": 4, "alpha": 8}, train={"epochs": 1}, samples={"count": 0})
    spec = read_json(folder / "spec.json")
    for name in ("preference", "start"):
        del spec["recipe"][name]
    write_json(folder / "spec.json", spec)
    assert here(folder) == 0, verdict(folder)
    return folder


def prefer(folder: Path, model: Path, adapter: Path | None, **changes: Any) -> Path:
    """The folder of a DPO run that begins with `adapter`, as `core.submit` writes it."""
    values = {"rows": pairs(16), "validation": pairs(4, 100), "test": None, **_SETTINGS, **changes}
    values["train"] = {**_SETTINGS["train"], **changes.get("train", {})}
    make_run(folder, model, **values)
    spec = read_json(folder / "spec.json")
    spec["reference"] = {"kind": "adapter" if adapter else "model"}
    write_json(folder / "spec.json", spec)
    if adapter:
        shutil.copytree(adapter, folder / "reference")
    return folder


def test_dpo_begins_at_ln_2_and_goes_on_after_a_kill(tuned: Path, model: Path, tmp_path: Path, here: Any) -> None:  # noqa: F811
    # An old spec resumes: its fingerprint is of what it holds, not of what recipes hold now.
    (tuned / "exit.1.json").rename(tuned / "first.json")
    assert here(tuned, 2) == 0, verdict(tuned, 2)

    whole = prefer(tmp_path / "whole", model, tuned / "adapter")
    assert here(whole) == 0, verdict(whole)
    steps, evals = events(whole, "step"), events(whole, "eval")
    assert abs(steps[0]["loss"] - math.log(2)) < 1e-6 and abs(evals[0]["loss"] - math.log(2)) < 1e-6
    assert evals[0]["margin"] == 0 and evals[0]["accuracy"] == 0
    assert evals[-1]["loss"] < evals[0]["loss"] and evals[-1]["margin"] > 0 and evals[-1]["accuracy"] > 0.5
    assert steps[0]["margin"] == 0 < steps[-1]["margin"] and 0 <= steps[-1]["accuracy"] <= 1
    assert steps[-1]["tokens"] == 2 * events(whole, "preflight")[0]["checks"]["tokens"]
    settings = read_json(whole / "adapter" / "adapter_config.json")
    assert settings["base_model_name_or_path"] == str(model) and settings["r"] == 4
    assert not (whole / "adapter" / "ref").exists()
    newest = checkpoints.at(whole / "checkpoints", 8)
    assert checkpoints.problem(newest) is None and not (newest / "ref").exists()
    before, after = (load_file(run / "adapter" / "adapter_model.safetensors") for run in (tuned, whole))
    assert before.keys() == after.keys() and any((before[name] != after[name]).any() for name in before)

    killed = prefer(tmp_path / "killed", model, tuned / "adapter")
    process = start(killed)
    wait_for(at_step(killed, 4), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert here(killed, 2) == 0, verdict(killed, 2)
    assert events(killed, "start")[-1]["resumed_from"] >= 3
    assert curve(killed) == curve(whole)
    mine, theirs = (run / "adapter" / "adapter_model.safetensors" for run in (killed, whole))
    assert mine.read_bytes() == theirs.read_bytes()


def test_kto_learns_from_both_kinds(tuned: Path, model: Path, tmp_path: Path, here: Any) -> None:  # noqa: F811
    rows = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in pairs(12)
        for side in ("chosen", "rejected", "rejected")
    ]
    rows = [row for number, row in enumerate(rows) if number % 3 != 2 or number % 2]
    options: dict[str, Any] = {"method": "kto", "format": "kto", "rows": rows, "validation": rows[:6]}
    folder = prefer(tmp_path / "run", model, tuned / "adapter", **options)
    assert here(folder) == 0, verdict(folder)
    evals = events(folder, "eval")
    # At the reference every answer's value is σ(0).
    assert abs(evals[0]["loss"] - 0.5) < 1e-6 and evals[0]["kl"] == 0
    assert abs(events(folder, "step")[0]["loss"] - 0.5) < 1e-6
    assert evals[-1]["loss"] < 0.5 and evals[-1]["margin"] > 0

    only_good = [row for row in rows if row["label"]]
    folder = prefer(tmp_path / "good", model, tuned / "adapter", **{**options, "rows": only_good})
    assert here(folder) == 1
    error = verdict(folder)["error"]
    assert "no answer that is bad" in error["message"] and "label false" in error["hint"]


def test_other_references(tuned: Path, model: Path, tmp_path: Path, here: Any) -> None:  # noqa: F811
    brief = {"max_steps": 2, "eval_every": 2}
    four_bit = prefer(tmp_path / "four_bit", model, tuned / "adapter", train=brief, preference={"load_in_4bit": True})
    assert here(four_bit) == 0, verdict(four_bit)
    assert abs(events(four_bit, "step")[0]["loss"] - math.log(2)) < 1e-4
    # No adapter to begin with: a new one, and the model below it is the reference.
    fresh = prefer(tmp_path / "fresh", model, None, train=brief)
    assert here(fresh) == 0, verdict(fresh)
    assert abs(events(fresh, "step")[0]["loss"] - math.log(2)) < 1e-6
    assert events(fresh, "eval")[-1]["loss"] < math.log(2)


def test_what_pairs_cannot_teach_is_told(tuned: Path, model: Path, tmp_path: Path, here: Any) -> None:  # noqa: F811
    alike = pairs(1, 50)[0]
    for side, end in (("chosen", "yes"), ("rejected", "no")):
        alike[side] = [{"role": "assistant", "content": "word " * 300 + end}]
    long = pairs(1, 60)[0]
    long["prompt"] = [{"role": "user", "content": "word " * 300}]
    folder = prefer(tmp_path / "run", model, tuned / "adapter", rows=[*pairs(6), alike, long], train={"max_steps": 1})
    assert here(folder) == 0, verdict(folder)
    said = json.dumps([event["message"] for event in events(folder, "log")])
    assert "because their two answers are alike: 1" in said and "1 rows are left out" in said
    assert events(folder, "start")[0]["train_rows"] == 6
    chat = prefer(tmp_path / "chat", model, tuned / "adapter", rows=chat_rows(4), format="chat", validation=None)
    assert here(chat) == 1
    assert "this is a row of the kind chat" in verdict(chat)["error"]["message"]
