"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

#: `data`: the wait for the next batches, collated and on the device. `forward`: up to the loss. `backward`: with what
#: gradient checkpointing computes again, and the wait for other ranks' gradients. `optimizer`: clipping and step.
PARTS = ("data", "forward", "backward", "optimizer")
_DIGITS = 6


class StepTime:
    """Sums up what each part of the steps takes, in seconds.

    On a GPU the parts lie between CUDA events in the stream: what the card takes, not what it takes to ask it. They
    are read once the card has passed them, and nothing ever waits for that.
    """

    def __init__(self, cuda: bool) -> None:
        self._cuda = cuda
        self._sums = dict.fromkeys(PARTS, 0.0)
        self._open: tuple[str, Any] | None = None
        self._passed: deque[tuple[str, Any, Any]] = deque()

    def start(self, part: str) -> None:
        """Here `part` begins, and the one before it ends."""
        now = self._close()
        self._open = part, now

    def stop(self) -> None:
        """Here the part ends that began last."""
        self._close()
        self._open = None

    def reset(self) -> None:
        """Forget all that was measured."""
        self._open = None
        self._passed.clear()
        self._sums = dict.fromkeys(PARTS, 0.0)

    def take(self, seconds: float) -> dict[str, float]:
        """Seconds in each part since the last call, and in anything else (`other`) of `seconds` in all.

        On a GPU all that was asked of it before must be done: the Trainer has then just read the loss.
        """
        self._read()
        found = {part: round(value, _DIGITS) for part, value in self._sums.items()}
        self._sums = dict.fromkeys(PARTS, 0.0)
        return {**found, "other": round(max(0.0, seconds - sum(found.values())), _DIGITS)}

    def _close(self) -> Any:
        now: Any = time.perf_counter()
        if self._cuda:
            now = torch.cuda.Event(enable_timing=True)
            now.record()
        if self._open is not None:
            part, began = self._open
            if self._cuda:
                self._passed.append((part, began, now))
                self._read()
            else:
                self._sums[part] += now - began
        return now

    def _read(self) -> None:
        while self._passed and self._passed[0][2].query():
            part, began, ended = self._passed.popleft()
            self._sums[part] += began.elapsed_time(ended) / 1000


# What is mixed into one of TRL's trainers is no trainer by itself.
Mixed = Trainer if TYPE_CHECKING else object


class Timed(Mixed):
    """Mixed into a trainer of TRL's: it then knows where the time of its steps goes, and trains as before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.step_time = StepTime(self.args.device.type == "cuda")
        self.add_callback(_AfterStep(self.step_time))

    def get_batch_samples(self, *arguments: Any, **options: Any) -> Any:
        """As the Trainer's."""
        self.step_time.start("data")
        found = super().get_batch_samples(*arguments, **options)
        self.step_time.stop()
        return found

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """As TRL's."""
        self.step_time.start("forward")
        loss = super().training_step(*arguments, **options)
        self.step_time.stop()
        return loss

    def compute_loss(self, *arguments: Any, **options: Any) -> Any:
        """As TRL's."""
        found = super().compute_loss(*arguments, **options)
        # The Trainer goes on to the backward pass.
        self.step_time.start("backward")
        return found

    def _clip_grad_norm(self, model: Any) -> Any:
        self.step_time.start("optimizer")
        return super()._clip_grad_norm(model)


class _AfterStep(TrainerCallback):
    def __init__(self, step_time: StepTime) -> None:
        self._step_time = step_time

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_time.stop()
