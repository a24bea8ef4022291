"""What this machine has: GPUs (through NVML), CPU cores, memory and disk, and who else is on a card."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Container, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.home import free_bytes, home

# cgroup v1 writes "no limit" as the largest page-aligned 64-bit number (the kernel's admin-guide/cgroup-v1).
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA card as NVML sees it; memory in bytes, None where the card does not tell.

    index is NVML's (PCI order), which need not be CUDA's: name a card by its uuid. visible: not hidden by an
    inherited CUDA_VISIBLE_DEVICES. processes: (pid, user, bytes) of the compute processes that NVML names.
    """

    index: int
    uuid: str
    name: str
    memory_total: int
    memory_free: int
    utilisation: int | None
    temperature: int | None
    power_w: float | None
    processes: list[tuple[int, str, int]]
    driver: str
    visible: bool

    def foreign_bytes(self, own: Container[int] = ()) -> int:
        """Bytes on the card that are not of the processes `own`.

        In a container NVML names no processes, or pids of another namespace: all memory in use is foreign.
        """
        used = self.memory_total - self.memory_free
        if not self.processes:
            return used
        return min(used, sum(size for pid, _, size in self.processes if pid not in own))


@dataclass(frozen=True, slots=True)
class Hardware:
    """This machine; sizes in bytes. cpu_count and ram_* respect affinity and the limits of cgroups."""

    gpus: list[Gpu]
    cpu_count: int
    ram_total: int
    ram_free: int
    disk_free: int


def hardware() -> Hardware:
    """Measure this machine. Never raises: what cannot be known is empty (no NVML: no GPUs)."""
    total, free = ram()
    try:
        disk = free_bytes(home())
    except OSError:
        disk = 0
    return Hardware(gpus(), cpu_count(), total, free, disk)


def gpus() -> list[Gpu]:
    """The NVIDIA cards, or an empty list where there is no driver."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        driver = str(_ask(nvml.nvmlSystemGetDriverVersion) or "")
        found = [_gpu(nvml, index, driver) for index in range(_ask(nvml.nvmlDeviceGetCount) or 0)]
        return [gpu for gpu in found if gpu]


def driver_cuda() -> tuple[int, int] | None:
    """The newest CUDA version (major, minor) that the installed driver takes, or None without one."""
    with _nvml() as nvml:
        number = _ask(nvml.nvmlSystemGetCudaDriverVersion_v2) if nvml is not None else None
    return (number // 1000, number % 1000 // 10) if number else None


def sample() -> dict[str, Any]:
    """One cheap measurement for a log or a screen; sizes in bytes, use in percent, None where unknown.

    ``{"t", "gpus": [{"uuid", "index", "memory_used", "memory_total", "utilisation", "temperature",
    "power_w"}], "cpu_percent" (since the last call in this process), "ram_used", "ram_total"}``
    """
    total, free = ram()
    cards = [
        {
            "uuid": gpu.uuid,
            "index": gpu.index,
            "memory_used": gpu.memory_total - gpu.memory_free,
            "memory_total": gpu.memory_total,
            "utilisation": gpu.utilisation,
            "temperature": gpu.temperature,
            "power_w": gpu.power_w,
        }
        for gpu in gpus()
    ]
    return {
        "t": time.time(),
        "gpus": cards,
        "cpu_percent": psutil.cpu_percent(None),
        "ram_used": total - free,
        "ram_total": total,
    }


def cpu_count(root: Path = Path("/")) -> int:
    """Cores that this process may use: its affinity, and the CPU quota of its cgroups, rounded up."""
    cores = len(os.sched_getaffinity(0))
    for folder in _cgroups(root, "cpu"):
        words = _read(folder / "cpu.max").split()
        if not words:
            words = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            cores = min(cores, max(1, -(-int(words[0]) // int(words[1]))))
    return cores


def ram(root: Path = Path("/")) -> tuple[int, int]:
    """Memory in bytes, total and free, as the smallest of the machine's and of the limits of our cgroups.

    The page cache that the kernel can drop (`inactive_file`) counts as free, as `docker stats` counts it.
    """
    memory = psutil.virtual_memory()
    total, free = int(memory.total), int(memory.available)
    for folder in _cgroups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit is None or limit >= min(_UNLIMITED, int(memory.total)):
            continue
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        cache = 0
        for line in _read(folder / "memory.stat").splitlines():
            key, _, value = line.partition(" ")
            if key in ("inactive_file", "total_inactive_file") and value.isdigit():
                cache = max(cache, int(value))
        total = min(total, limit)
        free = min(free, max(0, limit - max(0, used - cache)))
    return total, min(free, total)


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of our cgroup and of its parents: v2's, or those of v1's `controller`."""
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top = base
        elif controller in controllers.split(","):
            top = base / controller
        else:
            continue
        # In a container the path may be the host's, of which we see nothing: the top is then our own group.
        inner = top / path.lstrip("/")
        while inner != top and top in inner.parents:
            if inner.is_dir():
                yield inner
            inner = inner.parent
        yield top


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text.isdigit() else None


@contextlib.contextmanager
def _nvml() -> Generator[Any]:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, or a driver that does not answer
        yield None
        return
    try:
        yield pynvml
    finally:
        _ask(pynvml.nvmlShutdown)


def _ask(function: Any, *arguments: Any) -> Any:
    """What an NVML function answers, or None where the card or the driver does not support it."""
    try:
        value = function(*arguments)
    except Exception:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _gpu(nvml: Any, index: int, driver: str) -> Gpu | None:
    handle = _ask(nvml.nvmlDeviceGetHandleByIndex, index)
    memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle) if handle is not None else None
    if memory is None:
        return None
    rates = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
    power = _ask(nvml.nvmlDeviceGetPowerUsage, handle)
    uuid = str(_ask(nvml.nvmlDeviceGetUUID, handle) or "")
    running = _ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    return Gpu(
        index=index,
        uuid=uuid,
        name=str(_ask(nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU"),
        memory_total=int(memory.total),
        memory_free=int(memory.free),
        utilisation=int(rates.gpu) if rates is not None else None,
        temperature=_ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        power_w=power / 1000 if power is not None else None,
        processes=[(int(p.pid), _user(int(p.pid)), int(p.usedGpuMemory or 0)) for p in running],
        driver=driver,
        visible=_visible(index, uuid),
    )


def _visible(index: int, uuid: str) -> bool:
    """Whether CUDA_VISIBLE_DEVICES leaves the card in: indexes, or UUIDs that may be cut short."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return True
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    return str(index) in names or any(name.startswith("GPU-") and uuid.startswith(name) for name in names)


def _user(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}").owner()
    except (OSError, KeyError):
        return ""
