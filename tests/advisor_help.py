"""Models and machines as the advisor sees them, without their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.hardware import Gpu, Hardware
from core.models import ModelInfo, estimate_parameters

GB = 1_000_000_000
# Sizes from the models' published config.json files.
LLAMA_2_7B: dict[str, Any] = {"hidden": 4096, "layers": 32, "heads": 32, "kv": 32, "mlp": 11008, "vocabulary": 32000}
LLAMA_3_8B: dict[str, Any] = {"hidden": 4096, "layers": 32, "heads": 32, "kv": 8, "mlp": 14336, "vocabulary": 128256}
LLAMA_3_70B: dict[str, Any] = {"hidden": 8192, "layers": 80, "heads": 64, "kv": 8, "mlp": 28672, "vocabulary": 128256}
MIXTRAL: dict[str, Any] = LLAMA_3_8B | {"vocabulary": 32000, "experts": 8}


def model_of(
    hidden: int,
    layers: int,
    heads: int,
    kv: int,
    mlp: int,
    vocabulary: int,
    *,
    experts: int = 0,
    tied: bool = False,
    quantised: bool = False,
    positions: int = 8192,
) -> ModelInfo:
    """A model of these sizes, whose weights are nowhere."""
    info = ModelInfo(
        name="model", path=Path("model"), config={"num_experts_per_tok": 2} if experts else {},
        architecture="", model_type="mixtral" if experts else "llama", parameters=0, dtype="bfloat16",
        vocab_size=vocabulary,
        hidden_size=hidden, layers=layers, heads=heads, kv_heads=kv, head_dim=hidden // heads,
        intermediate_size=mlp, experts=experts, tied=tied, max_positions=positions, bytes_on_disk=6 * GB,
        has_chat_template=True, quantised=quantised, tensors={},
    )  # fmt: skip
    return replace(info, parameters=estimate_parameters(info))


def box(*cards: tuple[str, float], cores: int = 2, ram: float = 24) -> Hardware:
    """A machine with `cards` of (name, GB free) and `ram` GB free."""
    gpus = [
        Gpu(index, f"GPU-{index}", name, round(free * 1.02 * GB), round(free * GB), 0, 40, 60.0, [], "580", True)
        for index, (name, free) in enumerate(cards)
    ]
    return Hardware(gpus, cores, round(ram * 1.05 * GB), round(ram * GB), 100 * GB)
