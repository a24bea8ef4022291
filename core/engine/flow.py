"""What happens between the steps of a training: preflight, evaluations, checkpoints, stops, and the step events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from core.engine.loading import resident_bytes
from core.engine.preflight import preflight

if TYPE_CHECKING:
    from core.engine.trainer import Sealed


class Flow(TrainerCallback):
    """Decides when to evaluate, save and stop, and writes the step events."""

    def __init__(self, trainer: Sealed) -> None:
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
            **trainer.step_facts(logs),
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
