"""The processes of one training, one for each card: what they agree upon, and what one does for all."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from core.engine.job import Job, PeerFailed, Stopped

T = TypeVar("T")

# The runner sees a job that hangs and ends it: no wait for a peer is cut short by a clock of its own, however long
# one process evaluates or saves.
PATIENCE = timedelta(days=7)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_launcher() -> None:
    """From here on the kernel kills this process as soon as the launcher that started it has died (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Ranks:
    """This process among those of its training; alone, where no launcher started it.

    All processes call the methods in the same order: each waits for the others.

    Attributes:
        rank: its number, from 0. size: how many they are. local: the number of its card among the visible ones.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK") or 0)
        self.size = int(os.environ.get("WORLD_SIZE") or 1)
        self.local = int(os.environ.get("LOCAL_RANK") or 0)

    @property
    def main(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def join(self, kind: str) -> None:
        """Meet the others. `kind`: what they compute on, ``cuda`` or ``cpu``."""
        if self.size == 1:
            return
        import torch

        # Over gloo they agree on numbers in RAM, without waiting for their cards.
        backend = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, timeout=PATIENCE)

    def leave(self) -> None:
        """Part from the others."""
        if self.size > 1:
            import torch

            torch.distributed.destroy_process_group()

    def agree(self, *asked: bool) -> tuple[bool, ...]:
        """Each of `asked`, true where it is true for any process."""
        if self.size == 1:
            return asked
        import torch

        flags = torch.tensor(asked, dtype=torch.uint8)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return tuple(bool(flag) for flag in flags.tolist())

    def wait(self) -> None:
        """Wait until all have come this far."""
        self.agree(False)

    def gather(self, values: Sequence[T]) -> list[T]:
        """The values of all processes, in the order of their numbers."""
        if self.size == 1:
            return list(values)
        import torch

        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, list(values))
        return [value for part in found for value in part]

    def first(self, work: Callable[[], T]) -> T:
        """What `work` gives the first process, which alone does it, while the others wait.

        Raises:
            Stopped: in all, where the first was asked to stop. PeerFailed: in the others, where it failed.
        """
        if self.size == 1:
            return work()
        import torch

        result: list[Any] = ["failed", None]
        try:
            if self.main:
                result = ["done", work()]
        except Stopped:
            result = ["stopped", None]
        finally:
            torch.distributed.broadcast_object_list(result, src=0)
        if result[0] == "stopped":
            raise Stopped
        if result[0] == "failed":
            raise PeerFailed
        return result[1]

    def check_stop(self, job: Job) -> None:
        """Raise Stopped in all processes where any was asked to stop."""
        job.look()
        if any(self.agree(job.stop_asked)):
            raise Stopped
