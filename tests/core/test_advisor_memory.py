"""Memory and time estimates, against published figures and against what torch and PEFT really do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.advisor import budget, memory
from core.advisor.device import device_for
from core.advisor.shape import shape_of
from core.models import read_model
from tests.advisor_help import GB, LLAMA_2_7B, LLAMA_3_8B, LLAMA_3_70B, MIXTRAL, box, model_of
from tests.tiny import make_tiny_model


def _total(sizes: dict[str, Any], method: str, length: int = 512, checkpointing: bool = True) -> float:
    load = memory.Load(method, 1, length, checkpointing=checkpointing)
    return memory.estimate(shape_of(model_of(**sizes)), load).total / GB


@pytest.mark.parametrize(
    ("sizes", "method", "published"),
    [
        # LLaMA-Factory's README, "Hardware Requirement": LoRA 16 bits, QLoRA 4 bits, full with AMP.
        (LLAMA_2_7B, "lora", 16),
        (LLAMA_2_7B, "qlora", 6),
        (LLAMA_2_7B, "full", 120),
        (LLAMA_3_70B, "lora", 160),
        (LLAMA_3_70B, "qlora", 48),
        # Spheron's table of 2026 for batch 1 at 512 tokens: 8B QLoRA 8 GB.
        (LLAMA_3_8B, "qlora", 8),
    ],
)
def test_agrees_with_published_figures(sizes: dict[str, Any], method: str, published: float) -> None:
    assert _total(sizes, method) == pytest.approx(published, rel=memory.ERROR)


def test_guides_figures_for_70b() -> None:
    """Guide E: 140 GB of weights, 35 GB in 4 bits (linear layers); full tuning with AdamW about 1,120 GB."""
    shape = shape_of(model_of(**LLAMA_3_70B))
    lora = memory.estimate(shape, memory.Load("lora", 1, 512)).parts
    assert lora["weights"] == pytest.approx(140 * GB, rel=0.02)
    assert memory.NF4_BYTES * shape.linear == pytest.approx(35 * GB, rel=0.02)
    full = memory.estimate(shape, memory.Load("full", 1, 512)).parts
    assert full["weights"] + full["gradients"] + full["optimizer"] == pytest.approx(1_120 * GB, rel=0.02)


def test_what_makes_it_grow() -> None:
    shape = shape_of(model_of(**LLAMA_3_8B))

    def parts(method: str = "lora", **load: Any) -> dict[str, int]:
        return memory.estimate(shape, memory.Load(method, **({"micro_batch": 2, "length": 1024} | load))).parts

    one = parts()
    assert parts(micro_batch=4)["activations"] == 2 * one["activations"]
    assert parts(length=2048)["activations"] > 2 * one["activations"]
    assert parts(rank=32)["adapter"] == 2 * one["adapter"]
    assert parts(checkpointing=True)["activations"] < one["activations"] / 10
    assert parts("full", optimizer="paged_adamw_8bit")["optimizer"] * 4 == parts("full")["optimizer"]
    assert parts(kind="cpu")["weights"] == 2 * one["weights"]
    # The part that people forget: whole logits of a large vocabulary would outweigh the activations' blocks.
    assert memory.whole_logits(shape, 8, 2048) == 8 * 2048 * 128256 * 10
    assert one["logits"] < memory.whole_logits(shape, 2, 1024) / 10


def test_fused_experts_stay_in_16_bits() -> None:
    shape = shape_of(model_of(**MIXTRAL))
    assert shape.fused_experts == 3 * 4096 * 14336 * 8 * 32
    qlora = memory.estimate(shape, memory.Load("qlora", 1, 512, checkpointing=True)).parts
    assert qlora["weights"] > 2 * shape.fused_experts
    assert shape.active < 13.5e9 < 46e9 < model_of(**MIXTRAL).parameters


def test_fits_is_careful() -> None:
    need = memory.MemoryEstimate({"weights": 10 * GB})
    assert [need.fit(free * GB) for free in (13, 11, 9)] == ["fits", "tight", "no"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", layers=3)


def _kept_bytes(model: Any, rows: int, length: int) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights left out, each storage once."""
    import torch

    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(6, 200, (rows, length))
    mask = torch.ones_like(ids)
    mask[0, -3:] = 0
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model.model(ids, attention_mask=mask) if hasattr(model, "lm_head") else model(ids, mask)
    assert output is not None
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_activations_are_what_torch_keeps(tiny: Path, method: str) -> None:
    """The counted coefficients hold for another Llama than those they were counted on."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base: Any = AutoModelForCausalLM.from_pretrained(tiny)
    shape = shape_of(read_model(tiny))
    model: Any = base
    if method == "lora":
        model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear", lora_dropout=0.05))
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert trained == 8 * shape.sides, "the adapter has the weights that the estimate counts"
        model = model.get_base_model()
    model.train()
    small, large = (_kept_bytes(model, rows, 64) for rows in (2, 4))
    kept = large - small
    loads = [memory.Load(method, rows, 64, rank=8, kind="cpu") for rows in (2, 4)]
    first, second = (memory.estimate(shape, load).parts["activations"] for load in loads)
    assert second - first == pytest.approx(kept, rel=0.1)


def test_shapes_from_headers_and_from_the_configuration_agree(tiny: Path) -> None:
    from dataclasses import replace

    info = read_model(tiny)
    assert shape_of(info) == shape_of(replace(info, tensors={}))
    assert shape_of(info).linear + shape_of(info).rest == info.parameters


def test_adapters_of_a_mixture_cover_the_experts() -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=4,
    )  # fmt: skip
    model: Any = get_peft_model(MixtralForCausalLM(config), LoraConfig(r=4, target_modules="all-linear"))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    shape = shape_of(model_of(32, 2, 4, 2, 64, 100, experts=4))
    assert trained == 4 * shape.sides


def _seconds(hardware: Any, sizes: dict[str, Any], **changes: Any) -> budget.TimeEstimate:
    work = budget.Work(
        **({"rows": 1000, "validation_rows": 100, "row_tokens": 300.0, "epochs": 3.0, "micro_batch": 4,
            "accumulation": 4, "method": "lora", "rank": 16, "checkpointing": False} | changes)
    )  # fmt: skip
    return budget.estimate(shape_of(model_of(**sizes)), work, device_for(hardware))


def test_time_follows_work_and_machine() -> None:
    h100 = _seconds(box(("NVIDIA H100 80GB HBM3", 79)), LLAMA_3_8B)
    assert 30 < h100.seconds < 1200, "a thousand short rows on an H100 are minutes"
    assert _seconds(box(("NVIDIA L4", 22)), LLAMA_3_8B).seconds > 3 * h100.seconds
    assert _seconds(box(("NVIDIA H100 80GB HBM3", 79)), LLAMA_3_8B, method="full").seconds > h100.seconds
    assert h100.low < h100.seconds < h100.high
    assert h100.steps == 189
    assert budget.steps_of(0, 3, 16) == 0
