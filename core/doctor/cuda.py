"""Whether torch, CUDA, the driver and the cards fit together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.doctor.check import Check, ask_python, human_size
from core.errors import DiapasonError
from core.hardware import Gpu, driver_cuda, gpus

# Oldest Linux driver for each major version of CUDA (docs.nvidia.com/deploy/cuda-compatibility, minor version
# compatibility).
_DRIVERS = {11: 450, 12: 525, 13: 580}
_CHOOSE = "pytorch.org/get-started/locally gives the line for each CUDA version"

# First what torch says; with an argument then, in the same process since importing torch is slow, whether
# bitsandbytes quantises. It may kill the process: what torch said is out by then.
_PROBE = """
import json, sys

def tell(**found):
    print(json.dumps(found), flush=True)

try:
    import torch
except Exception as error:
    tell(error=f"{type(error).__name__}: {error}")
    sys.exit()
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
tell(
    version=torch.__version__, cuda=torch.version.cuda, hip=torch.version.hip, count=count,
    archs=torch.cuda.get_arch_list() if count else [],
    cards=[[torch.cuda.get_device_name(i), *torch.cuda.get_device_capability(i)] for i in range(count)],
)
if len(sys.argv) == 1:
    sys.exit()
try:
    import bitsandbytes
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    device = "cuda" if count else "cpu"
    weights = torch.linspace(-1, 1, 4096, device=device).reshape(64, 64)
    packed, state = quantize_4bit(weights, quant_type="nf4")
    error = float((dequantize_4bit(packed, state) - weights).abs().max())
except Exception as error:
    tell(error=f"{type(error).__name__}: {error}")
else:
    tell(version=bitsandbytes.__version__, device=device, error_max=error)
"""


@dataclass(frozen=True, slots=True)
class Torch:
    """What torch says of itself in a process of its own. problem: why it could not be asked; then the rest is empty.

    cuda: version that the wheel was built for. cards: (name, major, minor) of those that it sees. complaint: the
    last line that it wrote to stderr.
    """

    version: str = ""
    cuda: str | None = None
    hip: str | None = None
    count: int = 0
    archs: tuple[str, ...] = ()
    cards: tuple[tuple[str, int, int], ...] = ()
    problem: str = ""
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards that the driver (NVML) or, without it, /dev shows, before torch is asked.

    driver: its version, empty where unknown. cuda: newest CUDA that the driver takes, as (major, minor).
    """

    gpus: list[Gpu] = field(default_factory=list[Gpu])
    devices: int = 0
    driver: str = ""
    cuda: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The first card, in words."""
        return self.gpus[0].name if self.gpus else "an NVIDIA card"


def ask_torch() -> Torch:
    """Ask torch, in a process of its own: importing it here would cost seconds and memory."""
    found, complaint = ask_python(_PROBE)
    return read_torch(found, complaint)


def ask_both() -> tuple[Torch, Check]:
    """What torch says, and whether bitsandbytes really quantises, from one process."""
    found, complaint = ask_python(_PROBE, "bitsandbytes")
    return read_torch(found, complaint), judge_bitsandbytes(found[1] if len(found) > 1 else None, complaint)


def read_torch(found: Sequence[Mapping[str, Any]], complaint: str) -> Torch:
    """Torch's answer from what the process said, and its last complaint."""
    if not found or "error" in found[0]:
        return Torch(problem=str(found[0]["error"]) if found else complaint)
    said = found[0]
    return Torch(
        version=str(said["version"]),
        cuda=said["cuda"],
        hip=said["hip"],
        count=int(said["count"]),
        archs=tuple(said["archs"]),
        cards=tuple((str(name), int(major), int(minor)) for name, major, minor in said["cards"]),
        complaint=complaint,
    )


def find_cards(root: Path = Path("/")) -> Cards:
    """The cards of this machine that are not hidden by CUDA_VISIBLE_DEVICES."""
    found = [gpu for gpu in gpus() if gpu.visible]
    devices = len([path for path in (root / "dev").glob("nvidia[0-9]*") if path.name[6:].isdigit()])
    driver = found[0].driver if found else ""
    if not driver:
        try:
            text = (root / "proc/driver/nvidia/version").read_text("utf-8", "replace")
            match = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
            driver = match.group(1) if match else ""
        except OSError:
            pass
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        devices = 0
    return Cards(found, devices, driver, driver_cuda())


def torch_sees_gpu_mismatch(cards: Cards, torch: Torch) -> DiapasonError | None:
    """The error to stop with where there is a card that torch does not see; None where all is well."""
    if not cards.gpus and not cards.devices:
        return None
    if torch.problem:
        return DiapasonError(
            f"torch does not start: {torch.problem}",
            hint="Install Diapason again into an environment of its own, with its constraints.txt.",
        )
    if torch.count:
        return None
    driver = f"driver {cards.driver}" if cards.driver else "driver version unknown"
    wheel = f"CUDA {torch.cuda}" if torch.cuda else "no CUDA"
    return DiapasonError(
        f"this machine has {cards.name} ({driver}) but torch {torch.version} ({wheel}) does not see it",
        hint=f"{_mend(cards, torch)} To train on the CPU all the same, set `device: cpu`.",
    )


def check_cuda() -> DiapasonError | None:
    """What stops a run on the GPU of this machine, or None; asks torch only where there is a card."""
    cards = find_cards()
    if not cards.gpus and not cards.devices:
        return None
    return torch_sees_gpu_mismatch(cards, ask_torch())


