"""Which processor a run would use, and what it can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.hardware import Gpu, Hardware

# Cards before Ampere (compute capability below 8.0) have no bfloat16 units (NVIDIA's CUDA guide, "Arithmetic
# Instructions"): Pascal, Volta, Turing.
_NO_BF16 = re.compile(
    r"\b(V100|P100|P40|P4|T4|T4G|M40|M60|K80|TITAN (X|Xp|V|RTX)|GTX \d+|RTX 20\d\d|Quadro RTX|T1000|T600|T400)\b",
    re.IGNORECASE,
)
# Dense bfloat16 (float16 before Ampere) tensor-core speed in TFLOP/s, from NVIDIA's data sheets; the first match
# counts.
_SPEED = (
    (r"B200|B300", 2250), (r"H200|H100|H800", 989), (r"\bH20\b", 148), (r"A100|A800", 312), (r"\bL40S\b", 362),
    (r"RTX PRO 6000|RTX 5090", 210), (r"RTX 4090|\bL40\b|RTX 6000 Ada", 165), (r"RTX 5080", 113),
    (r"RTX 4080", 97), (r"\bA40\b|A6000", 150), (r"\bL4\b", 121), (r"\bA10G?\b", 125), (r"RTX 3090", 71),
    (r"RTX 4070|RTX 3080", 60), (r"V100", 125), (r"\bT4G?\b", 65), (r"RTX 4060|RTX 3060|RTX 3070", 45),
)  # fmt: skip
_UNKNOWN_SPEED = 60
# A Llama of 5.5 M parameters trains at 4 to 8 thousand tokens/s on two cores: 6 N tokens/s is 2e11, 1e11 a core.
_CORE_FLOPS = 1.0e11


@dataclass(frozen=True, slots=True)
class Device:
    """The processor of a run.

    kind: cuda or cpu. memory_total, memory_free: bytes, of the card or of the machine. flops: operations per second
    that its maker states (GPU), or that training has reached (CPU). bf16: whether it computes in bfloat16.
    """

    kind: str
    name: str
    memory_total: int
    memory_free: int
    flops: float
    bf16: bool

    @property
    def weight_bytes(self) -> int:
        """Bytes of a frozen 16-bit weight here: 2 on a GPU, 4 on a CPU, which computes in float32."""
        return 2 if self.kind == "cuda" else 4


def device_for(hardware: Hardware, *, cpu: bool = False) -> Device:
    """The visible GPU with the most free memory, else the CPU; the CPU where `cpu` asks for it."""
    cards = [gpu for gpu in hardware.gpus if gpu.visible]
    if cpu or not cards:
        cores = hardware.cpu_count
        return Device(
            "cpu", f"{cores} CPU cores", hardware.ram_total, hardware.ram_free, _CORE_FLOPS * cores, bf16=False
        )
    return _card(max(cards, key=lambda gpu: gpu.memory_free))


def _card(gpu: Gpu) -> Device:
    speed = next((tera for pattern, tera in _SPEED if re.search(pattern, gpu.name, re.I)), _UNKNOWN_SPEED)
    return Device(
        "cuda", gpu.name, gpu.memory_total, gpu.memory_free, speed * 1e12, bf16=not _NO_BF16.search(gpu.name)
    )
