"""Which cards there are, as the runner sees them: measured in a child that can be killed when the driver hangs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from core.worker.job import environment, python

#: A card with more than this in use by others is not ours. A desktop shows less, a CUDA job more.
FOREIGN_BYTES = 512 << 20
#: The same where no process can be named, as in a container: the driver itself and a desktop show less.
UNNAMED_BYTES = 2 << 30
_SECONDS = 20


class Card(NamedTuple):
    """One GPU: its number in PCI order, its memory in bytes, and the `user` that it is not ours for (empty: free)."""

    number: int
    uuid: str
    name: str
    memory: int
    user: str = ""


def has_card() -> bool:
    """Whether the kernel shows an NVIDIA card, or WSL's stand-in for one. Costs nothing."""
    return Path("/dev/dxg").exists() or any(Path("/dev").glob("nvidia[0-9]*"))


def cards() -> list[Card]:
    """The machine's cards, in PCI order; none where there are none or where the driver does not answer in 20 s."""
    if not has_card():
        return []
    variables = environment()
    variables.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        done = subprocess.run(
            python("core.sampler", "cards"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            timeout=_SECONDS,
            check=True,
        )
        found: Any = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return [_card(values) for values in found if isinstance(values, dict)]


def _card(values: dict[str, Any]) -> Card:
    total = int(values["memory_total"])
    used = total - int(values["memory_free"])
    named = [(int(pid), str(user), int(size)) for pid, user, size in values["processes"]]
    user = ""
    if sum(size for _, _, size in named) > FOREIGN_BYTES:
        pid, owner, _ = max(named, key=lambda item: item[2])
        user = f"{owner or 'somebody'} (process {pid})"
    elif not named and used > UNNAMED_BYTES:
        user = f"somebody ({used / 2**30:.1f} GiB in use)"
    return Card(int(values["index"]), str(values["uuid"]), str(values["name"]), total, user)
