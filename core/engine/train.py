"""The training room: from a spec to an adapter (or a whole model) that loads without Diapason."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trl
from datasets import Dataset

from core.chat import ChatModel, load_chat
from core.data.dataset import examples, fingerprint
from core.engine.encode import Encoded, describe_cuts, encode_file, uses_thinking
from core.engine.flops import model_flops
from core.engine.job import Job, JobError
from core.engine.loading import load_model, load_tokenizer, pick_device, pick_dtype
from core.engine.ranks import PATIENCE, Ranks
from core.engine.resuming import forced, load_start, read_manifest
from core.engine.sampling import Sampler
from core.engine.sharding import precision
from core.engine.trainer import Plan, SealedTrainer
from core.errors import DiapasonError
from core.files import write_json
from core.models import ModelInfo, read_model
from core.recipe import Recipe, make_recipe
from core.reporting import PROJECT
from core.runs import checkpoints
from core.versions import installed

# An empty eval_every means this many evaluations a run.
_EVALUATIONS = 10
# … or fewer, so that they take at most this share of the training's time.
_EVALUATION_SHARE = 0.25
# Seconds that the trackers get at the end for what is still to be sent.
_TRACKERS, _TRACKERS_STOPPED = 60.0, 10.0


def train(job: Job) -> str:
    """Train as the job's spec says, from its newest whole checkpoint where there is one.

    Returns:
        ``completed`` or ``stopped``; either way the best weights so far lie in adapter/ or model/.

    Raises:
        DiapasonError: where the data, the model or the recipe cannot be trained with.
    """
    recipe = _with_batch(make_recipe(job.spec["recipe"], str(job.folder / "spec.json")))
    ranks = Ranks()
    model_spec = job.spec["model"]
    info = read_model(Path(model_spec["path"]), model_spec.get("name"))
    device = pick_device(recipe.device, ranks.local, ranks.size)
    dtype = pick_dtype(recipe.train.dtype, device)
    _refuse(recipe, info)
    ranks.join(device.type)
    chat = load_chat(info)
    max_length = _max_length(job, recipe, info)
    # One reads the rows for all: the work and the checks are done once, and a stop meanwhile reaches everybody.
    rows, validation, chat.thinking = ranks.first(lambda: _encode(job, chat, recipe, max_length))
    ranks.check_stop(job)
    resume = ranks.first(lambda: checkpoints.newest_good(job.folder / "checkpoints", job.log))
    trainer = _trainer(job, ranks, recipe, info, rows, validation, device, dtype, max_length)
    _plan(trainer, job, recipe, rows, max_length)
    manifest = _continue_from(trainer, resume) if resume else None
    needed, peak = model_flops(trainer, recipe, info, rows)
    trainer.use_of_token = needed / peak if peak else None
    _say_start(trainer, job, recipe, info, rows, validation, manifest, needed, peak)
    if recipe.samples.count and (part := job.spec["data"].get("validation")):
        trainer.sampler = Sampler(
            chat,
            examples(Path(part["path"]), part.get("format"), part.get("map")),
            job.folder / "samples.jsonl",
            count=recipe.samples.count,
            max_new_tokens=recipe.samples.max_new_tokens,
            pad_id=trainer.processing_class.pad_token_id,
            max_positions=info.max_positions,
            main=ranks.main,
        )
    if recipe.train.early_stopping and not validation:
        job.log("warning", "train.early_stopping does nothing: the run has no validation rows.")
    ranks.check_stop(job)
    # The Trainer would train one step too many when asked to resume a finished run.
    if manifest is None or (manifest["step"] < trainer.plan.total_steps and not trainer.past_its_best):
        trainer.trackers.begin(job, job.spec.get("report_to") or [], trainer, resume is not None)
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        finally:
            # The runner gives a job that it has told to stop a minute, saving and all.
            trainer.trackers.close(_TRACKERS_STOPPED if job.stop_asked else _TRACKERS)
    stopped = job.step < trainer.plan.total_steps and not trainer.past_its_best
    ranks.wait()
    ranks.leave()
    if ranks.main:
        _export(trainer, job, recipe, info)
    return "stopped" if stopped else "completed"


def _with_batch(recipe: Recipe) -> Recipe:
    """The recipe with the sizes that the runner found to fit after the GPU ran out of memory."""
    sizes = {"micro_batch_size": "DIAPASON_MICRO_BATCH", "accumulation": "DIAPASON_ACCUMULATION"}
    given = {field: int(os.environ[name]) for field, name in sizes.items() if os.environ.get(name, "").isdecimal()}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=given)})


def _refuse(recipe: Recipe, info: ModelInfo) -> None:
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


def _max_length(job: Job, recipe: Recipe, info: ModelInfo) -> int:
    wanted = recipe.train.max_length
    if info.max_positions is None or wanted <= info.max_positions:
        return wanted
    job.log(
        "warning",
        f"train.max_length is {wanted}, but `{info.name}` reads at most {info.max_positions} tokens: that is used.",
    )
    return info.max_positions


def _encode(job: Job, chat: ChatModel, recipe: Recipe, max_length: int) -> tuple[Encoded, Encoded | None, bool]:
    """The training and validation rows as the model will see them, and whether their answers hold think blocks."""
    train_spec = job.spec["data"].get("train")
    if not train_spec:
        raise JobError("refused", "the spec names no training data", where=str(job.folder / "spec.json"))
    chat.thinking = uses_thinking(Path(train_spec["path"]), train_spec.get("format"), train_spec.get("map"))
    found: list[Encoded | None] = []
    for part in ("train", "validation"):
        spec = job.spec["data"].get(part)
        if not spec:
            found.append(None)
            continue
        path = Path(spec["path"])
        _unchanged(path, spec)

        def tick(done: int, part: str = part, total: int | None = spec.get("rows")) -> None:
            if done % 1000 == 0:
                job.emit("progress", phase=f"encode {part}", done=done, total=total)
                job.check_stop()

        encoded = encode_file(
            chat, path, spec.get("format"), max_length=max_length, loss=recipe.loss.on, map=spec.get("map"), tick=tick
        )
        for sentence in describe_cuts(encoded, max_length):
            job.log("warning", f"{part}: {sentence}")
        if encoded.kinds["preference"]:
            job.log("info", f"{part}: preference rows are trained on by their chosen answers.")
        if encoded.kinds["kto"]:
            job.log("info", f"{part}: of the KTO rows those with a good answer are trained on.")
        found.append(encoded)
    train_rows, validation = found
    assert train_rows is not None
    return train_rows, validation, chat.thinking


def _unchanged(path: Path, spec: dict[str, Any]) -> None:
    """Raise where the data is not that which the run was submitted with."""
    wanted = spec.get("sha256")
    try:
        found = fingerprint(path)["sha256"] if wanted else None
    except DiapasonError as error:
        raise JobError("refused", error.message, where=str(path), hint="Bring the file back.") from error
    if found != wanted and not forced():
        raise JobError(
            "refused",
            "the file has changed since the run was submitted",
            where=str(path),
            hint="Bring the old file back, or start a new run with the new one.",
        )


def _trainer(
    job: Job,
    ranks: Ranks,
    recipe: Recipe,
    info: ModelInfo,
    rows: Encoded,
    validation: Encoded | None,
    device: torch.device,
    dtype: torch.dtype,
    max_length: int,
) -> SealedTrainer:
    settings = recipe.train
    cuda = device.type == "cuda"
    options = trl.SFTConfig(
        output_dir=str(job.folder / "checkpoints"),
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        lr_scheduler_type=settings.schedule,
        # Below 1 a share of the steps, else steps (transformers 5).
        warmup_steps=settings.warmup if settings.warmup < 1 else round(settings.warmup),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=settings.optimizer,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=not cuda,
        gradient_checkpointing=settings.gradient_checkpointing,
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=settings.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",  # core.engine.trackers does it
        run_name=job.folder.name,
        project=PROJECT,
        disable_tqdm=True,
        max_length=max_length,
        packing=settings.packing,
        packing_strategy="bfd",
        # The rows are ready as they are; only packing still has to put them together.
        dataset_kwargs={"skip_prepare_dataset": not settings.packing},
        dataloader_pin_memory=cuda,
        ddp_timeout=round(PATIENCE.total_seconds()),
        # Every trained weight has a gradient at each step, but in experts that no token was sent to.
        ddp_find_unused_parameters=bool(info.experts),
        **_sharding(recipe),
    )
    tuned_whole = recipe.method == "full"
    # Weights that are trained stay in float32: in pure bfloat16 most small steps would round to nothing.
    stored = torch.float32 if tuned_whole else dtype
    job.emit("progress", phase="load the model", done=0, total=1)
    start = job.folder / "start" if job.spec.get("start") else None
    weights = start if start is not None and tuned_whole else info.path
    # A model that is to be sharded may be too large for one card: each card gets its part when it is dealt out.
    place = torch.device("cpu") if options.fsdp else device
    model = load_model(weights, place, stored, quantise=recipe.method == "qlora" and not info.quantised)
    ranks.check_stop(job)
    try:
        trainer = SealedTrainer(
            model,
            args=options,
            train_dataset=_dataset(rows),
            processing_class=load_tokenizer(info.path),
            peft_config=None if tuned_whole else _adapter(recipe),
            job=job,
            ranks=ranks,
            validation=validation.rows if validation else [],
        )
    except ValueError as error:
        if "does not work with lora_dropout" in str(error):
            raise JobError(
                "refused",
                f"adapters on the fused experts of `{info.name}` cannot have dropout",
                where="lora.dropout",
                hint="Set lora.dropout to 0.",
            ) from error
        if "not found in the base model" not in str(error):
            raise
        raise JobError(
            "refused",
            f"`{info.name}` has no layers named {recipe.lora.targets}",
            where="lora.targets",
            hint="Use all-linear, or names of this model's layers.",
        ) from error
    if trainer.is_fsdp_enabled and dtype != torch.float32:
        trainer.accelerator.state.fsdp_plugin.mixed_precision_policy = precision(dtype)
    if start is not None and not tuned_whole:
        load_start(trainer.model, start)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            # TRL turns the adapters of quantised models to bfloat16; a resumed run would then drift.
            parameter.data = parameter.data.float()
    if info.experts and recipe.method == "qlora":
        job.log(
            "warning", "The experts of this model are fused: they stay as they are, 4-bit weights leave them out."
        )
    return trainer


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


def _plan(trainer: SealedTrainer, job: Job, recipe: Recipe, rows: Encoded, max_length: int) -> None:
    """Count the steps as the Trainer does and set when to evaluate and save."""
    settings = recipe.train
    batches = math.ceil(math.ceil(len(trainer.train_dataset) / settings.micro_batch_size) / trainer.ranks.size)
    total = settings.max_steps
    if total <= 0:
        total = math.ceil(settings.epochs * max(1, math.ceil(batches / settings.accumulation)))
    tenth = max(1, round(total / _EVALUATIONS))
    # Up to a hundred rows are soon read, whatever the training's length.
    validation = max(0, len(trainer.validation) - 100)
    trained = total * settings.micro_batch_size * settings.accumulation * trainer.ranks.size
    # A row is only read forward in an evaluation: a third of the work that it is in training.
    affordable = max(1, int(_EVALUATION_SHARE * trained * 3 / validation)) if validation else _EVALUATIONS
    eval_every = settings.eval_every or (tenth if affordable >= _EVALUATIONS else -(-total // affordable))
    trainer.plan = Plan(
        total_steps=total,
        eval_every=eval_every,
        save_every=settings.save_every or settings.eval_every or tenth,
        keep=settings.keep_checkpoints,
        accumulation=settings.accumulation,
        early_stopping=settings.early_stopping,
        facts={
            "total_steps": total,
            "recipe": checkpoints.fingerprint(job.spec["recipe"]),
            "versions": installed(),
            "data": {role: part.get("sha256") for role, part in job.spec["data"].items() if isinstance(part, dict)},
        },
        checks={
            "rows": len(rows.rows),
            "tokens": rows.tokens,
            "loss_tokens": sum(row.loss_tokens for row in rows.rows),
            "max_length": max_length,
            "cut": len(rows.cut),
            "left_out": len(rows.left_out),
        },
    )


def _continue_from(trainer: SealedTrainer, checkpoint: Path) -> dict[str, Any]:
    """Take up what the checkpoint's manifest says. Raises where it belongs to another recipe."""
    manifest = read_manifest(trainer.job, checkpoint, trainer.plan.facts["recipe"])
    best = manifest.get("best")
    # Its checkpoint may have been put aside as damaged: then the next evaluation decides anew.
    if best and (checkpoints.at(checkpoint.parent, best["step"]) / checkpoints.MANIFEST).is_file():
        trainer.best.load(checkpoint, best)
    trainer.tokens_seen = manifest["tokens"]
    trainer.job.step = manifest["step"]
    return manifest


