"""Answers that name their model: judged like the others, but told with the result, as they are not blind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_SELF = re.compile(
    r"\b(?:as|i am|i'm|i’m|en tant que|je suis)\s+(?:an?|the|un|une|le)\s+"
    r"(?:[\w-]+\s+){0,2}?(?:fine-?\s?tuned|finetuned|base|instruct)\b",
    re.IGNORECASE,
)
# Parts of model and file names that say nothing about which model it is.
_COMMON = re.compile(
    "answers?|base|beta|chat|data|demo|few-shot|final|fine|finetuned|full|instruct|jsonl|last|latest|lora|merged|"
    "model|outputs?|preview|qlora|shot|small|large|medium|starter|test|tiny|train|tuned|version",
    re.IGNORECASE,
)
_PART = re.compile(r"[^\W\d_]{4,}")
# A hub's name or one with a size: its words are a model's. Those of other names are often words of the language.
_MODEL = re.compile(r"/|\d[bBmM]\b")


def telling(names: Mapping[str, str]) -> Callable[[str, Sequence[Mapping[str, Any]]], bool]:
    """A function that says whether an answer names one of the models `names` (arm → name), or its own kind.

    What names a model: the whole name, the last part of its path, and of a model's name each word of four letters or
    more that is not common among such names ("qwen" of "Qwen/Qwen3-1.7B"); or a phrase such as "as a fine-tuned
    model". Words that the prompt has too are no sign. The function takes the answer and the messages of its prompt.
    """
    words = sorted(set(_words(names.values())), key=len, reverse=True)
    named = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})", re.IGNORECASE) if words else None

    def tells(answer: str, prompt: Sequence[Mapping[str, Any]]) -> bool:
        if _SELF.search(answer):
            return True
        found = {match.casefold() for match in named.findall(answer)} if named else set()
        if not found:
            return False
        asked = json.dumps([message.get("content") for message in prompt], ensure_ascii=False).casefold()
        return any(word not in asked for word in found)

    return tells


def _words(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        for whole in (name, name.rpartition("/")[2]):
            if len(whole) >= 4 and not _COMMON.fullmatch(whole):
                yield whole
        if _MODEL.search(name):
            yield from (word for word in _PART.findall(name) if not _COMMON.fullmatch(word))
