"""Taking up a checkpoint: only where recipe and packages are those that it was trained with, unless told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.engine.job import Job, JobError
from core.files import read_json
from core.runs import checkpoints
from core.versions import changes, installed


def read_manifest(job: Job, checkpoint: Path, recipe: int) -> dict[str, Any]:
    """The manifest of a checkpoint that this training may go on from.

    Args:
        recipe: the fingerprint of the recipe in spec.json.

    Raises:
        JobError: where the recipe or a major version of a package is another one (not where a person forced it).
    """
    manifest: dict[str, Any] = read_json(checkpoint / checkpoints.MANIFEST)
    if manifest.get("recipe") != recipe:
        _refuse(job, checkpoint, "the recipe in spec.json is not the one that this checkpoint was trained with")
    major, smaller = changes(manifest.get("versions") or {}, installed())
    for line in smaller:
        job.log("warning", f"{line}: the training may go on a little differently.")
    if major:
        _refuse(job, checkpoint, "; ".join(major))
    return manifest


def forced() -> bool:
    """Whether a person wants the run to go on although something differs."""
    return os.environ.get("DIAPASON_FORCE") == "1"


def _refuse(job: Job, checkpoint: Path, reason: str) -> None:
    if not forced():
        raise JobError(
            "refused",
            reason,
            where=str(checkpoint),
            hint="`diapason fork RUN` starts a new run from it; `diapason resume RUN --force` goes on all the same.",
        )
    job.log("warning", f"{reason}; it goes on all the same, as asked.")


def load_start(model: Any, folder: Path) -> None:
    """Put the adapter weights in `folder`, a fork's beginning, into the PEFT `model`.

    Raises:
        JobError: where they do not fit.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    try:
        result = set_peft_model_state_dict(model, load_file(file))
    except (OSError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise JobError("refused", f"these weights do not fit the adapter: {first}", where=str(file)) from error
    if unexpected := list(result.unexpected_keys):
        raise JobError(
            "refused", f"these weights do not fit the adapter: {len(unexpected)} have no place in it", where=str(file)
        )