def _say_start(
    trainer: SealedTrainer,
    job: Job,
    recipe: Recipe,
    info: ModelInfo,
    rows: Encoded,
    validation: Encoded | None,
    manifest: dict[str, Any] | None,
    flops_per_token: float,
    peak_flops: float | None,
) -> None:
    trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    device = trainer.args.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    adapters = 0 if recipe.method == "full" else trainable
    job.emit(
        "start",
        sync=True,
        attempt=job.attempt,
        pid=os.getpid(),
        total_steps=trainer.plan.total_steps,
        epochs=recipe.train.epochs,
        train_rows=len(rows.rows),
        validation_rows=len(validation.rows) if validation else 0,
        trainable_parameters=trainable,
        total_parameters=info.parameters + adapters,
        device=name,
        micro_batch=recipe.train.micro_batch_size,
        accumulation=recipe.train.accumulation,
        world_size=trainer.ranks.size,
        parallel=recipe.train.parallel if trainer.ranks.size > 1 else None,
        resumed_from=manifest["step"] if manifest else None,
        flops_per_token=flops_per_token,
        peak_flops=peak_flops,
    )
    lengths = np.fromiter((len(row.input_ids) for row in rows.rows), np.int64)
    begin = f"Going on from step {manifest['step']}" if manifest else "Training"
    together = f" x {trainer.ranks.size} ({recipe.train.parallel})" if trainer.ranks.size > 1 else ""
    print(
        f"{begin}: {recipe.method} of {info.name} on {name}{together}, {trainable:,} of "
        f"{info.parameters + adapters:,} parameters; {len(rows.rows)} rows of {int(np.median(lengths))} tokens "
        f"(median), {trainer.plan.total_steps} steps",
        flush=True,
    )


