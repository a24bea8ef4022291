"""Prompts whose judgements have become training data: an evaluation must not count them any more."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from core.data.example import Example, Message
from core.errors import DiapasonError
from core.evaluation.arms import prompt_key
from core.files import JsonlWriter, read_jsonl
from core.judging.pairs import Pair

_FILE = "used.jsonl"


def mark_used(folder: Path, pairs: Iterable[Pair], facts: dict[str, Any]) -> None:
    """Append to the record in the judging's `folder` that the prompts of `pairs` were handed to training.

    Args:
        facts: what else the record says: session, format, file.

    Raises:
        DiapasonError: where it cannot be written.
    """
    record = {"t": time.time(), **facts, "prompts": sorted({prompt_of(pair) for pair in pairs})}
    try:
        writer = JsonlWriter(folder / _FILE)
        try:
            writer.write(record, sync=True)
        finally:
            writer.close()
    except OSError as error:
        raise DiapasonError(
            f"the prompts could not be marked as used: {error.strerror}",
            where=str(folder / _FILE),
            hint="Mend that and export again with --force: else an evaluation would count what was trained on.",
        ) from error


def used_prompts(run: Path) -> set[str]:
    """The identities of the prompts that any judging in the folder of a run has handed to training."""
    found: set[str] = set()
    for path in sorted(run.glob(f"judging*/{_FILE}")):
        for record in read_jsonl(path)[0]:
            prompts = record.get("prompts")
            found.update(map(str, prompts if isinstance(prompts, list) else []))
    return found


def prompt_id(example: Example) -> str:
    """The identity of what a row asks: 16 hex digits of its prompt's SHA-256, case and white space aside."""
    return hashlib.sha256(prompt_key(example).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def unseen(rows: Iterable[Example], known: Container[str]) -> tuple[list[Example], int]:
    """The rows whose prompt (`prompt_id`) is not among the `known`, and how many were left out."""
    found = list(rows)
    kept = [row for row in found if prompt_id(row) not in known]
    return kept, len(found) - len(kept)


def prompt_of(pair: Pair) -> str:
    """The identity of what was asked in `pair`, as `prompt_id` gives it of a row of data."""
    messages = tuple(
        Message(
            role=str(message.get("role")),
            content=str(message.get("content") or ""),
            tool_calls=tuple(message.get("tool_calls") or ()),
        )
        for message in pair.prompt
    )
    return prompt_id(Example("chat", pair.row, 0, messages, ()))
