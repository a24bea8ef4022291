"""Judging for training: two drawn answers of the tuned model to prompts outside the test set, kept apart."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.dataset import examples
from core.data.example import Example, Message
from core.errors import DiapasonError, UsageError
from core.files import read_jsonl, write_atomic
from core.judging.place import Judging
from core.judging.session import COUNT
from core.judging.used import prompt_id, used_prompts
from core.runs.folder import RunFolder

FOLDER = "judging-training"
ARMS = ("tuned~1", "tuned~2")
#: Of the answers that are drawn: different ones, and still the model's own.
TEMPERATURE = 0.8
_PROMPTS = "prompts.jsonl"
_NO_ANSWER = "(no reference answer)"


def training_judging(run: RunFolder) -> Judging:
    """The judging of two drawn answers of `run`'s tuned model; its votes never enter that of base against tuned."""
    folder = run.path / FOLDER
    return Judging(folder, run.name, (folder / "answers.jsonl",), run.path, ARMS, options=" --for training")


def with_prompts(judging: Judging, prompts: Path | None, count: int | None) -> Judging:
    """`judging` with the request for the job that draws its answers; writes the prompts that it answers.

    They are drawn from the run's training and validation rows, or from `prompts`: a data set of any format, or JSON
    lines of which each has a ``prompt``. Those of the test part are left out, and those that were handed to training.

    Args:
        count: prompts at most; None: as many as a new session asks about.

    Raises:
        DiapasonError: where the rows cannot be read, none is left, or the prompts cannot be written.
    """
    assert judging.run is not None
    run = RunFolder(judging.run)
    spec = run.spec()
    data = spec.get("data") or {}
    if prompts is not None:
        rows = list(_rows_of(prompts))
    else:
        rows = [row for role in ("train", "validation") for row in _part(data.get(role))]
    barred = {prompt_id(row) for row in _part(data.get("test"))} | used_prompts(run.path)
    asked = {prompt_id(row): row for row in rows if row.prompt}
    left = [row for key, row in asked.items() if key not in barred]
    if not left:
        where = str(prompts) if prompts else run.name
        raise DiapasonError(
            f"no prompt is left to judge: {len(asked)} are of the test part, or were handed to training before",
            where=where,
            hint="Name a file of other prompts: --prompts FILE.",
        )
    seed = int((spec.get("recipe") or {}).get("data", {}).get("split_seed") or 0)
    chosen = random.Random(f"for training {seed}").sample(left, min(len(left), count or COUNT))
    path = judging.folder / _PROMPTS
    lines = (json.dumps(_line(row), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n" for row in chosen)
    try:
        judging.folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, b"".join(lines))
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error
    part = {"path": str(path), "format": "prompt-completion", "map": None}
    request = {
        "data": {"test": part, "train": data.get("train")}, "temperature": TEMPERATURE, "into": FOLDER,
        "trained_too": True, "max_rows": 0,
    }  # fmt: skip
    return replace(judging, request=request)


def handed_on(judging: Judging) -> bool:
    """Whether a prompt that its answers are to was handed to training."""
    assert judging.run is not None
    used, path = used_prompts(judging.run), judging.folder / _PROMPTS
    return bool(used) and path.is_file() and any(prompt_id(row) in used for row in _rows_of(path))


def _part(part: dict[str, Any] | None) -> list[Example]:
    return list(examples(part["path"], part.get("format"), part.get("map"))) if part else []


def _rows_of(path: Path) -> Iterator[Example]:
    """The prompts of a file. Raises UsageError where a line has none."""
    try:
        found = list(examples(path))
    except DiapasonError:
        found = []
    if found:
        yield from found
        return
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path))
    for number, record in enumerate(read_jsonl(path)[0], 1):
        prompt = record.get("prompt")
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        if not isinstance(messages, list) or not messages or not all(_is_message(each) for each in messages):
            raise UsageError(
                "has no prompt", where=f"{path}:{number}", hint='Each line: {"prompt": text, or a list of messages}.'
            )
        asked = tuple(Message(each["role"], each["content"]) for each in messages)
        yield Example("chat", number - 1, number, asked, (Message("assistant", _NO_ANSWER),))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def _line(row: Example) -> dict[str, Any]:
    return {
        "prompt": [message.to_dict() for message in row.prompt],
        "completion": [message.to_dict() for message in row.completion],
        **({"tools": list(row.tools)} if row.tools else {}),
    }
