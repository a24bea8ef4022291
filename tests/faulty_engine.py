"""The real engine with accidents: for tests of what the runner makes of them.

``DIAPASON_FAULT`` is a list of ``KIND@STEP``; kinds: oom (out of GPU memory while the micro-batch is above 2), full
(the disk is full at a save), line (it is full at an event's line), nan (the loss becomes NaN), wait (until the test
makes the file ``go-STEP``; ``waiting-STEP`` tells it), and once a run: hang, gpu (the card fails), saving (killed
when half of the first checkpoint from that step on is written).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
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
    if kind == "oom" and trainer.args.per_device_train_batch_size > 2:
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if kind == "hang" and _first(kind):
        time.sleep(600)
    if kind == "gpu" and _first(kind):
        raise RuntimeError("CUDA error: unspecified launch failure")
    if kind == "line" and _first(kind):
        # The kernel's own refusal, on the file of events.
        os.dup2(os.open("/dev/full", os.O_WRONLY), trainer.job._events._handle.fileno())


def _wait(step: int) -> None:
    Path(f"waiting-{step}").touch()
    while not Path(f"go-{step}").exists():
        time.sleep(0.02)


def _breathe() -> threading.Event:
    """Print now and then until the event is set: to import may take longer than a test's patience with a hang."""
    begun = threading.Event()

    def breathe() -> None:
        while not begun.wait(0.5):
            print("…", flush=True)

    threading.Thread(target=breathe, daemon=True).start()
    return begun


def main() -> int:
    """Patch the trainer, then run the engine."""
    begun = _breathe()
    from core.engine import trainer as module
    from core.engine.__main__ import main as engine

    whole = module.SealedTrainer
    step, save, optimizer = whole.training_step, whole._save_checkpoint, whole._save_optimizer_and_scheduler

    def training_step(self: Any, *arguments: Any, **options: Any) -> Any:
        begun.set()
        at = [kind for kind, number in FAULTS if number == self.state.global_step + 1]
        for kind in at:
            _strike(kind, self)
            if kind == "wait":
                _wait(self.state.global_step + 1)
        loss = step(self, *arguments, **options)
        if "nan" in at:
            loss = loss * float("nan")
            raise module._nonfinite("loss", float(loss), self.state.global_step + 1)
        return loss

    def save_checkpoint(self: Any, *arguments: Any) -> None:
        if any(kind == "full" and self.state.global_step >= number for kind, number in FAULTS):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.args.output_dir))
        save(self, *arguments)

    def save_optimizer(self: Any, *arguments: Any) -> None:
        if any(kind == "saving" and self.state.global_step >= number for kind, number in FAULTS) and _first("saving"):
            os.kill(os.getpid(), signal.SIGKILL)
        optimizer(self, *arguments)

    whole.training_step, whole._save_checkpoint = training_step, save_checkpoint  # type: ignore[method-assign]
    whole._save_optimizer_and_scheduler = save_optimizer  # type: ignore[method-assign]
    return engine(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
