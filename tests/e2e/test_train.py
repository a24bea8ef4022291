"""Training as a process in its folder: events, sealed checkpoints, kill and resume, the adapter without us."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from core.files import read_json, read_jsonl, write_json
from tests.tiny import make_tiny_model
from tests.trackers_help import check_reports, report
from tests.training import chat_rows, curve, events, make_job, make_run, start, verdict

os.environ.setdefault("OMP_NUM_THREADS", "1")
_DEADLINE = 300.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path, int], int]]:
    """Run the engine in this process: the imports are paid for once."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path_factory.getbasetemp() / "hf_modules"))
    import torch

    from core.engine.__main__ import run

    # As in the processes that these runs are compared with: sums differ with the number of threads.
    torch.set_num_threads(1)

    def go(folder: Path, attempt: int = 1) -> int:
        monkeypatch.setenv("DIAPASON_ATTEMPT", str(attempt))
        return run(folder)

    yield go
    for number, handler in handlers.items():
        signal.signal(number, handler)


def wait_for(found: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until `found` gives something true; fail where the process ends first or time runs out."""
    deadline = time.monotonic() + _DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it took too long"
        assert process is None or process.poll() is None, "the engine ended too early"
        time.sleep(0.02)


def at_step(folder: Path, step: int) -> Callable[[], bool]:
    return lambda: any(event["step"] >= step for event in events(folder, "step"))


@pytest.fixture(scope="module")
def undisturbed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 steps that nobody disturbed, in a process of its own."""
    folder = make_run(tmp_path_factory.mktemp("undisturbed") / "run", model)
    assert start(folder).wait(_DEADLINE) == 0, (folder / "log.txt").read_text()
    return folder


def test_a_run_says_what_it_does(undisturbed: Path) -> None:
    assert verdict(undisturbed) == {"status": "completed", "step": 12, "error": None}
    (begin,) = events(undisturbed, "start")
    assert begin["total_steps"] == 12 and begin["train_rows"] == 24 and begin["validation_rows"] == 6
    assert begin["resumed_from"] is None and begin["device"] == "cpu" and begin["attempt"] == 1
    assert 0 < begin["trainable_parameters"] < begin["total_parameters"]
    (before,) = events(undisturbed, "preflight")
    assert before["peak_memory_bytes"] > 50e6 and before["eta_seconds"] > 0
    assert before["checks"]["rows"] == 24 and before["checks"]["cut"] == 0
    steps = events(undisturbed, "step")
    assert [event["step"] for event in steps] == list(range(1, 13))
    assert all(event["loss"] > 0 and event["grad_norm"] > 0 and event["ram_bytes"] > 50e6 for event in steps)
    assert steps[-1]["tokens"] == 2 * before["checks"]["tokens"]
    # On a processor no share of a card's speed is made up.
    assert begin["flops_per_token"] > 4 * 100_000 and begin["peak_flops"] is None
    for event in steps:
        assert sum(event["split"].values()) == pytest.approx(event["seconds"], abs=1e-5) and event["mfu"] is None
        assert min(event["split"].values()) >= 0 and event["split"]["forward"] > 0.1 * event["seconds"]
        assert event["split"]["backward"] > 0.1 * event["seconds"] and event["split"]["optimizer"] > 0
    assert steps[0]["paused"] == 0 and all(event["paused"] > 0 for event in steps[1:])
    evals = events(undisturbed, "eval")
    assert [event["step"] for event in evals] == [0, *range(1, 13)]
    assert evals[-1]["loss"] < evals[0]["loss"]
    lowest = [min(event["loss"] for event in evals[1:upto]) for upto in range(2, 14)]
    assert [event["best"] for event in evals[1:]] == [
        event["loss"] == low and lowest.index(low) == at
        for at, (event, low) in enumerate(zip(evals[1:], lowest, strict=True))
    ]
    assert not evals[0]["best"]
    order = [event["event"] for event in events(undisturbed)]
    assert order.index("preflight") < order.index("step") and order[-1] == "end"


def test_samples_show_how_the_answers_change(undisturbed: Path) -> None:
    samples, _ = read_jsonl(undisturbed / "samples.jsonl")
    assert [sample["step"] for sample in samples] == [0, *range(1, 13)]
    assert samples[0]["prompt"] == [{"role": "user", "content": "Where is my lamp number 100?"}]
    assert samples[0]["reference"].startswith("Your lamp is in")


def test_the_last_and_the_best_checkpoints_are_kept_and_whole(undisturbed: Path) -> None:
    from core.runs import checkpoints

    best = min(events(undisturbed, "eval")[1:], key=lambda event: event["loss"])
    kept = sorted({10, 11, 12, best["step"]})
    assert checkpoints.steps(undisturbed / "checkpoints") == kept
    for step in kept:
        assert checkpoints.problem(checkpoints.at(undisturbed / "checkpoints", step)) is None
    manifest = read_json(undisturbed / "checkpoints" / "checkpoint-12" / "MANIFEST.json")
    assert manifest["best"] == {"step": best["step"], "loss": best["loss"]}
    exported = undisturbed / "adapter" / "adapter_model.safetensors"
    source = checkpoints.at(undisturbed / "checkpoints", best["step"]) / exported.name
    assert exported.read_bytes() == source.read_bytes()
    sealed = [event["step"] for event in events(undisturbed, "checkpoint")]
    assert sealed == list(range(1, 13))


PLAIN = """
import json, sys
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

adapter, questions = sys.argv[1], json.load(open(sys.argv[2]))
settings = json.load(open(adapter + "/adapter_config.json"))
tokenizer = AutoTokenizer.from_pretrained(adapter)
model = AutoModelForCausalLM.from_pretrained(settings["base_model_name_or_path"])
model = PeftModel.from_pretrained(model, adapter).eval()
answers = []
for messages in questions:
    options = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    inputs = tokenizer.apply_chat_template(messages, **options)
    output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    answers.append(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
assert not [name for name in sys.modules if name == "core" or name.startswith(("core.", "tui"))]
print(json.dumps(answers))
"""


def test_the_adapter_answers_the_same_without_diapason(undisturbed: Path, tmp_path: Path, here: Any) -> None:
    job = make_job(undisturbed, tmp_path / "job", "generate", arms=["base", "tuned"])
    assert here(job) == 0
    records = [record for record in read_jsonl(job / "answers.jsonl")[0] if record["arm"] == "tuned"]
    assert len(records) == 8 and (undisturbed / "judging" / "answers.jsonl").is_file()
    (tmp_path / "questions.json").write_text(json.dumps([record["prompt"] for record in records]))
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN, str(undisturbed / "adapter"), str(tmp_path / "questions.json")],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    assert json.loads(plain.stdout) == [record["answer"] for record in records]
    untuned = [record["answer"] for record in read_jsonl(job / "answers.jsonl")[0] if record["arm"] == "base"]
    assert untuned != json.loads(plain.stdout)