def _mend(cards: Cards, torch: Torch) -> str:
    major = int(torch.cuda.split(".")[0]) if torch.cuda else 0
    newest = cards.cuda[0] if cards.cuda else 0
    if torch.hip:
        return f"This torch is for AMD cards: install the CUDA build ({_CHOOSE})."
    if not torch.cuda:
        plain = torch.version.split("+")[0]
        line = f"`pip install --force-reinstall --no-deps torch=={plain}`"
        older = f" The driver takes CUDA up to {newest}.{cards.cuda[1]}: {_CHOOSE}." if cards.cuda else ""
        return f"This torch is built for the CPU only; {line} brings the CUDA build.{older}"
    if newest and newest < major:
        need = _DRIVERS.get(major)
        update = f"Update the driver to {need} or newer" if need else "Update the driver"
        return f"{update}, or install a torch built for CUDA {newest} ({_CHOOSE})."
    if not cards.gpus:
        return (
            "The driver's library does not answer, as in a container started without the cards: start it with "
            "`docker run --gpus all …`, or look at what `nvidia-smi` says."
        )
    detail = f" ({torch.complaint})" if torch.complaint else ""
    return f"`nvidia-smi` should list the card; after a driver update, restart the machine{detail}."


def torch_checks(cards: Cards, torch: Torch) -> list[Check]:
    """torch, the driver, how they fit, and each card with who is on it."""
    if torch.problem:
        advice = "Install Diapason again into an environment of its own, with its constraints.txt."
        return [Check("torch", "fail", f"does not start: {torch.problem}", advice), *map(_gpu_check, cards.gpus)]
    build = f"CUDA {torch.cuda}" if torch.cuda else f"ROCm {torch.hip}" if torch.hip else "CPU only"
    checks = [Check("torch", "ok", f"{torch.version} ({build})")]
    if cards.driver:
        newest = f", takes CUDA up to {cards.cuda[0]}.{cards.cuda[1]}" if cards.cuda else ""
        checks.append(Check("NVIDIA driver", "ok", cards.driver + newest))
    problem = torch_sees_gpu_mismatch(cards, torch)
    if problem:
        checks.append(Check("GPU and torch", "fail", problem.message, problem.hint or ""))
    elif torch.cards:
        checks += _arch_checks(torch)
    if not cards.gpus and not cards.devices:
        hidden = "CUDA_VISIBLE_DEVICES" in os.environ
        value = "none, or hidden by CUDA_VISIBLE_DEVICES" if hidden else "none: runs train on the CPU"
        checks.append(Check("GPU", "info", value))
    return checks + [_gpu_check(gpu) for gpu in cards.gpus]


def _arch_checks(torch: Torch) -> list[Check]:
    """Whether the wheel holds code for each card: its own architecture, an older minor one, or PTX to compile."""
    built = [(arch[:3], int(match.group(1))) for arch in torch.archs if (match := re.search(r"_(\d+)", arch))]
    checks: list[Check] = []
    for name, major, minor in torch.cards:
        runs = any(
            (kind == "sm_" and number // 10 == major and number % 10 <= minor)
            or (kind == "com" and number <= 10 * major + minor)
            for kind, number in built
        )
        if runs or not built:
            checks.append(Check("GPU and torch", "ok", f"torch has code for {name} (sm_{major}{minor})"))
        else:
            checks.append(
                Check(
                    "GPU and torch",
                    "fail",
                    f"torch {torch.version} has no code for {name} (sm_{major}{minor}); it has "
                    f"{', '.join(torch.archs)}",
                    f"Install a torch build that still supports this card ({_CHOOSE}), or set `device: cpu`.",
                )
            )
    return checks


def _gpu_check(gpu: Gpu) -> Check:
    used = gpu.memory_total - gpu.memory_free
    value = f"{gpu.name}, {human_size(gpu.memory_free)} of {human_size(gpu.memory_total)} free"
    people = [f"{user or 'another user'} (pid {pid}, {human_size(size)})" for pid, user, size in gpu.processes]
    if people:
        value += f"; used by {', '.join(people)}"
    name = f"GPU {gpu.index}"
    if used > gpu.memory_total // 10:
        whom = "See `nvidia-smi`." if people else "In a container their processes cannot be seen from here."
        advice = f"{human_size(used)} are in use; a run waits until the memory that it needs is free. {whom}"
        return Check(name, "warn", value, advice)
    return Check(name, "ok", value)


def judge_bitsandbytes(found: Mapping[str, Any] | None, complaint: str) -> Check:
    """The check from what the process said: ``{"version", "device", "error_max"}`` or ``{"error"}``."""
    advice = "Without it method: qlora and the 8-bit optimizers do not work; lora and full do. "
    advice += "`pip install --force-reinstall --no-deps bitsandbytes` into this environment."
    if found is None or "error" in found:
        return Check("bitsandbytes", "warn", str(found["error"]) if found else complaint or "no answer", advice)
    # The 16 nf4 levels lie at most 0.304 apart (arxiv.org/abs/2305.14314, appendix E): half of that, and rounding.
    if not found["error_max"] < 0.16:
        return Check("bitsandbytes", "warn", f"{found['version']} quantises wrongly on {found['device']}", advice)
    return Check("bitsandbytes", "ok", f"{found['version']}, 4-bit works on {found['device']}")
