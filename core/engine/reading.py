"""The rows of a training as its job reads them: as they were submitted, encoded, and what was lost told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.chat import ChatModel
from core.data.dataset import fingerprint
from core.engine.encode import Encoded, describe_cuts, encode_file, uses_thinking
from core.engine.encode_judged import EncodedPairs, EncodedVerdicts, encode_pairs, encode_verdicts
from core.engine.job import Job, JobError
from core.engine.resuming import forced
from core.errors import DiapasonError
from core.models import ModelInfo
from core.recipe import Recipe

Rows = Encoded | EncodedPairs | EncodedVerdicts


def max_length_of(job: Job, recipe: Recipe, info: ModelInfo) -> int:
    wanted = recipe.train.max_length
    if info.max_positions is None or wanted <= info.max_positions:
        return wanted
    job.log(
        "warning",
        f"train.max_length is {wanted}, but `{info.name}` reads at most {info.max_positions} tokens: that is used.",
    )
    return info.max_positions


def read_rows(job: Job, chat: ChatModel, recipe: Recipe, max_length: int) -> tuple[Rows, Rows | None, bool]:
    """The training and validation rows as the model will see them, and whether their answers hold think blocks."""
    train_spec = job.spec["data"].get("train")
    if not train_spec:
        raise JobError("refused", "the spec names no training data", where=str(job.folder / "spec.json"))
    chat.thinking = uses_thinking(Path(train_spec["path"]), train_spec.get("format"), train_spec.get("map"))
    found: list[Rows | None] = []
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

        found.append(_encode(job, chat, recipe, part, spec, max_length, tick))
    train_rows, validation = found
    assert train_rows is not None
    return train_rows, validation, chat.thinking


def _encode(
    job: Job,
    chat: ChatModel,
    recipe: Recipe,
    part: str,
    spec: dict[str, Any],
    max_length: int,
    tick: Callable[[int], None],
) -> Rows:
    """The rows of one part, as the recipe's method takes them; what was cut or left out is told."""
    path, format, map = Path(spec["path"]), spec.get("format"), spec.get("map")
    if recipe.method == "dpo":
        rows: Rows = encode_pairs(chat, path, format, max_length=max_length, map=map, tick=tick)
        if rows.same:
            job.log("warning", f"{part}: pairs left out because their two answers are alike: {len(rows.same)}.")
    elif recipe.method == "kto":
        rows = encode_verdicts(
            chat,
            path,
            format,
            max_length=max_length,
            seed=recipe.train.seed,
            both=part == "train",
            map=map,
            tick=tick,
        )
    else:
        rows = encode_file(chat, path, format, max_length=max_length, loss=recipe.loss.on, map=map, tick=tick)
        if rows.kinds["preference"]:
            job.log("info", f"{part}: preference rows are trained on by their chosen answers; method: dpo uses both.")
        if rows.kinds["kto"]:
            job.log("info", f"{part}: of the KTO rows those with a good answer are trained on; method: kto uses all.")
    for sentence in describe_cuts(rows, max_length):
        job.log("warning", f"{part}: {sentence}")
    return rows


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
