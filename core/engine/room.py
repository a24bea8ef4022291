"""Room for the next checkpoint, seen to before anything of it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.engine.job import Job, JobError
from core.home import free_bytes
from core.runs import checkpoints

# What has to stay free beside a checkpoint: its small files, events, logs, and what others write meanwhile.
_MARGIN = 32 << 20


def make_room(job: Job, root: Path, expected: int, best: int | None) -> None:
    """See to it that a checkpoint fits on the disk of the folder `root`.

    Where it would not, older checkpoints go, and damaged ones that were put aside; never the last sealed one, the
    best so far (step `best`), nor the best that the last one tells of.

    Args:
        expected: bytes of weights and optimizer state, for a run that has no checkpoint whose size would tell.

    Raises:
        JobError: of the kind ``disk_full`` where it still does not fit; nothing has been written.
    """
    sealed = checkpoints.sealed(root)
    size = checkpoints.size(checkpoints.at(root, sealed[-1])) if sealed else expected
    needed = size + size // 20 + _MARGIN
    if free_bytes(root) >= needed:
        return
    gone = checkpoints.spare(root, best)
    if gone:
        job.log("warning", f"The disk is nearly full: {', '.join(gone)} made room for the next checkpoint.")
    free = free_bytes(root)
    if free < needed:
        raise JobError(
            "disk_full",
            f"the disk is nearly full: the checkpoint of step {job.step} needs about {_told(needed)}, and "
            f"{_told(free)} are free; it was not begun",
            where=str(root),
            hint="Free some space (`diapason clean` lists what can go), then resume the run: it goes on from "
            + (f"step {sealed[-1]}, its last sealed checkpoint." if sealed else "its beginning."),
        )


def checkpoint_bytes(model: Any, optimizer: Any) -> int:
    """Bytes that weights and optimizer state will take: those of an adapter alone where only one is trained.

    Before the first step the optimizer has no state, and none is written either.
    """
    parameters = list(model.parameters())
    if any(not parameter.requires_grad for parameter in parameters):
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
    states = (value for state in optimizer.state.values() for value in state.values())
    tensors = [*parameters, *(value for value in states if hasattr(value, "element_size"))]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _told(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 1 << 30 else f"{count / 2**20:.0f} MiB"
