"""Where things are kept: the home, the hub cache, containers and their persistent mounts, /dev/shm, the disk."""

from __future__ import annotations

import os
import re
import secrets
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.doctor.check import Check, human_size
from core.files import Lock
from core.home import free_bytes, home
from core.models import hub_cache

_GIB = 1 << 30
_FLEETING = {"overlay", "aufs", "tmpfs", "ramfs"}
# Containers whose root is a layer that goes with them (a system container's, as LXC's, stays).
_LAYERED = {"Docker", "Podman", "Kubernetes", "docker", "kubepods", "containerd", "libpod"}
_PSEUDO = {
    "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "securityfs", "debugfs", "tracefs", "bpf",
    "configfs", "pstore", "hugetlbfs", "fusectl", "autofs", "binfmt_misc", "nsfs", "efivarfs", "squashfs", "iso9660",
    "rpc_pipefs", "fuse.lxcfs",
}  # fmt: skip
_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/etc", "/usr", "/lib", "/bin", "/sbin", "/boot", "/var/run", "/tmp")
_NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "ceph", "beegfs", "fuse.sshfs", "9p", "afs")
# Tries for a lock that its parent holds: exit code 3 where it was kept out, as it must be.
_RIVAL = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(3)
"""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo (the kernel's filesystems/proc, section 3.5)."""

    point: Path
    kind: str
    read_only: bool


def mounts(root: Path = Path("/")) -> list[Mount]:
    """The mounts of this process, in the order in which they were made."""
    try:
        text = (root / "proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    found: list[Mount] = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        words, tail = left.split(" "), right.split(" ")
        if dash and len(words) > 5 and len(tail) > 2:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), words[4])
            options = {*words[5].split(","), *tail[2].split(",")}
            found.append(Mount(Path(point), tail[0], "ro" in options))
    return found


def mount_of(path: Path, found: list[Mount]) -> Mount | None:
    """The mount that holds `path`: the last made of those with the longest matching mount point."""
    path = path.resolve()
    holding = [mount for mount in found if mount.point == path or mount.point in path.parents]
    return max(enumerate(holding), key=lambda item: (len(item[1].point.parts), item[0]), default=(0, None))[1]


def persistent_mounts(found: list[Mount]) -> list[Path]:
    """Writable folders on disks of their own, the one with the most room first."""
    places: dict[Path, int] = {}
    for mount in found:
        name = str(mount.point)
        system = any(name == part or name.startswith(part + "/") for part in _SYSTEM)
        if name == "/" or system or mount.read_only or mount.kind in _PSEUDO | _FLEETING:
            continue
        if mount.point.is_dir() and os.access(mount.point, os.W_OK):
            places[mount.point] = free_bytes(mount.point)
    return sorted(places, key=lambda place: -places[place])


def container(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> str | None:
    """The kind of container that we are in, or None."""
    given = os.environ if environment is None else environment
    if given.get("KUBERNETES_SERVICE_HOST"):
        return "Kubernetes"
    if given.get("APPTAINER_CONTAINER") or given.get("SINGULARITY_CONTAINER") or (root / ".singularity.d").is_dir():
        return "Apptainer"
    if (root / "run/.containerenv").exists():
        return "Podman"
    if (root / ".dockerenv").exists():
        return "Docker"
    if given.get("container"):  # set by systemd-nspawn, LXC and Podman (systemd.io/CONTAINER_INTERFACE)
        return given["container"]
    try:
        text = (root / "proc/1/cgroup").read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"docker|kubepods|containerd|libpod|lxc", text)
    return match.group() if match else None


def container_check(kind: str | None, found: list[Mount]) -> Check:
    """Whether the home and the hub cache outlive the container, and how to put them where they do."""
    places = persistent_mounts(found)
    home_mount, cache_mount = mount_of(home(), found), mount_of(hub_cache(), found)
    fleeting = [
        name
        for name, mount in (("the home", home_mount), ("the hub cache", cache_mount))
        if mount and (mount.kind in _FLEETING or (kind in _LAYERED and mount.point == Path("/")))
    ]
    value = f"in {kind}" if kind else "none found"
    if not fleeting:
        return Check("Container", "ok" if kind else "info", value + ("; home and cache outlive it" if kind else ""))
    end = "with it" if kind else "when the machine restarts"
    value += f"; {' and '.join(fleeting)} will be lost {end}"
    if places:
        advice = (
            f"Keep them on {places[0]} ({human_size(free_bytes(places[0]))} free):\n"
            f"export DIAPASON_HOME={_quoted(places[0] / 'diapason')}\n"
            f"export HF_HOME={_quoted(places[0] / 'huggingface')}"
        )
    else:
        advice = (
            "No persistent mount was found. Start the container with one (docker run -v /data:/data …), then:\n"
            "export DIAPASON_HOME=/data/diapason\nexport HF_HOME=/data/huggingface"
        )
    return Check("Container", "warn", value, advice)


