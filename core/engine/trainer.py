"""TRL's trainers with exact validation, sealed checkpoints, and events for those who watch."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as compute
import torch
import trl
from numpy.typing import NDArray
from torch.distributed.tensor import DTensor
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from core.chat import NO_LOSS
from core.engine.answering import losses
from core.engine.encode import Row
from core.engine.flow import Flow
from core.engine.job import Job, JobError
from core.engine.persisting import Persisting
from core.engine.ranks import Ranks
from core.engine.room import checkpoint_bytes, make_room
from core.engine.sampling import Sampler
from core.engine.step_time import Timed
from core.engine.trackers import Trackers
from core.engine.validation import Validation
from core.runs import checkpoints


@dataclass(slots=True)
class Plan:
    """When what happens, in optimizer steps, and what a checkpoint's manifest says beside its files."""

    total_steps: int
    eval_every: int
    save_every: int
    keep: int
    accumulation: int
    early_stopping: int = 0  # evaluations in a row; 0: never
    facts: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)


class Sealed(Persisting, Timed):
    """Mixed into a trainer of TRL's: evaluations and checkpoints are ours, and no step is taken on a loss that is not
    finite.

    Attributes:
        validation: the rows that choose the checkpoint, as the trainer's `validate` takes them.
    """

    validation: Sequence[Any]
    _tokenizer: Any
    _total_train_tokens: float

    def __init__(self, *arguments: Any, job: Job, ranks: Ranks, validation: Sequence[Any], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.job = job
        self.ranks = ranks
        self.validation = validation
        self.plan = Plan(0, 1, 1, 1, 1)
        self.best = Validation()
        self.sampler: Sampler | None = None
        self.paused = 0.0  # seconds spent on evaluations and checkpoints
        self.trackers = Trackers()
        self.use_of_token: float | None = None  # share of the cards' speed that one token a second takes
        self.remove_callback(PrinterCallback)
        self.add_callback(Flow(self))

    def validate(self) -> tuple[list[tuple[int, float, int]], dict[str, Any]]:
        """Each validation row's number, summed loss and what that is divided by; and further fields of the event."""
        raise NotImplementedError

    def row_lengths(self) -> NDArray[np.int64]:
        """Tokens of the longest sequence of each training row."""
        raise NotImplementedError

    def counted(self, batch: dict[str, Any]) -> torch.Tensor | None:
        """What the loss of a batch is divided by, where the Trainer has to be told."""
        return None

    def step_facts(self, logs: dict[str, float]) -> dict[str, float | None]:
        """Further fields of a step's event, from what TRL logs."""
        return {}

    def summed_losses(self, rows: Sequence[tuple[Any, Any]]) -> list[tuple[int, float, int]]:
        """(row, summed nats, tokens with loss) of (input ids, labels), by all processes together."""
        parts: list[tuple[int, float, int]] = []
        size, pad = self.ranks.size, self._tokenizer.pad_token_id
        for batch in losses(self.model, rows, pad, rank=self.ranks.rank, size=size):
            parts += batch
            self.job.pulse("validation", min(len(parts) * size, len(rows)), len(rows))
        return self.ranks.gather(parts)

    @property
    def tokens_seen(self) -> int:
        """Tokens trained on so far, padding aside, over all attempts."""
        return int(self._total_train_tokens)

    @tokens_seen.setter
    def tokens_seen(self, count: int) -> None:
        self._total_train_tokens = count

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """As TRL's. Raises JobError where the loss is NaN or infinite, before a weight has changed."""
        loss = super().training_step(*arguments, **options)
        if not bool(torch.isfinite(loss)):
            raise _nonfinite("loss", float(loss), self.state.global_step + 1)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        # Under float16 the scaler meets infinities on its way to the right scale, and skips those steps itself.
        if self.accelerator.scaler is None and not math.isfinite(float(norm)):
            raise _nonfinite("gradient norm", float(norm), self.state.global_step + 1)
        return norm

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss over all validation rows, exact whatever the batches; answers the samples too."""
        began = time.monotonic()
        step = self.state.global_step
        result: dict[str, float] = {}
        with self._answering():
            if self.validation:
                parts, facts = self.validate()
                judged = self.best.take(step, parts)
                loss, best = judged["loss"], judged["best"]
                result = {"eval_loss": loss}
                self.job.emit(
                    "eval",
                    sync=True,
                    step=step,
                    epoch=self.state.epoch or 0.0,
                    **judged,
                    **facts,
                    rows=len(parts),
                    seconds=time.monotonic() - began,
                )
                self.trackers.log(step, {"eval_loss": loss, "eval_best_loss": self.best.loss})
                print(f"step {step}: validation loss {loss:.4f}{' (best so far)' if best else ''}", flush=True)
            # A sharded model answers only where all its processes ask it.
            if self.sampler and (self.ranks.main or self.is_fsdp_enabled):
                self.sampler.write(self.model, step)
        self.paused += time.monotonic() - began
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, result)
        if self.best.step == step:
            self.control.should_save = True
        if self.past_its_best and step < self.plan.total_steps:
            self._stop_early(step)
        return result

    @property
    def past_its_best(self) -> bool:
        """Whether early stopping ends the training: enough evaluations in a row lie above the best."""
        return 0 < self.plan.early_stopping <= self.best.worse

    def _stop_early(self, step: int) -> None:
        self.job.log(
            "info",
            f"Early stopping at step {step}: {self.best.worse} evaluations in a row lie above the best validation "
            f"loss ({self.best.loss:.4f} at step {self.best.step}) by more than one standard error.",
        )
        # The checkpoint holds the verdict: whoever goes on from it does not train on.
        self.control.should_save = True
        self.control.should_training_stop = True

    @contextlib.contextmanager
    def _answering(self) -> Any:
        training = self.model.training
        self.model.eval()
        try:
            with self.compute_loss_context_manager():
                yield
        finally:
            self.model.train(training)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        began = time.monotonic()
        step = self.state.global_step
        folder = checkpoints.at(Path(self.args.output_dir), step)
        if self.ranks.main:
            make_room(self.job, folder.parent, checkpoint_bytes(self.model, self.optimizer), self.best.step)
        # Nobody begins to write before it is known that there is room.
        self.ranks.wait()
        # Not SFTTrainer's: it writes a model card into the folder of all checkpoints at every save.
        try:
            Trainer._save_checkpoint(self, model, trial)
            # Each process has written the state of its random numbers; the first one seals them all.
            self.ranks.wait()
            if self.ranks.main:
                self.best.save(folder)
                facts = {"step": step, "best": self.best.best, "tokens": self.tokens_seen, **self.plan.facts}
                checkpoints.seal(folder, facts)
        except Exception:
            # Half a checkpoint is of no use, and takes the room that may be missing. Only the first process knows
            # whether it is half a one.
            if self.ranks.main:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self.job.emit(
            "checkpoint",
            sync=True,
            step=step,
            path=folder.relative_to(self.job.folder).as_posix(),
            seconds=time.monotonic() - began,
            best=self.best.step == step,
        )
        if self.ranks.main:
            checkpoints.rotate(folder.parent, self.plan.keep, self.best.step)
        self.paused += time.monotonic() - began


class SealedTrainer(Sealed, trl.SFTTrainer):
    """TRL's SFTTrainer, sealed; its validation rows are core.engine.encode's, its loss is nats a token."""

    def __init__(self, *arguments: Any, validation: Sequence[Row], **options: Any) -> None:
        rows = [(row.input_ids.tolist(), row.labels.tolist()) for row in validation]
        super().__init__(*arguments, validation=rows, **options)

    def validate(self) -> tuple[list[tuple[int, float, int]], dict[str, Any]]:
        """As `Sealed` has it: nats, and tokens."""
        parts = self.summed_losses(self.validation)
        return parts, {"tokens": sum(count for _, _, count in parts)}

    def row_lengths(self) -> NDArray[np.int64]:
        """Tokens of each training row."""
        return compute.list_value_length(self.train_dataset.data.column("input_ids")).to_numpy()

    def counted(self, batch: dict[str, Any]) -> torch.Tensor | None:
        """The tokens with loss."""
        return (batch["labels"][..., 1:] != NO_LOSS).sum()


def _nonfinite(what: str, value: float, step: int) -> JobError:
    return JobError(
        "nonfinite_loss",
        f"the {what} became {value:g} at step {step}; that step was not taken",
        hint="Lower train.learning_rate (try a third), lengthen train.warmup, or look for odd rows in the data.",
    )
