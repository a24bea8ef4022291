"""The arms of an evaluation, the examples in a few-shot prompt, and rows that must not be counted."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.data.example import Example, Message
from core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer. tuned: with the tuned weights. shots: training examples in the prompt."""

    name: str
    tuned: bool
    shots: int = 0


def parse_arm(text: str) -> Arm:
    """``base``, ``tuned`` or ``few-shot:K``. Raises UsageError for anything else."""
    if text in ("base", "tuned"):
        return Arm(text, text == "tuned")
    kind, _, number = text.partition(":")
    if kind == "few-shot" and number.isdigit() and int(number) > 0:
        return Arm(f"few-shot:{int(number)}", False, int(number))
    raise UsageError(f"`{text}` is no arm", hint="There are base, tuned and few-shot:K (K examples in the prompt).")


def prompt_key(example: Example) -> str:
    """Two rows with the same key ask the same thing, case and white space aside."""
    return " ".join(example.prompt_text.casefold().split())


def unseen(test: Iterable[Example], train: Iterable[Example]) -> tuple[list[Example], int]:
    """The test rows whose prompt is not a training row's, and how many were left out."""
    known = {prompt_key(example) for example in train}
    rows = list(test)
    kept = [row for row in rows if prompt_key(row) not in known]
    return kept, len(rows) - len(kept)


def pick_shots(train: Sequence[Example], count: int, seed: int) -> list[Example]:
    """`count` training rows to show in a prompt, drawn by `seed`: rows of one question where there are enough."""
    usable = [row for row in train if row.completion and _turns(row)[:1] == ["user"] and not _calls(row)]
    short = [row for row in usable if _turns(row) == ["user"]]
    pool = short if len(short) >= count else usable
    return random.Random(seed).sample(pool, min(count, len(pool)))


def with_shots(example: Example, shots: Sequence[Example]) -> Example:
    """`example` with the shots as earlier turns, behind its own system message; theirs are left out."""
    system = example.prompt[:1] if example.prompt and example.prompt[0].role == "system" else ()
    earlier: list[Message] = []
    for shot in shots:
        earlier += [message for message in shot.messages if message.role != "system"]
    return dataclasses.replace(example, prompt=(*system, *earlier, *example.prompt[len(system) :]))


def _turns(row: Example) -> list[str]:
    return [message.role for message in row.prompt if message.role != "system"]


def _calls(row: Example) -> bool:
    return any(message.tool_calls or message.role == "tool" for message in row.messages)
