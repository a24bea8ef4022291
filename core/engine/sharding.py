"""Checkpoints of a model whose parts lie on several cards (FSDP2): written whole by one process, in the same files as
any other checkpoint, and dealt out to all on the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import MixedPrecisionPolicy

from core.engine.job import JobError

OPTIMIZER = "optimizer.pt"


def precision(dtype: torch.dtype) -> MixedPrecisionPolicy:
    """Blocks that compute in `dtype`, while gradients are summed and losses given in float32.

    accelerate's own choice would round both to `dtype`.
    """
    return MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32, output_dtype=torch.float32)


def whole_weights(model: Any) -> dict[str, Any]:
    """The trained weights of `model` under their usual names, on the CPU; empty in all processes but the first.

    Frozen weights are left out. All processes must call it.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def save_optimizer(model: Any, optimizer: Any, folder: Path, *, main: bool) -> None:
    """Write the whole optimizer state to `folder`; `main` tells the first process. All processes must call it."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_optimizer_state_dict(model, _raw(optimizer), options=options)
    if main:
        torch.save(state, folder / OPTIMIZER)


def load_weights(model: Any, folder: Path, *, main: bool) -> None:
    """Deal the trained weights in `folder` out to the sharded `model`, adapters or whole. All processes must call it.

    Raises:
        JobError: in all processes, where a trained weight is not in the files.
    """
    names = {_in_file(name): name for name, weight in model.named_parameters() if weight.requires_grad}
    found = {names[name]: weight for name, weight in _read(folder).items() if name in names} if main else {}
    missing = [len(names) - len(found) if main else 0]
    torch.distributed.broadcast_object_list(missing, src=0)
    if missing[0]:
        raise JobError("refused", f"{missing[0]} trained weights are missing from the checkpoint", where=str(folder))
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)
    set_model_state_dict(model, found, options=options)


def load_optimizer(model: Any, optimizer: Any, folder: Path, *, main: bool) -> None:
    """Deal the optimizer state in `folder` out to the processes of the sharded `model`. All must call it."""
    state = torch.load(folder / OPTIMIZER, map_location="cpu", weights_only=True) if main else {}
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_optimizer_state_dict(model, _raw(optimizer), state, options=options)


def _raw(optimizer: Any) -> Any:
    return getattr(optimizer, "optimizer", optimizer)


def _in_file(name: str) -> str:
    """The name of a weight in a file: PEFT leaves the adapter's own name out."""
    return name.replace(".default", "")


def _read(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    # Large models are saved in several files.
    parts = sorted([*folder.glob("adapter_model*.safetensors"), *folder.glob("model*.safetensors")])
    return {name: weight for part in parts for name, weight in load_file(part).items()}
