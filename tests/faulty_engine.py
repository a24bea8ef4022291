"""The real engine with accidents: for tests of what the runner makes of them.

``DIAPASON_FAULT`` is a list of ``KIND@STEP``; kinds: oom (out of GPU memory while the micro-batch is above 1), full
(the disk is full at a save), nan (the loss becomes NaN), and once a run: hang, kill, gpu (the card fails).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

FAULTS = [(kind, int(step)) for kind, _, step in
          (fault.partition("@") for fault in os.environ.get("DIAPASON_FAULT", "").split(",") if fault)]  # fmt: skip


class OutOfMemoryError(RuntimeError):
    """As torch's own, which is matched by its name."""


def _first(kind: str) -> bool:
    """Whether this accident has not happened yet; it does so once in a run, whose folder is the working folder."""
    try:
        Path(f"{kind}.once").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _strike(kind: str, trainer: Any) -> None:
    if kind == "oom" and trainer.args.per_device_train_batch_size > 1:
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if kind == "kill" and _first(kind):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hang" and _first(kind):
        time.sleep(600)
    if kind == "gpu" and _first(kind):
        raise RuntimeError("CUDA error: unspecified launch failure")


def main() -> int:
    """Patch the trainer, then run the engine."""
    from core.engine import trainer as module
    from core.engine.__main__ import main as engine

    whole = module.SealedTrainer
    step, save = whole.training_step, whole._save_checkpoint

    def training_step(self: Any, *arguments: Any, **options: Any) -> Any:
        at = [kind for kind, number in FAULTS if number == self.state.global_step + 1]
        for kind in at:
            _strike(kind, self)
        loss = step(self, *arguments, **options)
        if "nan" in at:
            loss = loss * float("nan")
            raise module._nonfinite("loss", float(loss), self.state.global_step + 1)
        return loss

    def save_checkpoint(self: Any, *arguments: Any) -> None:
        if any(kind == "full" and self.state.global_step >= number for kind, number in FAULTS):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.args.output_dir))
        save(self, *arguments)

    whole.training_step, whole._save_checkpoint = training_step, save_checkpoint  # type: ignore[method-assign]
    return engine(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
