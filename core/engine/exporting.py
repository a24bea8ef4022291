"""What a training leaves behind: the best weights, as a plain folder that loads without Diapason."""

from __future__ import annotations

import json

from core.engine.job import Job
from core.files import write_json
from core.models import ModelInfo
from core.runs import checkpoints


def export_weights(job: Job, info: ModelInfo, best_step: int | None, target_name: str) -> None:
    """Copy the weights of the checkpoint `best_step`, else the last ones, to the folder `target_name` of the job, as
    plain PEFT or transformers files."""
    root = job.folder / "checkpoints"
    best = checkpoints.at(root, best_step) if best_step is not None else None
    if best is not None and (trouble := checkpoints.problem(best)):
        job.log("warning", f"The best checkpoint (step {best_step}) is not used: {trouble}.")
        best = None
    source = best or checkpoints.newest_good(root, job.log)
    if source is None:
        return
    target = checkpoints.export(source, job.folder / target_name)
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
