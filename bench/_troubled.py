"""The engine with the trouble ``DIAPASON_TROUBLE`` from step ``DIAPASON_FROM`` on, for watchers_real.py."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any


def _shake(model: Any, size: float) -> None:
    """Add noise of the scale `size` to the weights that are trained."""
    import torch

    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.requires_grad:
                weights.add_(size * torch.randn(weights.shape, generator=made))


def trouble(kind: str, since: int, trainer: Any, step: int) -> None:
    """What goes wrong after the step `step`, if anything."""
    if kind == "spike" and step == since:
        _shake(trainer.model, 0.25)
    elif kind == "divergence" and step >= since:
        _shake(trainer.model, 0.002 * (step - since) ** 0.5)
    elif kind == "nan" and step == since:
        _shake(trainer.model, float("nan"))
    elif kind == "slow" and step >= since:
        time.sleep(3 * trainer.usual)
    elif kind == "stall" and step == since and not Path("stalled").exists():
        Path("stalled").touch()
        time.sleep(600)


def main() -> int:
    """The engine, with the trouble."""
    from core.engine import __main__ as engine
    from core.engine.trainer import Flow

    kind, since = os.environ["DIAPASON_TROUBLE"], int(os.environ["DIAPASON_FROM"])
    own, begun = Flow.on_step_end, [time.monotonic()]

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        own(self, args, state, control, **more)
        now = time.monotonic()
        self._trainer.usual = min(getattr(self._trainer, "usual", now - begun[0]), now - begun[0])
        trouble(kind, since, self._trainer, state.global_step)
        begun[0] = time.monotonic()

    Flow.on_step_end = on_step_end
    return engine.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