def test_killed_twice_the_losses_are_those_of_an_undisturbed_run(
    undisturbed: Path, model: Path, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run", model)
    reporting = report(folder)
    for attempt, step in ((1, 3), (2, 8)):
        process = start(folder, attempt, **reporting)
        wait_for(at_step(folder, step), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (folder / f"exit.{attempt}.json").exists()
    assert start(folder, 3, **reporting).wait(_DEADLINE) == 0, (folder / "log.txt").read_text()
    assert curve(folder) == curve(undisturbed)
    check_reports(folder)
    resumed = [event["resumed_from"] for event in events(folder, "start")]
    assert resumed[0] is None and resumed[1] >= 2 and resumed[2] >= 7
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (folder / "adapter" / name).read_bytes() == (undisturbed / "adapter" / name).read_bytes()


def test_damaged_checkpoints_are_passed_over(undisturbed: Path, tmp_path: Path, here: Any) -> None:
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    for name in ("exit.1.json", "events.jsonl", "samples.jsonl"):
        (folder / name).unlink()
    shutil.rmtree(folder / "adapter")
    weights = folder / "checkpoints" / "checkpoint-12" / "adapter_model.safetensors"
    flipped = bytearray(weights.read_bytes())
    flipped[-5] ^= 0x10
    weights.write_bytes(flipped)
    (folder / "checkpoints" / "checkpoint-11" / "optimizer.pt").unlink()
    assert here(folder) == 0
    assert [event["resumed_from"] for event in events(folder, "start")] == [10]
    warnings = [event["message"] for event in events(folder, "log") if event["level"] == "warning"]
    assert [line.split(":")[0] for line in warnings] == [
        "The checkpoint of step 12 is not used", "The checkpoint of step 11 is not used",
    ]  # fmt: skip
    assert {key: value for key, value in curve(undisturbed).items() if key[1] > 10} == curve(folder)
    mine, theirs = (read_json(run / "adapter" / "adapter_config.json") for run in (folder, undisturbed))
    assert mine == theirs

    # Trained to its end, cut off before the adapter was written: nothing is trained any more.
    shutil.rmtree(folder / "adapter")
    (folder / "exit.1.json").unlink()
    before = len(events(folder, "step"))
    assert here(folder, 2) == 0
    assert len(events(folder, "step")) == before
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == (
        undisturbed / "adapter" / "adapter_model.safetensors"
    ).read_bytes()


def test_a_changed_recipe_or_file_is_not_trained_on(undisturbed: Path, tmp_path: Path, here: Any) -> None:
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    (folder / "exit.1.json").unlink()
    spec = read_json(folder / "spec.json")
    changed = json.loads(json.dumps(spec))
    changed["recipe"]["train"]["learning_rate"] = 1e-3
    write_json(folder / "spec.json", changed)
    assert here(folder, 2) == 1
    assert "the recipe in spec.json is not the one" in verdict(folder, 2)["error"]["message"]

    rows = folder / "other.jsonl"
    rows.write_bytes(Path(spec["data"]["train"]["path"]).read_bytes() + b"\n")
    spec["data"]["train"]["path"] = str(rows)
    write_json(folder / "spec.json", spec)
    assert here(folder, 3) == 1
    error = verdict(folder, 3)["error"]
    assert error["message"] == f"{rows}: the file has changed since the run was submitted"
    assert error["traceback"] is None and error["kind"] == "refused"


def test_commands_come_through_the_inbox(model: Path, tmp_path: Path, here: Any) -> None:
    folder = make_run(tmp_path / "run", model, train={"eval_every": 100, "save_every": 100})
    commands = [{"id": "1", "command": "checkpoint"}]
    write_json(folder / "inbox.json", {"seq": 1, "commands": commands})
    import core.engine.trainer as trainer

    original = trainer.Flow.on_log

    def on_log(self: Any, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        original(self, args, state, control, logs, **kwargs)
        if state.global_step == 4:
            write_json(folder / "inbox.json", {"seq": 2, "commands": [*commands, {"id": "2", "command": "stop"}]})

    trainer.Flow.on_log = on_log
    try:
        assert here(folder) == 0
    finally:
        trainer.Flow.on_log = original
    assert [event["step"] for event in events(folder, "checkpoint")] == [1, 5]
    assert [(event["id"], event["step"]) for event in events(folder, "command")] == [("1", 0), ("2", 5)]
    assert verdict(folder) == {"status": "stopped", "step": 5, "error": None}


@pytest.mark.parametrize("method", ["qlora", "full"])
def test_other_methods_train_and_are_evaluated(method: str, model: Path, tmp_path: Path, here: Any) -> None:
    folder = make_run(tmp_path / "run", model, method=method, train={"max_steps": 4, "learning_rate": 1e-3})
    assert here(folder) == 0, verdict(folder)
    import torch
    from safetensors.torch import load_file

    name = "model/model" if method == "full" else "adapter/adapter_model"
    weights = load_file(folder / f"{name}.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    if method == "full":
        old = load_file(model / "model.safetensors")
        assert weights.keys() == old.keys()
        assert all(not torch.equal(weights[name], old[name]) for name in old)
    # One run of four steps and one that goes on from step 2: the same curve, the adapter's type included.
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    for name in ("exit.1.json", "events.jsonl", "samples.jsonl"):
        (again / name).unlink()
    for step in (3, 4):
        shutil.rmtree(again / "checkpoints" / f"checkpoint-{step}")
    assert here(again) == 0
    assert {key: value for key, value in curve(folder).items() if key[1] > 2} == curve(again)
    job = make_job(folder, tmp_path / "job", max_rows=3)
    assert here(job) == 0, verdict(job)
    result = read_json(folder / "evaluation" / "result.json")
    losses = {arm["name"]: arm["metrics"]["loss"]["value"] for arm in result["arms"]}
    assert losses["tuned"] < losses["base"]


def test_every_kind_of_rows_is_trained_on(model: Path, tmp_path: Path, here: Any) -> None:
    answer = [{"role": "assistant", "content": "In Lyon."}]
    kinds: dict[str, list[dict[str, Any]]] = {
        "text": [{"text": f"The parcel number {n} is in the garden. " * 3} for n in range(8)],
        "classification": [{"text": f"I love lamp {n}", "label": ("positive", "negative")[n % 2]} for n in range(8)],
        "prompt-completion": [{"prompt": f"Where is {n}?", "completion": "In Paris."} for n in range(8)],
        "preference": [
            {"prompt": f"Where is {n}?", "chosen": "In Lyon, madam.", "rejected": "Dunno."} for n in range(8)
        ],
        "chat": [
            {"messages": [{"role": "user", "content": f"Where is {n}?"}, *answer,
                          {"role": "user", "content": "And now?"}, *answer]} for n in range(8)
        ],
    }  # fmt: skip
    for format, rows in kinds.items():
        folder = make_run(
            tmp_path / format, model, format=format, rows=rows[:6], validation=rows[6:7], test=rows[7:],
            train={"max_steps": 2},
        )  # fmt: skip
        assert here(folder) == 0, (format, verdict(folder))
        (before,) = events(folder, "preflight")
        assert before["checks"]["loss_tokens"] > 0
        said = [event["message"] for event in events(folder, "log")]
        assert any("chosen answers" in line for line in said) == (format == "preference")


def test_packing_checkpointing_and_8bit_optimizer(undisturbed: Path, model: Path, tmp_path: Path, here: Any) -> None:
    folder = make_run(
        tmp_path / "run",
        model,
        train={"packing": True, "gradient_checkpointing": True, "optimizer": "adamw_8bit", "max_steps": 3,
               "micro_batch_size": 1},
    )  # fmt: skip
    assert here(folder) == 0, verdict(folder)
    longest_row = events(undisturbed, "preflight")[0]["longest_tokens"]
    assert longest_row < events(folder, "preflight")[0]["longest_tokens"] <= 256


def test_preflight_leaves_no_trace(undisturbed: Path, model: Path, tmp_path: Path, here: Any) -> None:
    import core.engine.flow as flow

    folder = make_run(tmp_path / "run", model)
    original = flow.preflight
    flow.preflight = lambda *_: {
        "peak_memory_bytes": 0, "seconds": 0.0, "longest_tokens": 0, "eta_seconds": 0.0
    }  # fmt: skip
    try:
        assert here(folder) == 0
    finally:
        flow.preflight = original
    assert curve(folder) == curve(undisturbed)


def test_a_loss_that_is_not_finite_ends_the_run_before_it_steps(tmp_path: Path, here: Any) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    # The embedding of one token is NaN: only the row that holds it has no finite loss.
    bad = make_tiny_model(tmp_path / "bad")
    config = read_json(bad / "config.json")
    write_json(bad / "config.json", {**config, "tie_word_embeddings": False})
    weights = load_file(bad / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    tokens = json.loads((bad / "tokenizer.json").read_text())["model"]["vocab"]
    weights["model.embed_tokens.weight"][tokens["~"]] = torch.nan
    save_file(weights, bad / "model.safetensors", metadata={"format": "pt"})
    rows = chat_rows(24)
    rows[3]["messages"] = [{"role": "user", "content": "~"}, {"role": "assistant", "content": "Yes."}]
    folder = make_run(tmp_path / "run", bad, rows=rows)
    assert here(folder) == 1
    error = verdict(folder)["error"]
    assert error["kind"] == "nonfinite_loss" and error["message"].startswith("the loss became nan at step ")
    assert "learning_rate" in error["hint"]
    last = verdict(folder)["step"]
    assert 0 <= last < 6 and [event["step"] for event in events(folder, "step")] == list(range(1, last + 1))
    assert all(event["loss"] is not None for event in events(folder, "step"))


def test_clear_refusals(model: Path, tmp_path: Path, here: Any) -> None:
    missing = make_run(tmp_path / "a", model, lora={"targets": ["nothing_like_it"]})
    assert here(missing) == 1
    assert "has no layers named ['nothing_like_it']" in verdict(missing)["error"]["message"]
    head = make_run(tmp_path / "b", model, lora={"targets": ["lm_head"]})
    assert here(head) == 1
    assert verdict(head)["error"]["message"].startswith("lora.targets: an adapter on lm_head")
    half = make_run(tmp_path / "c", model, train={"dtype": "float16"})
    assert here(half) == 1
    assert verdict(half)["error"]["message"] == "train.dtype: float16 needs a GPU"
    for folder in (missing, head, half):
        assert verdict(folder)["error"]["traceback"] is None


def test_fused_experts_are_tuned_without_dropout_or_refused(tmp_path: Path, here: Any) -> None:
    model = make_tiny_model(tmp_path / "experts", experts=4)
    refused = make_run(tmp_path / "a", model, lora={"dropout": 0.1})
    assert here(refused) == 1
    assert verdict(refused)["error"]["message"].startswith("lora.dropout: adapters on the fused experts")
    assert verdict(refused)["error"]["traceback"] is None
    tuned = make_run(tmp_path / "b", model, lora={"dropout": 0.0}, train={"max_steps": 2})
    assert here(tuned) == 0
    assert any("experts" in name for name in load_file(tuned / "adapter" / "adapter_model.safetensors"))
