"""Several cards and processes for one job: asked for, given, judged, reckoned with; no process is started."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from core import request as request_module
from core.advisor import budget, memory
from core.advisor.device import Device
from core.advisor.shape import shape_of
from core.engine.failures import first_cause
from core.errors import DiapasonError, UsageError
from core.files import JsonlWriter
from core.recipe import make_recipe
from core.runs.usage import usage
from core.worker.cards import Card
from core.worker.queue import Ticket
from core.worker.slots import Slot
from core.worker.verdict import judge
from tests.advisor_help import LLAMA_3_8B, model_of
from tests.runs_help import queue_run

LLAMA = shape_of(model_of(**LLAMA_3_8B))
A = Card(0, "GPU-aaaa-1", "NVIDIA H200", 140 << 30)
B = Card(1, "GPU-bbbb-2", "NVIDIA H200", 140 << 30)
C = Card(2, "GPU-cccc-3", "NVIDIA H200", 140 << 30)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DIAPASON_LOCKS", str(tmp_path / "locks"))


def _ticket(**request: Any) -> Ticket:
    return Ticket(queue_run(gpu_request=request))


def test_cards_are_given_together_or_not_at_all() -> None:
    busy = Slot(A.uuid)
    assert busy.acquire()
    pair = _ticket(gpus=2)
    slots, why = pair.choose([A, B])
    assert slots is None and why.startswith("1 of 2 cards are free; waiting for NVIDIA H200: user ")
    assert not Slot(B.uuid).taken, "what it could not use alone is given back"
    single = _ticket()
    slots, why = single.choose([A, B])
    assert slots is None and "is before it in the queue" in why, "or the pair would wait for ever"
    other = _ticket(gpus=2)
    busy.release()
    slots, _ = pair.choose([A, B])
    assert slots is not None and slots.name == f"{A.uuid},{B.uuid}" and len(slots.handles) == 2
    assert other.choose([A, B])[0] is None
    slots.release()
    single.leave()
    slots, _ = other.choose([A, B])
    assert slots is not None and slots.name == f"{A.uuid},{B.uuid}"


def test_a_pair_that_waits_for_other_people_holds_nobody_back() -> None:
    pair, single = _ticket(gpus=2), _ticket()
    theirs = B._replace(user="ada (process 7)")
    slots, why = pair.choose([A, theirs])
    assert slots is None and "ada (process 7) uses it" in why
    assert not Slot(A.uuid).taken
    slots, _ = single.choose([A, theirs])
    assert slots is not None and slots.name == A.uuid
    assert pair.choose([A, theirs, C])[0] is None
    slots.release()
    slots, _ = pair.choose([A, theirs, C])
    assert slots is not None and slots.name == f"{A.uuid},{C.uuid}"


@pytest.mark.parametrize("request_values", [{"gpus": 3}, {"gpus": 2, "bytes": 200 << 30}, {"gpus": 2, "visible": "1"},
                                            {"gpus": 2, "visible": "MIG-1,MIG-2"}])  # fmt: skip
def test_too_few_cards_are_said_and_not_waited_for(request_values: dict[str, Any]) -> None:
    with pytest.raises(DiapasonError, match=r"this run needs [23] GPUs.*; of those that it may use [0-2] will do"):
        _ticket(**request_values).choose([A, B])


def test_processes_share_the_one_processor() -> None:
    slots, _ = _ticket(gpus=4, device="cpu").choose([])
    assert slots is not None and slots.name == "cpu"
    with pytest.raises(DiapasonError, match="needs 2 GPUs"):
        _ticket(gpus=2).choose([])


def test_how_a_rank_died_is_judged_as_the_jobs_own_death() -> None:
    def record(number: int) -> dict[str, Any]:
        return {"status": "failed", "error": {"kind": "signal", "signal": number, "who": "process 2 of 2"}}

    def told(number: int, **values: Any) -> Any:
        return judge(record(number), 1, **{"oom_killed": False, "tail": [], "asked": None, **values})

    killed = told(signal.SIGKILL)
    assert killed.retry and killed.reason == "process 2 of 2 was killed by signal 9 (SIGKILL)"
    memory_full = told(signal.SIGKILL, oom_killed=True)
    assert memory_full.kind == "host_oom" and "the kernel killed process 2 of 2" in memory_full.reason
    assert told(signal.SIGSEGV).kind == "signal"
    assert told(signal.SIGKILL, asked="kill").status == "stopped"


def test_the_first_cause_is_told_and_not_what_followed() -> None:
    peer = {"kind": "peer", "message": "Connection closed by peer", "rank": 0}
    own = {"kind": "gpu_oom", "message": "the GPU ran out of memory", "rank": 1}
    assert first_cause([own, peer], {0: 1, 1: 1}, 2) == own
    assert first_cause([peer, own], {0: 1, 1: 1}, 2) == own
    killed = first_cause([peer], {0: 1, 1: -9}, 2)
    assert (killed["signal"], killed["who"]) == (9, "process 2 of 2")
    assert first_cause([], {0: -6, 2: -11}, 4)["signal"] == signal.SIGSEGV, "NCCL aborts where a peer is gone"
    assert first_cause([], {0: -6}, 2)["signal"] == signal.SIGABRT
    assert first_cause([peer], {0: 1}, 2)["kind"] == "crash"
    assert "exit code 7 and no verdict" in first_cause([], {1: 7}, 2)["message"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "needs gpus: 2 or more"),
        ({"gpus": 2, "device": "cpu"}, "with device: cpu use ddp"),
        ({"gpus": 2, "method": "qlora"}, "cannot shard 4-bit weights"),
        ({"gpus": 2, "optimizer": "adamw_8bit"}, "cannot shard an 8-bit optimizer"),
        ({"gpus": 2, "dtype": "float16"}, "use bfloat16"),
    ],
)
def test_what_cannot_be_sharded_is_refused(values: dict[str, Any], said: str) -> None:
    train = {"parallel": "fsdp"} | {key: values.pop(key) for key in ("optimizer", "dtype") if key in values}
    with pytest.raises(UsageError, match=said):
        make_recipe({**values, "train": train})
    assert make_recipe({"gpus": 2, "method": "full", "train": {"parallel": "fsdp"}}).gpus == 2
    with pytest.raises(UsageError, match=r"`train\.parallel` cannot be 'dpp'.*did you mean `ddp`"):
        make_recipe({"train": {"parallel": "dpp"}})


def test_more_gpus_than_there_are_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_module, "gpus", list)
    model: Any = None
    with pytest.raises(DiapasonError, match="asks for 2 GPUs, and this machine has none to use") as error:
        request_module.gpu_request(make_recipe({"gpus": 2}), model, Path("rows.jsonl"))
    assert "device: cpu" in str(error.value.hint)
    found = request_module.gpu_request(make_recipe({"gpus": 2, "device": "cpu"}), model, Path("rows.jsonl"))
    assert (found["gpus"], found["bytes"]) == (2, 0)


def test_memory_and_time_know_of_several_cards() -> None:
    def parts(**values: Any) -> dict[str, int]:
        return memory.estimate(LLAMA, memory.Load("full", 2, 512, **values)).parts

    one, two, dealt = parts(), parts(gpus=2), parts(gpus=4, sharded=True)
    assert two["gradients"] == 2 * one["gradients"] and two["weights"] == one["weights"]
    for part in ("weights", "gradients", "optimizer"):
        assert dealt[part] == pytest.approx(one[part] / 4, abs=4)
    assert dealt["activations"] == one["activations"] and dealt["workspace"] > one["workspace"]
    assert sum(parts(kind="cpu", gpus=2).values()) > 1.9 * sum(parts(kind="cpu").values())

    def work(accumulation: int, gpus: int) -> budget.Work:
        return budget.Work(
            rows=4000, validation_rows=0, row_tokens=300, epochs=1, micro_batch=4, accumulation=accumulation,
            method="lora", rank=16, checkpointing=False, gpus=gpus,
        )  # fmt: skip

    card = Device("cuda", "H200", 140 << 30, 140 << 30, 5e14, True)
    slow, fast = (budget.estimate(LLAMA, found, card) for found in (work(4, 1), work(2, 2)))
    assert slow.steps == fast.steps == 250
    assert fast.tokens_per_second == pytest.approx(2 * slow.tokens_per_second)


def test_the_energy_of_all_its_cards_is_counted() -> None:
    folder = queue_run()
    writer = JsonlWriter(folder.gpu)
    for second in (0.0, 10.0):
        cards = [{"uuid": card.uuid, "power_w": 100.0, "memory_used": 1} for card in (A, B, C)]
        writer.write({"m": second, "gpus": cards, "job": {"rss": 1}})
    folder.state_file.write_text('{"slot": "GPU-aaaa-1,GPU-cccc-3"}')
    found = usage(folder)
    assert (found.gpus, found.joules) == (2, 2000.0)
