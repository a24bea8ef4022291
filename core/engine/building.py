"""The trainer of a run: model, adapter, reference and options put together as the recipe says."""

from __future__ import annotations

from typing import Any

import torch
import trl
from datasets import Dataset

from core.engine.encode import Encoded
from core.engine.encode_judged import EncodedPairs
from core.engine.job import Job, JobError
from core.engine.loading import load_model, load_tokenizer
from core.engine.preferring import (
    JudgedCollator,
    PairCollator,
    Preferring,
    SealedDPO,
    SealedKTO,
    judged_rows,
    pair_rows,
)
from core.engine.ranks import PATIENCE, Ranks
from core.engine.reading import Rows
from core.engine.resuming import load_start
from core.engine.sharding import precision
from core.engine.trainer import Sealed, SealedTrainer
from core.models import ModelInfo
from core.recipe import Recipe
from core.reporting import PROJECT
from core.runs.folder import REFERENCE, START


def refuse(recipe: Recipe, info: ModelInfo) -> None:
    """Raise where the recipe asks for what cannot be done with this model."""
    if recipe.method == "full" and info.quantised:
        raise JobError(
            "refused",
            f"the weights of `{info.name}` are quantised: they cannot be trained in full",
            hint="Use method: lora, or the original model.",
        )
    if recipe.train.parallel == "fsdp" and info.quantised:
        raise JobError(
            "refused",
            f"the weights of `{info.name}` are quantised: FSDP2 cannot deal them out",
            where="train.parallel",
            hint="Use train.parallel: ddp, or the original model.",
        )
    targets = recipe.lora.targets
    named = [targets] if isinstance(targets, str) else targets
    if recipe.method != "full" and any(name.split(".")[-1] == "lm_head" for name in named):
        raise JobError(
            "refused",
            "an adapter on lm_head would never be trained: TRL computes the loss from its weight directly",
            where="lora.targets",
            hint="Remove lm_head from the targets, or use all-linear.",
        )


def build(
    job: Job,
    ranks: Ranks,
    recipe: Recipe,
    info: ModelInfo,
    rows: Rows,
    validation: Rows | None,
    device: torch.device,
    dtype: torch.dtype,
    max_length: int,
) -> Sealed:
    """The trainer of the run, its model loaded on `device` with frozen weights in `dtype`.

    Raises:
        JobError: where the recipe's adapters do not fit the model, or the run's start does not fit the adapters.
    """
    tuned_whole = recipe.method == "full"
    options = _options(job, recipe, info, device, dtype, max_length)
    # Weights that are trained stay in float32: in pure bfloat16 most small steps would round to nothing.
    stored = torch.float32 if tuned_whole else dtype
    job.emit("progress", phase="load the model", done=0, total=1)
    start = job.folder / START if job.spec.get("start") else None
    weights = start if start is not None and tuned_whole else info.path
    # A model that is to be sharded may be too large for one card: each card gets its part when it is dealt out.
    place = torch.device("cpu") if options.fsdp else device
    model = load_model(weights, place, stored, quantise=recipe.quantises and not info.quantised)
    ranks.check_stop(job)
    try:
        trainer = _make(job, ranks, recipe, info, model, options, rows, validation)
    except ValueError as error:
        raise _misfit(error, recipe, info) from error
    if trainer.is_fsdp_enabled and dtype != torch.float32:
        trainer.accelerator.state.fsdp_plugin.mixed_precision_policy = precision(dtype)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            # TRL turns the adapters of quantised models to bfloat16; a resumed run would then drift.
            parameter.data = parameter.data.float()
    if isinstance(trainer, Preferring):
        trainer.reset_to_reference()
    if start is not None and not tuned_whole:
        load_start(trainer.model, start)
    if info.experts and recipe.quantises:
        job.log(
            "warning", "The experts of this model are fused: they stay as they are, 4-bit weights leave them out."
        )
    return trainer


