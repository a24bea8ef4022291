"""What a run will need of this machine, estimated before it is submitted: memory of one GPU, room on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.advisor.lengths import measure_lengths
from core.advisor.memory import Load, estimate
from core.advisor.shape import shape_of
from core.chat import load_chat
from core.errors import DiapasonError
from core.hardware import gpus
from core.home import free_bytes
from core.models import ModelInfo
from core.recipe import Recipe

# Logs, events, answers and the split data of a run of ordinary size.
_SLACK_BYTES = 64 << 20
_SAMPLED_ROWS = 100


def gpu_request(recipe: Recipe, model: ModelInfo, train: Path) -> dict[str, Any]:
    """What the runner shall look for: ``{device, gpus, bytes, visible}``.

    gpus: cards that it needs at once; with device cpu, processes. bytes: the lower end of the estimated peak on each
    GPU (0 where no card is to be used): a card with less cannot do; whether one with more does, the preflight
    measures. visible: CUDA_VISIBLE_DEVICES as it is now. alone: what the run's jobs, on one card, ask for at least,
    where that is more.

    Raises:
        DiapasonError: where the machine has fewer cards than the recipe asks for.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    size = 0
    cards = sum(card.visible for card in gpus()) if recipe.device != "cpu" else 0
    if recipe.device != "cpu" and 1 < recipe.gpus > cards:
        raise DiapasonError(
            f"the recipe asks for {recipe.gpus} GPUs, and this machine has {cards or 'none'} to use",
            where="gpus",
            hint=f"Set gpus: {cards or 1} and multiply train.accumulation to keep the effective batch"
            + ("." if cards else f", or device: cpu to train with {recipe.gpus} processes on the processor."),
        )
    if cards:
        length = recipe.train.max_length
        try:
            data = recipe.data
            sampled = measure_lengths(train, load_chat(model), data.format, data.map, sample=_SAMPLED_ROWS)
            length = min(length, sampled.longest or length)
        except DiapasonError:  # the engine says what is wrong with the template, with more to say about it
            pass
        load = Load(
            method=recipe.method,
            micro_batch=recipe.train.micro_batch_size,
            length=length,
            rank=recipe.lora.r,
            checkpointing=recipe.train.gradient_checkpointing,
            optimizer=recipe.train.optimizer,
            gpus=recipe.gpus,
            sharded=recipe.train.parallel == "fsdp",
            four_bit=recipe.quantises,
        )
        need = estimate(shape_of(model), load, stored_bytes=model.bytes_on_disk if model.quantised else None)
        size = round(need.total * (1 - need.error))
    found = {"device": recipe.device, "gpus": recipe.gpus, "bytes": size, "visible": visible}
    # Its jobs load the whole model on one card.
    return found | ({"alone": model.bytes_on_disk} if size and recipe.train.parallel == "fsdp" else {})


def disk_bytes(recipe: Recipe, model: ModelInfo) -> int:
    """Bytes that the run may come to take: the checkpoints kept, the best, one in the making, and the result.

    A checkpoint holds the trained weights in float32 and Adam's two moments for each (arxiv.org/abs/1412.6980).
    """
    shape = shape_of(model)
    trained = shape.linear + shape.rest if recipe.method == "full" else recipe.lora.r * shape.sides
    return (recipe.train.keep_checkpoints + 2) * 12 * trained + 4 * trained + _SLACK_BYTES


def check_disk(recipe: Recipe, model: ModelInfo, folder: Path) -> None:
    """Refuse a run that the disk of `folder` cannot hold.

    Raises:
        DiapasonError: with what is needed and what is free.
    """
    need, free = disk_bytes(recipe, model), free_bytes(folder)
    if need > free:
        raise DiapasonError(
            f"the disk has {free / 1e9:.1f} GB free; this run may need {need / 1e9:.1f} GB for its checkpoints",
            where=str(folder),
            hint="Free some space, lower train.keep_checkpoints, or point DIAPASON_HOME at another disk.",
        )
