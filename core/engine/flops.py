"""What a run's model FLOPs utilisation (MFU) is reckoned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.advisor.flops import MORE_FORWARD, flops_per_token
from core.advisor.peaks import peak_flops
from core.advisor.shape import shape_of
from core.engine.reading import Rows
from core.models import ModelInfo, text_config
from core.recipe import Recipe


def model_flops(trainer: Any, recipe: Recipe, info: ModelInfo, rows: Rows) -> tuple[float, float | None]:
    """Operations that the training needs for one token, and those that the cards in use can do in a second.

    MFU (arxiv.org/abs/2204.02311, appendix B) is tokens a second times the one, divided by the other; tokens are
    those of the rows, without padding, and what gradient checkpointing computes again does not count. The second is
    None on a CPU, and on a card whose speed in this type is not known.
    """
    lengths = np.fromiter((len(row.input_ids) for row in rows.sequences), np.float64)
    tokens = max(1.0, float(lengths.sum()))
    needed = flops_per_token(
        shape_of(info),
        adapter=None if recipe.method == "full" else _adapter(trainer.model, info),
        length=float((lengths**2).sum()) / tokens,
        more_forward=MORE_FORWARD.get(recipe.method, 0),
        loss_share=min(1.0, sum(row.loss_tokens for row in rows.sequences) / tokens),
    )
    device = trainer.args.device
    if device.type != "cuda":
        return needed, None
    dtype = "bfloat16" if trainer.args.bf16 else "float16" if trainer.args.fp16 else "float32"
    peak = peak_flops(torch.cuda.get_device_name(device), dtype)
    return needed, peak and peak * trainer.args.world_size


def _adapter(model: Any, info: ModelInfo) -> float:
    """Trained weights that a token goes through: of those on a mixture's experts the share of the chosen ones."""
    text = text_config(info.config)
    chosen = text.get("num_experts_per_tok") or text.get("top_k") or 2
    share = min(1.0, chosen / info.experts) if info.experts else 1.0
    return sum(
        weights.numel() * (share if ".experts." in name else 1.0)
        for name, weights in model.named_parameters()
        if weights.requires_grad
    )
