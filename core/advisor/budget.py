"""How long a run takes, before anything is loaded; the engine's preflight measures the same on the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.advisor.device import Device
from core.advisor.flops import FORWARD, MORE_FORWARD, flops_per_token
from core.advisor.shape import Shape

# Share of a GPU's stated speed that plain transformers training reaches; a CPU's figure is measured while training.
_UTILISATION = {"cuda": 0.35, "cpu": 1.0}
# Guide E: QLoRA takes about 20 % longer, for weights are turned back to 16 bits for each use.
_QLORA = 1.2
# Seconds that one micro-batch costs whatever its size (Python, kernel launches), and seconds before the first step.
_MICRO_STEP = {"cuda": 0.06, "cpu": 0.03}
_START = {"cuda": 25.0, "cpu": 12.0}
# The estimate may be off by this factor either way.
FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """Seconds of a training run with its evaluations; low and high bound what to expect."""

    seconds: float
    steps: int
    tokens: int
    tokens_per_second: float
    factor: float = FACTOR

    @property
    def low(self) -> float:
        """The lower end, in seconds."""
        return self.seconds / self.factor

    @property
    def high(self) -> float:
        """The upper end, in seconds."""
        return self.seconds * self.factor


@dataclass(frozen=True, slots=True)
class Work:
    """What a run goes through: training rows, validation rows, mean padded tokens a row, passes, batch sizes.

    max_steps: optimizer steps to stop after, where that is not left to the passes. gpus: cards that share the rows.
    four_bit: dpo and kto over weights in 4 bits.
    """

    rows: int
    validation_rows: int
    row_tokens: float
    epochs: float
    micro_batch: int
    accumulation: int
    method: str
    rank: int
    checkpointing: bool
    max_steps: int | None = None
    gpus: int = 1
    four_bit: bool = False

    @property
    def sequences(self) -> int:
        """Texts that a row puts through the model: dpo's are two answers to a prompt."""
        return 2 if self.method == "dpo" else 1

    @property
    def effective(self) -> int:
        """Rows an optimizer step."""
        return self.micro_batch * self.accumulation * self.gpus

    @property
    def steps(self) -> int:
        """Optimizer steps: by the epochs, or up to the limit."""
        return self.max_steps or steps_of(self.rows, self.epochs, self.effective)

    @property
    def shown_rows(self) -> float:
        """Rows that go through the model in all, repeats counted."""
        if self.max_steps:
            return float(self.max_steps * self.effective)
        return self.rows * self.epochs


def steps_of(rows: int, epochs: float, effective: int) -> int:
    """Optimizer steps of a run: a last, smaller batch of each epoch counts."""
    return max(1, math.ceil(math.ceil(rows / effective) * epochs)) if rows else 0


def estimate(shape: Shape, work: Work, device: Device, evaluations: int = 10) -> TimeEstimate:
    """The time of `work` on `device`, with `evaluations` passes over the validation rows (a forward pass each).

    Several cards divide the rows among them; what their exchange costs is within the estimate's factor. Processes on
    one processor share what it has.
    """
    cost = flops_per_token(
        shape,
        adapter=None if work.method == "full" else work.rank * shape.sides,
        length=work.row_tokens,
        checkpointing=work.checkpointing,
        more_forward=MORE_FORWARD.get(work.method, 0),
    )
    quantised = work.method == "qlora" or work.four_bit
    speed = device.flops * _UTILISATION[device.kind] / (_QLORA if quantised else 1.0)
    tokens = work.shown_rows * work.row_tokens * work.sequences
    micro_steps = work.shown_rows / work.micro_batch
    cards = work.gpus if device.kind == "cuda" else 1
    speed *= cards
    training = tokens * cost / speed + micro_steps * _MICRO_STEP[device.kind] / cards
    # The reference reads the validation rows once; later evaluations remember what it said.
    checked = evaluations * work.validation_rows * work.row_tokens * work.sequences
    checking = checked * FORWARD * shape.active / speed
    return TimeEstimate(
        seconds=_START[device.kind] + training + checking,
        steps=work.steps,
        tokens=round(tokens),
        tokens_per_second=tokens / training if training else 0.0,
    )
