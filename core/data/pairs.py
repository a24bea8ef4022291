"""What the two answers of a preference pair reply to, where they carry it themselves."""

from __future__ import annotations

import re
from typing import Any

from core.data.example import Message
from core.data.findings import RowFinding

Turns = tuple[Message, ...]
# Anthropic's HH-RLHF writes a dialogue as one string, each turn behind a blank line and its speaker.
_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):[ \n]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def implicit_prompt(value: dict[str, Any]) -> dict[str, Any]:
    """The row with its prompt apart, where both answers are texts that begin with it; else the row itself.

    Dialogues as Anthropic writes them become messages. Without any prompt of its own the words that both answers
    begin with are the prompt, as in TRL (extract_prompt, huggingface.co/docs/trl/dataset_formats).
    """
    chosen, rejected = value["chosen"], value["rejected"]
    if not isinstance(chosen, str) or not isinstance(rejected, str):
        return value
    left, right = _dialogue(chosen), _dialogue(rejected)
    if left and right:
        return {**value, "chosen": left, "rejected": right}
    if any(
        key in value for key in ("prompt", "instruction", "question", "query", "input", "messages", "conversations")
    ):
        return value
    size = 0
    while size < min(len(chosen), len(rejected)) and chosen[size] == rejected[size]:
        size += 1
    # Words stay whole; an answer needs at least one.
    while size and not chosen[size - 1].isspace():
        size -= 1
    prompt = chosen[:size].rstrip()
    if not prompt:
        return value
    return {**value, "prompt": prompt, "chosen": chosen[size:], "rejected": rejected[size:]}


def part_prompt(prompt: Turns, chosen: Turns, rejected: Turns, found: list[RowFinding]) -> tuple[Turns, Turns, Turns]:
    """Prompt and answers, with what both answers begin with moved to the prompt.

    Adds ``prompt_mismatch`` where the answers begin with different prompts, or with another than the one given.
    """
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    carried = [turns[0].role in ("user", "system") for turns in (chosen, rejected)]
    asked = any(message.role == "user" for message in chosen[:shared])
    if any(carried) and not (all(carried) and asked):
        detail = "chosen_rejected" if all(carried) else "one_side"
        text = "`chosen` and `rejected` begin with different prompts" if all(carried) else (
            f"`{'chosen' if carried[0] else 'rejected'}` alone begins with a prompt"
        )  # fmt: skip
        found.append(RowFinding("prompt_mismatch", text, detail=detail, field="rejected"))
        return prompt, chosen, rejected
    without_system = tuple(message for message in prompt if message.role != "system")
    if shared and (not prompt or chosen[:shared] in (prompt, without_system)):
        return prompt or chosen[:shared], chosen[shared:], rejected[shared:]
    if prompt and all(carried):
        size = _begins(chosen, prompt) or _begins(chosen, without_system)
        if size and shared >= size:
            return (*prompt, *chosen[size:shared]), chosen[shared:], rejected[shared:]
        text = "`chosen` and `rejected` begin with another prompt than `prompt`"
        found.append(RowFinding("prompt_mismatch", text, detail="prompt", field="prompt"))
    return prompt, chosen, rejected


def _begins(turns: Turns, prompt: Turns) -> int:
    """How many turns `prompt` has, where `turns` begin with it; else 0."""
    return len(prompt) if prompt and turns[: len(prompt)] == prompt else 0


def _dialogue(text: str) -> list[dict[str, str]] | None:
    """The turns of a dialogue that one string holds; None where it is no such string."""
    marks = list(_SPEAKER.finditer(text))
    if len(marks) < 2 or text[: marks[0].start()].strip() or marks[0].group(1) != "Human":
        return None
    stops = [mark.start() for mark in marks[1:]] + [len(text)]
    return [
        {"role": _ROLES[mark.group(1)], "content": text[mark.end() : stop].strip()}
        for mark, stop in zip(marks, stops, strict=True)
    ]
