"""Measuring the machine: limits of containers, cards through a stand-in for NVML's library."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from core.hardware import cpu_count, driver_cuda, gpus, hardware, ram, sample

GIB = 1 << 30


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine_has_cores_memory_and_disk() -> None:
    found = hardware()
    assert 1 <= found.cpu_count <= (psutil.cpu_count() or 1)
    assert 0 < found.ram_free <= found.ram_total <= psutil.virtual_memory().total
    assert found.disk_free > 0
    measured = sample()
    assert 0 < measured["ram_used"] < measured["ram_total"]
    assert len(measured["gpus"]) == len(found.gpus)


def test_version_2_limits_hold_at_every_level(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/cgroup.procs": "",
            "sys/fs/cgroup/outer/memory.max": str(GIB),
            "sys/fs/cgroup/outer/memory.current": str(GIB * 3 // 4),
            "sys/fs/cgroup/outer/memory.stat": f"anon 1\ninactive_file {GIB // 4}\n",
            "sys/fs/cgroup/outer/cpu.max": "max 100000",
            "sys/fs/cgroup/outer/inner/memory.max": "max",
            "sys/fs/cgroup/outer/inner/cpu.max": "50000 100000",
        },
    )
    assert ram(root) == (GIB, GIB // 2)
    assert cpu_count(root) == 1


def test_version_1_limits_hold_and_the_hosts_path_may_be_hidden(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB),
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert ram(root) == (2 * GIB, GIB)
    assert cpu_count(root) == cpu_count()
    unlimited = machine(root, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"})
    assert ram(unlimited)[0] == psutil.virtual_memory().total


class Library(ModuleType):
    """Stands in for pynvml: two cards, of which the second tells little."""

    NVML_TEMPERATURE_GPU = 0

    def __init__(self, **answers: Any) -> None:
        super().__init__("pynvml")
        self.closed = 0
        cards = [("GPU-aaa1", "NVIDIA H200"), ("GPU-bbb2", b"Tesla K80")]
        self.nvmlInit = lambda: None
        self.nvmlShutdown = self._close
        self.nvmlSystemGetDriverVersion = lambda: b"580.65.06"
        self.nvmlSystemGetCudaDriverVersion_v2 = lambda: 13010
        self.nvmlDeviceGetCount = lambda: 2
        self.nvmlDeviceGetHandleByIndex = lambda index: index
        self.nvmlDeviceGetUUID = lambda handle: cards[handle][0]
        self.nvmlDeviceGetName = lambda handle: cards[handle][1]
        self.nvmlDeviceGetMemoryInfo = lambda handle: SimpleNamespace(total=80 * GIB, free=60 * GIB)
        self.nvmlDeviceGetUtilizationRates = self._first(SimpleNamespace(gpu=37))
        self.nvmlDeviceGetTemperature = lambda handle, kind: 55
        self.nvmlDeviceGetPowerUsage = self._first(123_456)
        self.nvmlDeviceGetComputeRunningProcesses = self._first(
            [SimpleNamespace(pid=1, usedGpuMemory=15 * GIB), SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None)]
        )
        self.__dict__.update(answers)

    def _close(self) -> None:
        self.closed += 1

    @staticmethod
    def _first(value: Any) -> Any:
        def answer(handle: int) -> Any:
            if handle:
                raise RuntimeError("Not Supported")
            return value

        return answer


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    stand_in = Library()
    monkeypatch.setitem(sys.modules, "pynvml", stand_in)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return stand_in


def test_cards_tell_what_they_can(library: Library) -> None:
    first, second = gpus()
    assert (first.name, first.uuid, first.driver) == ("NVIDIA H200", "GPU-aaa1", "580.65.06")
    assert (first.utilisation, first.temperature, first.power_w) == (37, 55, 123.456)
    assert [process[0] for process in first.processes] == [1, 2**22 + 1]
    assert first.processes[0][1] and first.processes[1][1:] == ("", 0)
    assert (second.name, second.utilisation, second.power_w, second.processes) == ("Tesla K80", None, None, [])
    assert library.closed == 1
    assert driver_cuda() == (13, 1)
    assert sample()["gpus"][0]["memory_used"] == 20 * GIB


def test_foreign_memory_is_what_is_not_ours(library: Library) -> None:
    first, second = gpus()
    assert first.foreign_bytes() == 15 * GIB
    assert first.foreign_bytes({1}) == 0
    assert second.foreign_bytes({1}) == 20 * GIB  # no processes are named, as in a container


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, [True, True]),
        ("", [False, False]),
        ("1", [False, True]),
        ("GPU-aaa", [True, False]),
        ("-1", [False] * 2),
    ],
)
def test_an_inherited_choice_of_cards_is_respected(
    library: Library, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: list[bool]
) -> None:
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert [gpu.visible for gpu in gpus()] == expected


def test_a_card_that_has_fallen_off_the_bus_is_left_out(library: Library) -> None:
    library.nvmlDeviceGetMemoryInfo = Library._first(SimpleNamespace(total=GIB, free=GIB))
    assert [gpu.index for gpu in gpus()] == [0]


def test_without_a_driver_there_are_no_cards(library: Library) -> None:
    def fail() -> None:
        raise RuntimeError("NVML Shared Library Not Found")

    library.nvmlInit = fail
    assert gpus() == [] and driver_cuda() is None and hardware().gpus == []
