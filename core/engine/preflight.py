"""The longest batch once through forward, backward and step, before anything counts, and no trace of it left."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from core.engine.job import JobError
from core.engine.loading import resident_bytes

# A pass shorter than this is done twice, since the first one also pays for warming up.
_SHORT_SECONDS = 5.0


def preflight(trainer: Any, accumulation: int) -> dict[str, Any]:
    """Measure peak memory and time of the worst micro-batch; weights, optimizer and random numbers stay as they are.

    Returns:
        ``{peak_memory_bytes, seconds, longest_tokens, eta_seconds}``: seconds of one micro-batch; the estimate
        is for all micro-batches of the run, scaled by their tokens, evaluations not counted.

    Raises:
        JobError: where the loss or the gradient of that batch is not finite.
    """
    lengths = trainer.row_lengths()
    size = trainer.args.per_device_train_batch_size
    longest = np.argsort(-lengths, kind="stable")[:size]
    batch = trainer.data_collator([trainer.train_dataset[int(index)] for index in longest])
    random_states = _random_states()
    kept = {mode: {name: list(values) for name, values in m.items()} for mode, m in trainer._metrics.items()}
    tokens = trainer.tokens_seen
    trainer.current_gradient_accumulation_steps = accumulation
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        seconds = _pass(trainer, batch)
        if not any(trainer.ranks.agree(seconds >= _SHORT_SECONDS)):
            seconds = _pass(trainer, batch)
    finally:
        trainer.model.zero_grad()
        trainer.tokens_seen = tokens
        for mode, metrics in trainer._metrics.items():
            metrics.clear()
            metrics.update(kept[mode])
        _restore(random_states)
    steps = trainer.state.max_steps - trainer.state.global_step
    share = float(lengths.mean()) * size / max(1, int(lengths[longest].sum()))
    return {
        "peak_memory_bytes": peak_bytes(),
        "seconds": seconds,
        "longest_tokens": int(lengths.max()),
        "eta_seconds": seconds * accumulation * steps * min(1.0, share),
    }


def _pass(trainer: Any, batch: dict[str, Any]) -> float:
    began = time.perf_counter()
    count = trainer.counted(batch)
    if count is not None:
        # Every process has this batch, and the loss is over the tokens of all.
        count = count.to(trainer.args.device) * trainer.ranks.size
    loss = trainer.training_step(trainer.model_wrapped, dict(batch), num_items_in_batch=count)
    # Not the accelerator's clipping: under float16 that may be asked for once a step only.
    total = torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), math.inf)
    norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
    raw = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    if math.isfinite(norm):
        # On a resumed run the optimizer has its state already: it takes no more memory by stepping.
        if not raw.state:
            _empty_step(raw)
    elif trainer.accelerator.scaler is None:
        raise JobError(
            "nonfinite_loss",
            f"the longest batch gives a loss of {float(loss):g} with a gradient norm of {norm:g} before any step",
            hint="The model's weights overflow in this type: set train.dtype to float32 or bfloat16.",
        )
    trainer.model.zero_grad()
    if trainer.args.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _empty_step(optimizer: Any) -> None:
    """A step at a learning rate of 0, which changes no weight, and then the state that it made is dropped."""
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    try:
        optimizer.step()
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        optimizer.state.clear()


def peak_bytes() -> int:
    """Most memory held so far, in bytes: on the GPU by torch where there is one, else in RAM by this process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resident_bytes()


def _random_states() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.random.get_rng_state(), cuda


def _restore(states: tuple[Any, ...]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.random.set_rng_state(states[2])
    if states[3] is not None:
        torch.cuda.set_rng_state_all(states[3])
