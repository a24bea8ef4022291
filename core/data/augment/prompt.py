"""What a model is asked for variants with, and how its answer is read."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from core.errors import UsageError

TEMPLATE = """\
Below is one example from a data set for fine-tuning a language model. Write {n} new examples in its spirit.
Change the topic's details, the names, the numbers and the way it is asked; keep language, task, tone, length and
format. Every answer must be right for its own prompt. Do not number them and do not repeat the example.

<prompt>
{prompt}
</prompt>
<answer>
{answer}
</answer>

Reply with JSON alone: a list of {n} objects, each with the texts "prompt" and "answer".
"""
_PLACES = re.compile(r"\{(prompt|answer|n)\}")
# So much of a reply is looked at, and in so many places, that no reply takes long to read.
_LONGEST, _STARTS = 1 << 20, 2000
_PROMPTS = ("prompt", "instruction", "question", "input", "query", "text")
_ANSWERS = ("answer", "completion", "output", "response", "label")


def check_template(template: str, where: str = "--prompt") -> str:
    """The template itself. Raises UsageError where it shows the model no example."""
    if "{prompt}" not in template:
        raise UsageError(
            "the prompt shows the model no row: {prompt} is missing",
            where=where,
            hint="It may have {prompt}, {answer} and {n}; --show-prompt prints the usual one.",
        )
    return template


def fill(template: str, prompt: str, answer: str, n: int) -> str:
    """The template with a row in it; braces of the row stay what they are."""
    parts = {"prompt": prompt, "answer": answer, "n": str(n)}
    return _PLACES.sub(lambda match: parts[match.group(1)], template)


def template_hash(template: str) -> str:
    """What marks the variants made with a template: 12 hexadecimal digits."""
    return hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def parse_variants(reply: str) -> list[tuple[str, str]]:
    """The (prompt, answer) pairs in a model's reply, none where there are none.

    Read are a list, an object around a list, or objects one after the other, also among other words or in a code
    fence; one that is cut off keeps its whole items. What a model thinks aloud before it answers is left out.
    """
    found = [pair for value in _values(reply.rpartition("</think>")[2][:_LONGEST]) for pair in _pairs(value)]
    return list(dict.fromkeys(found))


def _values(reply: str) -> list[Any]:
    """All JSON values in a text, of a list that breaks off the items."""
    decoder, values, place = json.JSONDecoder(), list[Any](), 0
    for _ in range(_STARTS):
        starts = [start for mark in "[{" if (start := reply.find(mark, place)) >= 0]
        if not starts:
            break
        place = min(starts)
        try:
            value, place = decoder.raw_decode(reply, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        values.append(value)
    return values


def _pairs(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(item)]
    if not isinstance(value, dict):
        return []
    prompt, answer = _text(value, _PROMPTS), _text(value, _ANSWERS)
    if prompt:
        return [(prompt, answer)]
    return [pair for item in value.values() if isinstance(item, list) for pair in _pairs(item)]


def _text(value: dict[str, Any], names: tuple[str, ...]) -> str:
    folded = {str(key).strip().casefold(): item for key, item in value.items()}
    return next((item.strip() for name in names if isinstance(item := folded.get(name), str) and item.strip()), "")
