"""What MFU is reckoned from: operations a token, checked against those that torch counts, and the cards' speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.advisor.flops import flops_per_token
from core.advisor.peaks import peak_flops
from core.advisor.shape import Shape, shape_of
from core.models import read_model
from tests.tiny import make_tiny_model

_SHAPE = Shape(10**9, 10, 1, 10, 0, 10**9, 1000, 1, 64, 4, 10_000, 0)


def test_the_terms_of_the_formula() -> None:
    attention = 12 * 4 * 64 * 512
    assert flops_per_token(_SHAPE, adapter=None, length=512) == 6e9 + attention
    assert flops_per_token(_SHAPE, adapter=1e6, length=512) == 4e9 + 6e6 + attention
    assert flops_per_token(_SHAPE, adapter=1e6, length=0, checkpointing=True) == 6e9 + 6e6
    # A quarter of the tokens carry loss: three quarters of the head's work fall away.
    assert flops_per_token(_SHAPE, adapter=None, length=0, loss_share=0.25) == 6 * (1e9 - 0.75e7)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_they_are_what_torch_counts(method: str, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForCausalLM

    path = make_tiny_model(tmp_path / "model", hidden=128, layers=3)
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32)
    if method == "lora":
        model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
        # As with gradient checkpointing, so that the first layer is no exception.
        model.enable_input_require_grads()
    trained = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    ids = torch.arange(2 * 96).reshape(2, 96) % 400
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids).loss.backward()
    wanted = (
        flops_per_token(shape_of(read_model(path)), adapter=None if method == "full" else trained, length=96)
        * ids.numel()
    )
    assert counter.get_total_flops() == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize(
    ("card", "dtype", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312), ("NVIDIA H100 80GB HBM3", "bfloat16", 989.4),
        ("NVIDIA H100 PCIe", "float16", 756), ("NVIDIA H200", "bfloat16", 989.4),
        ("NVIDIA H200 NVL", "bfloat16", 835),
        ("NVIDIA L4", "bfloat16", 121), ("NVIDIA L40S", "bfloat16", 362), ("NVIDIA A10G", "bfloat16", 70),
        ("Tesla T4", "float16", 65), ("Tesla V100-SXM2-16GB", "float16", 125),
        ("Tesla V100-PCIE-32GB", "float16", 112),
        ("NVIDIA GeForce RTX 3090", "bfloat16", 71), ("NVIDIA GeForce RTX 3090", "float32", 35.6),
        ("NVIDIA GeForce RTX 4090", "bfloat16", 165.2), ("NVIDIA RTX A6000", "bfloat16", 154.8),
        ("NVIDIA B200", "bfloat16", 2250), ("NVIDIA A100-PCIE-40GB", "float32", 19.5),
        # No bfloat16 units, a slice, a laptop's, others of the name, and cards that nobody has told us of.
        ("Tesla T4", "bfloat16", None), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bfloat16", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bfloat16", None), ("NVIDIA GeForce RTX 4090 D", "bfloat16", None),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "bfloat16", None), ("NVIDIA X1000", "bfloat16", None),
        ("AMD Instinct MI300X", "bfloat16", None),
    ],
)  # fmt: skip
def test_the_speed_of_cards(card: str, dtype: str, tera: float | None) -> None:
    found = peak_flops(card, dtype)
    assert found is None if tera is None else found == pytest.approx(tera * 1e12)