def home_checks(found: list[Mount]) -> list[Check]:
    """The home: whether it can be made and written, who can read it, its file system, locks and fsync."""
    place = home()
    mount = mount_of(place, found)
    kind = mount.kind if mount else "unknown file system"
    existed = place.exists()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        advice = "Point DIAPASON_HOME at a folder that you can write to."
        return [Check("Home", "fail", f"{place}: cannot be made: {error.strerror}", advice)]
    try:
        mode = stat.S_IMODE(place.stat().st_mode)
        open_to_others = bool(mode & 0o077)
        value = f"{place} ({kind}, mode {mode:04o})"
        advice = f"Others can look into your runs: chmod 700 {_quoted(place)}" if open_to_others else ""
        checks = [Check("Home", "warn" if open_to_others else "ok", value, advice), _fsync_check(place)]
        checks.append(_lock_check(place, kind))
        return checks
    finally:
        if not existed:
            _remove_if_empty(place)


def _fsync_check(place: Path) -> Check:
    probe = place / f".doctor-{secrets.token_hex(4)}"
    try:
        begin = time.monotonic()
        with probe.open("wb") as handle:
            handle.write(b"x" * 4096)
            handle.flush()
            os.fsync(handle.fileno())
        seconds = time.monotonic() - begin
    except OSError as error:
        return Check("Write and fsync", "fail", f"{place}: {error.strerror}", "Point DIAPASON_HOME elsewhere.")
    finally:
        probe.unlink(missing_ok=True)
    value = f"{seconds * 1000:.0f} ms for 4 KiB"
    if seconds > 1:
        return Check("Write and fsync", "warn", value, "Slow: checkpoints will take long. A local disk is better.")
    return Check("Write and fsync", "ok", value)


def _lock_check(place: Path, kind: str) -> Check:
    name = "Locks"
    advice = "The queue and the runs need working locks (flock): put DIAPASON_HOME on a local disk."
    probe = place / f".doctor-{secrets.token_hex(4)}"
    lock = Lock(probe)
    try:
        lock.acquire()
        rival = subprocess.run([sys.executable, "-c", _RIVAL, str(probe)], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, "fail", f"cannot lock a file in {place} ({kind}): {error}", advice)
    finally:
        lock.release()
        probe.unlink(missing_ok=True)
    if rival.returncode != 3:
        return Check(name, "fail", f"two processes can hold the same lock in {place} ({kind})", advice)
    if kind.startswith(_NETWORK):
        advice = "Locks work here, but on a network file system not always between machines: use one machine a home."
        return Check(name, "warn", f"flock works on {kind}", advice)
    return Check(name, "ok", f"flock works on {kind}")


def hub_check() -> Check:
    """The cache of downloaded models: where, whether it can be written, whether downloads are switched off."""
    place = hub_cache()
    nearest = place
    while not nearest.exists():
        nearest = nearest.parent
    models = len(list(place.glob("models--*"))) if place.is_dir() else 0
    value = f"{place} ({models} model{'' if models == 1 else 's'})"
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    if not os.access(nearest, os.W_OK):
        advice = "Nothing can be downloaded there: point HF_HOME at a folder that you can write to."
        return Check("Hub cache", "warn", f"{value}: not writable", advice)
    return Check("Hub cache", "ok", value + (", downloads off (HF_HUB_OFFLINE)" if offline else ""))


def disk_checks() -> list[Check]:
    """Room on the disks of the home and of the hub cache."""
    checks: list[Check] = []
    for name, place in (("Disk of the home", home()), ("Disk of the hub cache", hub_cache())):
        free = free_bytes(place)
        value = f"{human_size(free)} free"
        if free < _GIB:
            advice = "A run needs room for its checkpoints: free some, or move the folder."
            checks.append(Check(name, "fail" if "home" in name else "warn", value, advice))
        elif free < 20 * _GIB:
            advice = "Enough for small models; a 7B model in bfloat16 takes 15 GB, each of its full checkpoints more."
            checks.append(Check(name, "warn", value, advice))
        else:
            checks.append(Check(name, "ok", value))
    return checks


def shm_check(place: Path = Path("/dev/shm")) -> Check:
    """Shared memory, through which data loaders and several GPUs hand tensors over (Docker gives 64 MiB)."""
    name = "/dev/shm"
    try:
        status = os.statvfs(place)
    except OSError:
        advice = "Mount a tmpfs there: several GPUs and data loader workers need it."
        return Check(name, "warn", "missing", advice)
    size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    value = f"{human_size(free)} of {human_size(size)} free"
    if free < _GIB:
        advice = "Small for data loader workers and several GPUs: docker run --shm-size=8g …, or --ipc=host."
        return Check(name, "warn", value, advice)
    return Check(name, "ok", value)


def temp_check() -> Check:
    """The system's temporary folder, where the locks for the cards are."""
    place = Path(tempfile.gettempdir())
    found = _lock_check(place, "the temporary folder") if os.access(place, os.W_OK) else None
    if found and found.status != "fail":
        return Check("Temporary folder", "ok", f"{place}, {human_size(free_bytes(place))} free")
    value = found.value if found else f"{place}: not writable"
    return Check("Temporary folder", "fail", value, "Set TMPDIR to a local folder that you can write to.")


def _remove_if_empty(place: Path) -> None:
    try:
        place.rmdir()
    except OSError:
        pass


def _quoted(place: Path) -> str:
    text = str(place)
    return text if re.fullmatch(r"[\w/.+-]+", text) else "'" + text.replace("'", "'\\''") + "'"