def _make(
    job: Job,
    ranks: Ranks,
    recipe: Recipe,
    info: ModelInfo,
    model: Any,
    options: Any,
    rows: Rows,
    validation: Rows | None,
) -> Sealed:
    tokenizer = load_tokenizer(info.path)
    common: dict[str, Any] = {
        "args": options,
        "processing_class": tokenizer,
        "job": job,
        "ranks": ranks,
        "validation": validation.rows if validation else [],
    }
    adapter = None if recipe.method == "full" else _adapter(recipe)
    if isinstance(rows, Encoded):
        return SealedTrainer(model, train_dataset=_dataset(rows), peft_config=adapter, **common)
    if (job.spec.get("reference") or {}).get("kind") == "adapter":
        from peft import PeftModel

        # TRL makes a frozen copy of an adapter that is there already: the reference.
        model = PeftModel.from_pretrained(model, job.folder / REFERENCE, is_trainable=True)
        adapter = None
    if isinstance(rows, EncodedPairs):
        collator = PairCollator(tokenizer.pad_token_id)
        data = pair_rows(rows.rows)
        return SealedDPO(model, train_dataset=data, data_collator=collator, peft_config=adapter, **common)
    return SealedKTO(
        model,
        train_dataset=judged_rows(rows.rows),
        data_collator=JudgedCollator(tokenizer.pad_token_id),
        peft_config=adapter,
        **common,
    )


def _options(
    job: Job, recipe: Recipe, info: ModelInfo, device: torch.device, dtype: torch.dtype, max_length: int
) -> Any:
    """TRL's configuration for the recipe's method."""
    settings = recipe.train
    cuda = device.type == "cuda"
    shared: dict[str, Any] = {
        "output_dir": str(job.folder / "checkpoints"),
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "lr_scheduler_type": settings.schedule,
        # Below 1 a share of the steps, else steps (transformers 5).
        "warmup_steps": settings.warmup if settings.warmup < 1 else round(settings.warmup),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "bf16": dtype == torch.bfloat16,
        "fp16": dtype == torch.float16,
        "use_cpu": not cuda,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_steps": settings.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",  # core.engine.trackers does it
        "run_name": job.folder.name,
        "project": PROJECT,
        "disable_tqdm": True,
        "dataloader_pin_memory": cuda,
        "ddp_timeout": round(PATIENCE.total_seconds()),
        # Every trained weight has a gradient at each step, but in experts that no token was sent to.
        "ddp_find_unused_parameters": bool(info.experts),
    }
    if recipe.prefers:
        # Rows are cut already, and bring columns of their own.
        shared |= {"max_length": None, "remove_unused_columns": False, "beta": recipe.preference.beta}
    if recipe.method == "dpo":
        return trl.DPOConfig(**shared)
    if recipe.method == "kto":
        return trl.KTOConfig(
            **shared,
            desirable_weight=recipe.preference.desirable_weight,
            undesirable_weight=recipe.preference.undesirable_weight,
        )
    return trl.SFTConfig(
        **shared,
        max_length=max_length,
        packing=settings.packing,
        packing_strategy="bfd",
        # The rows are ready as they are; only packing still has to put them together.
        dataset_kwargs={"skip_prepare_dataset": not settings.packing},
        **_sharding(recipe),
    )


def _misfit(error: ValueError, recipe: Recipe, info: ModelInfo) -> Exception:
    """What a ValueError of PEFT means for the recipe; the error itself, where it is another one."""
    if "does not work with lora_dropout" in str(error):
        return JobError(
            "refused",
            f"adapters on the fused experts of `{info.name}` cannot have dropout",
            where="lora.dropout",
            hint="Set lora.dropout to 0.",
        )
    if "not found in the base model" not in str(error):
        return error
    return JobError(
        "refused",
        f"`{info.name}` has no layers named {recipe.lora.targets}",
        where="lora.targets",
        hint="Use all-linear, or names of this model's layers.",
    )


def _sharding(recipe: Recipe) -> dict[str, Any]:
    """What the Trainer must be told for FSDP2: each block of the model is sharded by itself."""
    if recipe.train.parallel != "fsdp":
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "reshard_after_forward": True,
            "cpu_ram_efficient_loading": False,
            "state_dict_type": "FULL_STATE_DICT",
        },
    }


def _adapter(recipe: Recipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=recipe.lora.targets,
        task_type="CAUSAL_LM",
    )


def _dataset(rows: Encoded) -> Dataset:
    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows.rows], "labels": [row.labels for row in rows.rows]}
    )