def _export(trainer: SealedTrainer, job: Job, recipe: Recipe, info: ModelInfo) -> None:
    """Copy the best weights, else the last ones, to adapter/ or model/, as plain PEFT or transformers folders."""
    root = job.folder / "checkpoints"
    best = checkpoints.at(root, trainer.best.step) if trainer.best.step is not None else None
    if best is not None and (trouble := checkpoints.problem(best)):
        job.log("warning", f"The best checkpoint (step {trainer.best.step}) is not used: {trouble}.")
        best = None
    source = best or checkpoints.newest_good(root, job.log)
    if source is None:
        return
    target = checkpoints.export(source, job.folder / ("model" if recipe.method == "full" else "adapter"))
    settings = target / "adapter_config.json"
    if settings.is_file():
        content = json.loads(settings.read_bytes())
        # A hub id stays one, so that the adapter can be given away; else the folder that we loaded.
        content["base_model_name_or_path"] = info.name if _is_hub_id(info) else str(info.path)
        # PEFT keeps the names in a set, whose order differs from process to process.
        if isinstance(content.get("target_modules"), list):
            content["target_modules"] = sorted(content["target_modules"])
        write_json(settings, content)
    checkpoints.flush(target)
    job.log("info", f"The weights of step {source.name.rpartition('-')[2]} are in {target.name}/.")


def _is_hub_id(info: ModelInfo) -> bool:
    return "snapshots" in info.path.parts and f"models--{info.name.replace('/', '--')}" in info.path.parts
