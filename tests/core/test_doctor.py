"""The doctor: on this machine for real, and on machines made of files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core.doctor import cuda, place, system
from core.doctor.check import ask_python, human_size
from core.doctor.cuda import Cards, Torch, judge_bitsandbytes, read_torch, torch_checks, torch_sees_gpu_mismatch
from core.doctor.place import Mount
from core.hardware import Gpu
from tui import cli

GIB = 1 << 30


def gpu(free: int = 79, processes: list[tuple[int, str, int]] | None = None) -> Gpu:
    return Gpu(0, "GPU-1", "NVIDIA H200", 80 * GIB, free * GIB, 0, 40, 90.0, processes or [], "580.65.06", True)


def test_the_command_examines_this_machine(tmp_path: Path) -> None:
    environment = {**os.environ, "DIAPASON_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf")}
    command = [sys.executable, "-m", "tui", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["ok"] == (done.returncode == 0) == all(c["status"] != "fail" for c in document["checks"])
    found = {check["name"]: check for check in document["checks"]}
    for name in ("Python", "Packages", "Locks", "Write and fsync", "Temporary folder", "bitsandbytes"):
        assert found[name]["status"] == "ok", found[name]
    assert found["torch"]["status"] == "ok" and found["torch"]["value"].startswith("2.")
    assert str(tmp_path / "hf") in found["Hub cache"]["value"]
    assert all(check["status"] in ("ok", "info", "warn", "fail") for check in document["checks"])
    assert all(check["advice"] for check in document["checks"] if check["status"] in ("warn", "fail"))
    assert not (tmp_path / "home").exists()  # the doctor leaves nothing behind


def test_the_text_says_what_fails_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DIAPASON_HOME", str(blocked / "bad\x1b]0;title\x07"))
    quantiser = judge_bitsandbytes(None, "killed by signal 11")
    monkeypatch.setattr("core.doctor.ask_both", lambda: (Torch("2.13.0+cpu"), quantiser))
    code = cli.run(["doctor"])
    text = capsys.readouterr().out
    assert code == 1
    line = next(line for line in text.splitlines() if line.startswith("FAIL"))
    assert "Home" in line and "Point DIAPASON_HOME at a folder" in text
    assert "signal 11" in text and "Runs will not work" in text
    assert "\x1b" not in text and "␛" in text


def test_no_card_asks_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Torch:
        raise AssertionError("torch was asked")

    monkeypatch.setattr(cuda, "ask_torch", refuse)
    monkeypatch.setattr(cuda, "find_cards", Cards)
    assert cuda.check_cuda() is None
    monkeypatch.setattr(cuda, "find_cards", lambda: Cards([gpu()], 1, "580.65.06", (13, 0)))
    monkeypatch.setattr(cuda, "ask_torch", lambda: Torch("2.13.0+cpu"))
    problem = cuda.check_cuda()
    assert problem and "2.13.0+cpu (no CUDA) does not see it" in problem.message


@pytest.mark.parametrize(
    ("cards", "torch", "said"),
    [
        (Cards([gpu()], 1, "580.65", (13, 0)), Torch("2.13.0+cpu"), ["driver 580.65", "torch==2.13.0", "up to 13.0"]),
        (Cards([gpu()], 1, "535.10", (12, 2)), Torch("2.13.0", "13.0"), ["driver to 580", "built for CUDA 12"]),
        (Cards([], 2, "535.10"), Torch("2.13.0", "12.8"), ["an NVIDIA card", "docker run --gpus all"]),
        (Cards([gpu()], 1, "580.65", (13, 0)), Torch("2.13.0", "13.0", complaint="Error 802"), ["nvidia-smi", "802"]),
        (Cards([gpu()], 1, "580.65", (13, 0)), Torch("2.13.0", hip="6.4"), ["AMD"]),
        (Cards([gpu()], 1, "580.65"), Torch(problem="ImportError: libc10"), ["does not start: ImportError: libc10"]),
    ],
)
def test_a_card_that_torch_does_not_see_stops_us(cards: Cards, torch: Torch, said: list[str]) -> None:
    problem = torch_sees_gpu_mismatch(cards, torch)
    assert problem and problem.hint
    for words in said:
        assert words in str(problem)
    checks = torch_checks(cards, torch)
    failed = [check for check in checks if check.status == "fail"]
    assert failed and all(check.advice for check in failed)


def test_cards_that_torch_sees_are_fine() -> None:
    torch = Torch("2.13.0", "13.0", None, 1, ("sm_80", "sm_90", "compute_90"), (("NVIDIA H200", 9, 0),))
    cards = Cards([gpu()], 1, "580.65.06", (13, 0))
    assert torch_sees_gpu_mismatch(cards, torch) is None
    assert {check.status for check in torch_checks(cards, torch)} == {"ok"}
    assert torch_sees_gpu_mismatch(Cards(), Torch("2.13.0+cpu")) is None


@pytest.mark.parametrize(
    ("capability", "fits"), [((9, 0), True), ((8, 6), True), ((12, 0), True), ((7, 0), False), ((3, 7), False)]
)
def test_a_wheel_without_code_for_the_card_fails(capability: tuple[int, int], fits: bool) -> None:
    torch = Torch("2.13.0", "13.0", None, 1, ("sm_80", "sm_90a", "compute_90"), (("the card", *capability),))
    checks = [check for check in torch_checks(Cards([gpu()], 1), torch) if check.name == "GPU and torch"]
    assert [check.status for check in checks] == ["ok" if fits else "fail"]


def test_who_is_on_the_card_is_named() -> None:
    busy = gpu(20, [(7, "ada", 60 * GIB)])
    check = torch_checks(Cards([busy], 1), Torch("2.13.0", "13.0", None, 1))[-1]
    assert check.status == "warn" and "ada (pid 7, 60 GiB)" in check.value and "60 GiB are in use" in check.advice


def test_cards_without_nvml_are_found_by_their_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(cuda, "gpus", list)
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01 \n"
    )
    cards = cuda.find_cards(tmp_path)
    assert (cards.devices, cards.driver, cards.gpus) == (2, "535.183.01", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cuda.find_cards(tmp_path).devices == 0


def test_bitsandbytes_is_judged_by_what_it_does() -> None:
    good = {"version": "0.50.2", "device": "cpu", "error_max": 0.03}
    assert judge_bitsandbytes(good, "").status == "ok"
    assert judge_bitsandbytes({**good, "error_max": 0.9}, "").status == "warn"
    assert "no libcudart" in judge_bitsandbytes({"error": "OSError: no libcudart"}, "").value
    crashed = judge_bitsandbytes(None, "killed by signal 11")
    assert crashed.status == "warn" and "signal 11" in crashed.value and "qlora" in crashed.advice


def test_a_probe_that_dies_or_hangs_is_reported() -> None:
    assert ask_python("import os; os.kill(os.getpid(), 9)") == ([], "killed by signal 9")
    assert ask_python("print('no json')") == ([], "")
    assert ask_python("raise ValueError('x')") == ([], "ValueError: x")
    assert ask_python("import sys; sys.exit(4)") == ([], "exit code 4")
    slow = "print('{\"a\": 1}', flush=True); import time; time.sleep(60)"
    assert ask_python(slow, timeout=3) == ([{"a": 1}], "no answer within 3 s")
    assert read_torch([], "killed by signal 4").problem == "killed by signal 4"
    assert read_torch([{"error": "ImportError: x"}], "").problem == "ImportError: x"


MOUNTINFO = """\
1 0 0:1 / / rw - overlay overlay rw
2 1 0:2 / /proc rw - proc proc rw
3 1 0:3 / /dev/shm rw - tmpfs shm rw,size=65536k
4 1 8:1 /x /etc/hosts rw - ext4 /dev/sda rw
5 1 8:2 / {disk} rw,relatime shared:1 - ext4 /dev/sdb rw
6 1 8:3 / {disk}/read\\040only ro - ext4 /dev/sdc ro
"""


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    disk = tmp_path / "disk"
    (disk / "read only").mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTINFO.format(disk=disk))
    return tmp_path


def test_a_container_is_told_where_to_keep_things(boxed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", "/root/diapason")
    monkeypatch.setenv("HF_HOME", "/root/hf")
    monkeypatch.setattr(place, "_SYSTEM", ("/proc", "/dev", "/etc"))  # the test's own disk is below /tmp
    found = place.mounts(boxed)
    disk = boxed / "disk"
    assert [mount.point.name for mount in found][-1] == "read only" and found[-1].read_only
    assert place.persistent_mounts(found) == [disk]
    check = place.container_check("Docker", found)
    assert check.status == "warn" and "the home and the hub cache will be lost with it" in check.value
    assert f"export DIAPASON_HOME={disk}/diapason" in check.advice.splitlines()
    assert f"export HF_HOME={disk}/huggingface" in check.advice.splitlines()
    monkeypatch.setenv("DIAPASON_HOME", str(disk / "home"))
    monkeypatch.setenv("HF_HOME", str(disk / "hf"))
    assert place.container_check("Docker", found).status == "ok"
    monkeypatch.setenv("HF_HOME", "/root/hf")
    assert "the hub cache will be lost" in place.container_check("Docker", found).value
    nowhere = place.container_check("Docker", [Mount(Path("/"), "overlay", False)])
    assert "docker run -v" in nowhere.advice


def test_a_containers_own_root_is_lost_whatever_its_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", "/root/diapason")
    root = [Mount(Path("/"), "ext4", False)]
    assert place.container_check("Docker", root).status == "warn"
    assert place.container_check("lxc", root).status == "ok"
    assert place.container_check(None, root).status == "info"


@pytest.mark.parametrize(
    ("files", "environment", "kind"),
    [
        ({}, {}, None),
        ({".dockerenv": ""}, {}, "Docker"),
        ({"run/.containerenv": ""}, {}, "Podman"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        ({}, {"APPTAINER_CONTAINER": "/x.sif"}, "Apptainer"),
        ({}, {"container": "systemd-nspawn"}, "systemd-nspawn"),
        ({"proc/1/cgroup": "4:memory:/kubepods/pod1/abc\n"}, {}, "kubepods"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, {}, None),
    ],
)
def test_containers_are_recognised(
    tmp_path: Path, files: dict[str, str], environment: dict[str, str], kind: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert place.container(tmp_path, environment) == kind


def test_locks_that_do_not_hold_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    checks = {check.name: check for check in place.home_checks([Mount(Path("/"), "nfs4", False)])}
    assert checks["Locks"].status == "warn" and "nfs4" in checks["Locks"].value
    # As on a file system where locking is switched off: every process gets every lock.
    monkeypatch.setattr(place, "_RIVAL", "")
    checks = {check.name: check for check in place.home_checks([])}
    assert checks["Locks"].status == "fail" and "DIAPASON_HOME" in checks["Locks"].advice

    def refuse(self: Any, **_: Any) -> bool:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(place.Lock, "acquire", refuse)
    checks = {check.name: check for check in place.home_checks([])}
    assert checks["Locks"].status == "fail" and "not implemented" in checks["Locks"].value
    assert not (tmp_path / "home").exists()


def test_a_home_that_others_can_read_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "it's shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    monkeypatch.setenv("DIAPASON_HOME", str(shared))
    check = place.home_checks([])[0]
    assert check.status == "warn" and check.advice.endswith(f"chmod 700 '{tmp_path}/it'\\''s shared'")
    assert shared.is_dir() and not list(shared.iterdir())


@pytest.mark.parametrize(
    ("free", "statuses"), [(GIB // 2, ["fail", "warn"]), (9 * GIB, ["warn"] * 2), (99 * GIB, ["ok"] * 2)]
)
def test_little_room_is_said(monkeypatch: pytest.MonkeyPatch, free: int, statuses: list[str]) -> None:
    monkeypatch.setattr(place, "free_bytes", lambda path: free)
    assert [check.status for check in place.disk_checks()] == statuses


def test_shared_memory(tmp_path: Path) -> None:
    assert place.shm_check(tmp_path / "none").status == "warn"
    assert place.shm_check(tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("kind", "environment", "files", "kills", "status", "said"),
    [
        (None, {"SLURM_JOB_ID": "42"}, {}, False, "warn", "sbatch"),
        ("Docker", {}, {"proc/1/comm": "bash\n"}, False, "warn", "docker run --init"),
        ("Docker", {}, {"proc/1/comm": "tini\n"}, False, "ok", ""),
        (None, {"USER": "ada"}, {}, True, "warn", "loginctl enable-linger"),
        (None, {"USER": "ada"}, {"var/lib/systemd/linger/ada": ""}, True, "warn", "systemd-run --user"),
        (None, {"USER": "ada"}, {}, False, "ok", ""),
        (
            None,
            {"USER": "ada"},
            {"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\n"},
            None,
            "warn",
            "linger",
        ),
        (None, {"USER": "ada"}, {"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, None, "ok", ""),
        (
            None,
            {"USER": "ada"},
            {
                "etc/systemd/logind.conf": "KillUserProcesses=yes",
                "usr/lib/systemd/logind.conf.d/50-x.conf": "KillUserProcesses=yes",
                "etc/systemd/logind.conf.d/50-x.conf": "KillUserProcesses=no",
            },
            None,
            "ok",
            "",
        ),
    ],
)
def test_whether_runs_outlive_the_login(
    tmp_path: Path,
    kind: str | None,
    environment: dict[str, str],
    files: dict[str, str],
    kills: bool | None,
    status: str,
    said: str,
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    check = system.login_check(kind, root=tmp_path, environment=environment, kills=kills)
    assert check.status == status and said in check.advice


@pytest.mark.parametrize(
    ("environment", "size", "status", "said"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, (120, 40), "ok", "16 million colours, 120x40"),
        ({"TERM": "xterm-256color"}, (80, 24), "ok", "256 colours"),
        ({"TERM": "linux"}, (80, 24), "ok", "16 colours"),
        ({"TERM": "dumb"}, (80, 24), "warn", "no colours"),
        ({"TERM": "xterm-256color"}, (60, 20), "warn", "60x20"),
    ],
)
def test_terminals(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], size: tuple[int, int], status: str, said: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(system.shutil, "get_terminal_size", lambda: os.terminal_size(size))
    check = system.terminal_check(environment)
    assert check.status == status and said in check.value


def test_python_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.python_check().status == "ok"
    assert system.python_check((3, 10)).status == system.python_check((3, 14)).status == "fail"
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(system._NEEDED) == [re.split(r"[<>=]", wanted)[0] for wanted in project["dependencies"]]
    assert system.package_check().status == "ok"
    monkeypatch.setattr(system, "_NEEDED", (*system._NEEDED, "no-such-package"))
    check = system.package_check()
    assert check.status == "fail" and check.advice == "pip install no-such-package"


def test_sizes_read_well() -> None:
    assert [human_size(n) for n in (0, 1023, 1536, 64 << 20, 3 * GIB // 2, 2000 << 30)] == [
        "0 B", "1023 B", "1.5 KiB", "64 MiB", "1.5 GiB", "2.0 TiB",
    ]  # fmt: skip
