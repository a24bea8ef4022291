"""Which processor a run would use, and what it can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.advisor.peaks import NO_BF16, peak_flops
from core.hardware import Gpu, Hardware

# TFLOP/s of a card that the table lacks.
_UNKNOWN_SPEED = 60
# Cards that are near one that the table has: B200, RTX 4090, RTX 4080, RTX 4070 Ti.
_ROUGH = ((r"B300", 2250), (r"RTX 4090 D", 150), (r"RTX 4080 SUPER", 100), (r"RTX 4070 Ti SUPER", 85))
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
    bf16 = not NO_BF16.search(gpu.name)
    speed = peak_flops(gpu.name, "bfloat16" if bf16 else "float16") or _roughly(gpu.name) * 1e12
    return Device("cuda", gpu.name, gpu.memory_total, gpu.memory_free, speed, bf16=bf16)


def _roughly(name: str) -> float:
    """TFLOP/s for an estimate of the time, of a card whose peak is not in the table."""
    return next((speed for pattern, speed in _ROUGH if re.search(pattern, name)), _UNKNOWN_SPEED)
