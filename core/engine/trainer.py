"""TRL's SFTTrainer with exact validation, sealed checkpoints, and events for those who watch."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from core.engine import sharding
from core.engine.answering import losses
from core.engine.encode import Row
from core.engine.job import Job, JobError
from core.engine.loading import resident_bytes
from core.engine.preflight import preflight
from core.engine.ranks import Ranks
from core.engine.room import checkpoint_bytes, make_room
from core.engine.sampling import Sampler
from core.engine.step_time import TimedTrainer
from core.engine.trackers import Trackers
from core.engine.validation import Validation
from core.runs import checkpoints

_SCHEDULER = "scheduler.pt"


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


class SealedTrainer(TimedTrainer):
    """An SFTTrainer whose evaluations and checkpoints are ours; it never steps on a loss that is not finite."""

    def __init__(self, *arguments: Any, job: Job, ranks: Ranks, validation: Sequence[Row], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.job = job
        self.ranks = ranks
        self.validation = [(row.input_ids.tolist(), row.labels.tolist()) for row in validation]
        self.plan = Plan(0, 1, 1, 1, 1)
        self.best = Validation()
        self.sampler: Sampler | None = None
        self.paused = 0.0  # seconds spent on evaluations and checkpoints
        self.trackers = Trackers()
        self.use_of_token: float | None = None  # share of the cards' speed that one token a second takes
        self.remove_callback(PrinterCallback)
        self.add_callback(Flow(self))

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
        """The mean loss a token over all validation rows, exact whatever the batches; answers the samples too."""
        began = time.monotonic()
        step = self.state.global_step
        result: dict[str, float] = {}
        with self._answering():
            if self.validation:
                parts: list[tuple[int, float, int]] = []
                size, pad = self.ranks.size, self._tokenizer.pad_token_id
                for batch in losses(self.model, self.validation, pad, rank=self.ranks.rank, size=size):
                    parts += batch
                    done = min(len(parts) * size, len(self.validation))
                    self.job.pulse("validation", done, len(self.validation))
                parts = self.ranks.gather(parts)
                judged = self.best.take(step, parts)
                loss, best = judged["loss"], judged["best"]
                result = {"eval_loss": loss}
                self.job.emit(
                    "eval",
                    sync=True,
                    step=step,
                    epoch=self.state.epoch or 0.0,
                    **judged,
                    rows=len(parts),
                    tokens=sum(count for _, _, count in parts),
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

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the Trainer's; of a sharded model only what was trained, gathered."""
        if self.is_fsdp_enabled:
            self._save(output_dir, state_dict=sharding.whole_weights(self.model))
        else:
            super().save_model(output_dir, _internal_call)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        sharding.save_optimizer(self.model, self.optimizer, Path(output_dir), main=self.ranks.main)
        if self.ranks.main:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / _SCHEDULER)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            sharding.load_weights(self.model, Path(resume_from_checkpoint), main=self.ranks.main)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.is_fsdp_enabled or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        sharding.load_optimizer(self.model, self.optimizer, Path(checkpoint), main=self.ranks.main)
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / _SCHEDULER, weights_only=True))


class Flow(TrainerCallback):
    """Decides when to evaluate, save and stop, and writes the step events."""

    def __init__(self, trainer: SealedTrainer) -> None:
        self._trainer = trainer
        self._clock = 0.0
        self._tokens = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The preflight, then the untuned model's loss and answers: what would not fit is told first."""
        trainer, job, ranks = self._trainer, self._trainer.job, self._trainer.ranks
        job.step = state.global_step
        if ranks.rank:
            # Else all processes would drop out the same places of their different rows.
            torch.manual_seed(args.seed + ranks.rank)
        measured = preflight(trainer, trainer.plan.accumulation)
        job.emit("preflight", sync=True, **measured, checks=trainer.plan.checks)
        print(
            f"Longest batch: {measured['longest_tokens']} tokens a row, "
            f"peak memory {measured['peak_memory_bytes'] / 2**30:.2f} GiB, "
            f"about {measured['eta_seconds'] / 60:.1f} min of training",
            flush=True,
        )
        ranks.check_stop(job)
        if state.global_step == 0:
            trainer.evaluate()
        ranks.check_stop(job)
        self._tokens = trainer.tokens_seen
        trainer.paused = 0.0
        trainer.step_time.reset()
        self._clock = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look at the inbox; evaluate, save or stop where it is time."""
        job, plan, step = self._trainer.job, self._trainer.plan, state.global_step
        job.step = step
        job.pulse("train", step, plan.total_steps)
        job.look()
        stop, save = self._trainer.ranks.agree(job.stop_asked, job.take("checkpoint"))
        last = step >= plan.total_steps
        if last or step % plan.eval_every == 0:
            control.should_evaluate = True
        if last or step % plan.save_every == 0 or save:
            control.should_save = True
        if last:
            control.should_log = True
            control.should_training_stop = True
        elif stop:
            job.log("info", f"Stopping after step {step}, as asked; the checkpoint comes first.")
            control.should_save = True
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write a step event; the Trainer's own history is dropped, or each checkpoint would hold all of it."""
        state.log_history.clear()
        if not logs or "loss" not in logs:
            return
        trainer = self._trainer
        now = time.monotonic()
        seconds = max(1e-9, now - self._clock - trainer.paused)
        tokens = trainer.tokens_seen
        speed = (tokens - self._tokens) / seconds
        measured = {
            "epoch": state.epoch,
            "loss": logs["loss"],
            "grad_norm": logs.get("grad_norm"),
            "learning_rate": logs.get("learning_rate"),
            "tokens": tokens,
            "tokens_per_second": speed,
            "mfu": None if trainer.use_of_token is None else speed * trainer.use_of_token,
            "seconds": seconds,
        }
        trainer.job.emit(
            "step",
            step=state.global_step,
            **measured,
            split=trainer.step_time.take(seconds),
            paused=trainer.paused,
            ram_bytes=resident_bytes(),
            gpu_bytes=int(torch.cuda.max_memory_allocated()) if args.device.type == "cuda" else None,
        )
        trainer.trackers.log(state.global_step, measured)
        print(
            f"step {state.global_step}/{trainer.plan.total_steps}: loss {logs['loss']:.4f}, {speed:.0f} tokens/s",
            flush=True,
        )
        self._clock, self._tokens, trainer.paused = now, tokens, 0.0


def _nonfinite(what: str, value: float, step: int) -> JobError:
    return JobError(
        "nonfinite_loss",
        f"the {what} became {value:g} at step {step}; that step was not taken",
        hint="Lower train.learning_rate (try a third), lengthen train.warmup, or look for odd rows in the data.",
    )
