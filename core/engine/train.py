"""The training room: from a spec to an adapter (or a whole model) that loads without Diapason."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.chat import load_chat
from core.data.dataset import examples
from core.engine.building import build, refuse
from core.engine.exporting import export_weights
from core.engine.flops import model_flops
from core.engine.job import Job, JobError
from core.engine.loading import pick_device, pick_dtype
from core.engine.ranks import Ranks
from core.engine.reading import Rows, max_length_of, read_rows
from core.engine.resuming import read_manifest
from core.engine.sampling import Sampler
from core.engine.trainer import Plan, Sealed
from core.models import ModelInfo, read_model
from core.recipe import Recipe, make_recipe
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
    refuse(recipe, info)
    ranks.join(device.type)
    chat = load_chat(info)
    max_length = max_length_of(job, recipe, info)
    # One reads the rows for all: the work and the checks are done once, and a stop meanwhile reaches everybody.
    rows, validation, chat.thinking = ranks.first(lambda: read_rows(job, chat, recipe, max_length))
    ranks.check_stop(job)
    resume = ranks.first(lambda: checkpoints.newest_good(job.folder / "checkpoints", job.log))
    trainer = build(job, ranks, recipe, info, rows, validation, device, dtype, max_length)
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
        export_weights(job, info, trainer.best.step, "model" if recipe.method == "full" else "adapter")
    return "stopped" if stopped else "completed"


def _with_batch(recipe: Recipe) -> Recipe:
    """The recipe with the sizes that the runner found to fit after the GPU ran out of memory."""
    sizes = {"micro_batch_size": "DIAPASON_MICRO_BATCH", "accumulation": "DIAPASON_ACCUMULATION"}
    given = {field: int(os.environ[name]) for field, name in sizes.items() if os.environ.get(name, "").isdecimal()}
    if recipe.method == "kto" and given.get("micro_batch_size", 2) < 2:
        raise JobError(
            "refused",
            "the GPU has no room for the two rows at once that kto needs",
            hint="Shorten train.max_length, turn on train.gradient_checkpointing, or use method: dpo.",
        )
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=given)})


def _plan(trainer: Sealed, job: Job, recipe: Recipe, rows: Rows, max_length: int) -> None:
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
            "loss_tokens": sum(row.loss_tokens for row in rows.sequences),
            "max_length": max_length,
            "cut": len(rows.cut),
            "left_out": len(rows.left_out),
        },
    )


def _continue_from(trainer: Sealed, checkpoint: Path) -> dict[str, Any]:
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
    trainer: Sealed,
    job: Job,
    recipe: Recipe,
    info: ModelInfo,
    rows: Rows,
    validation: Rows | None,
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
    lengths = np.fromiter((len(row.input_ids) for row in rows.sequences), np.int64)
    begin = f"Going on from step {manifest['step']}" if manifest else "Training"
    together = f" x {trainer.ranks.size} ({recipe.train.parallel})" if trainer.ranks.size > 1 else ""
    print(
        f"{begin}: {recipe.method} of {info.name} on {name}{together}, {trainable:,} of "
        f"{info.parameters + adapters:,} parameters; {len(rows.rows)} rows of {int(np.median(lengths))} tokens "
        f"(median), {trainer.plan.total_steps} steps",
        flush=True,
    )
