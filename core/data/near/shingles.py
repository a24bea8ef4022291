"""A text as its shingles and its numbers, and the parts of a row that are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.data.checks.repeats import fold
from core.data.example import Example, Message
from core.data.turns import canonical

SHINGLE = 5
LONGEST = 100_000
"""Of a longer part only the first so many characters are compared."""
SEPARATOR = "\x1f"
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Codes = np.ndarray[Any, Any]
Places = np.ndarray[Any, np.dtype[np.int64]]
_NUMBER = re.compile(r"\d+")
# An odd multiplier spreads the characters over 64 bits; the two rounds of mixing are those of SplitMix64
# (Steele, Lea and Flood 2014), whose constants have no other meaning.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def folded(text: str) -> str:
    """`text` as it is compared: without case, spacing and sentence marks, cut at `LONGEST` characters."""
    return fold(text[:LONGEST]).decode("utf-8", "surrogatepass")


def prompt_parts(example: Example) -> tuple[str, ...]:
    """What is asked: the dialogue up to the answer and the system message, each to be compared by itself."""
    if example.text is not None:
        return (folded(example.text),)
    system = [message.content for message in example.prompt if message.role == "system"]
    turns = [message for message in example.prompt if message.role != "system"]
    return (folded(_dialogue(turns)), folded("\n".join(system)))


def row_parts(example: Example) -> tuple[str, ...]:
    """What is trained on: the parts of the prompt, then the answer, the rejected answer and the tools.

    Of plain text and of a text with a label only the text itself.
    """
    asked = prompt_parts(example)
    if example.kind in ("text", "classification"):
        return asked
    tools = canonical(list(example.tools)) if example.tools else ""
    dialogue, *system = asked
    return (dialogue, folded(example.answer), *system, folded(example.rejected_answer), folded(tools))


def _dialogue(turns: Sequence[Message]) -> str:
    if len(turns) == 1:
        return turns[0].text()
    return "\n\n".join(f"{turn.role}: {turn.text()}" for turn in turns)


def codes(text: str) -> Codes:
    """The characters of `text` as numbers."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def as_text(characters: Codes) -> str:
    """The text of which `characters` are the codes."""
    return characters.astype(np.uint32).tobytes().decode("utf-32-le", "surrogatepass")


def mixed(values: Hashes) -> Hashes:
    """`values`, changed in place, with every bit depending on every other one."""
    for shift, factor in zip((30, 27), _MIX, strict=True):
        values ^= values >> np.uint64(shift)
        values *= factor
    values ^= values >> np.uint64(31)
    return values


def shingle_hashes(characters: Codes) -> Hashes:
    """The hash of the shingle that begins at each place; a text shorter than a shingle is one by itself."""
    count = max(1, len(characters) - SHINGLE + 1)
    if len(characters) < SHINGLE:
        characters = np.concatenate([characters, np.zeros(SHINGLE - len(characters), characters.dtype)])
    hashes = characters[:count].astype(np.uint64)
    for offset in range(1, SHINGLE):
        hashes *= _FACTOR
        hashes += characters[offset : offset + count]
    return mixed(hashes)


def numbers(text: str) -> Counter[str]:
    """The numbers in a text, each with how often it is there."""
    return Counter(_NUMBER.findall(text))


def jaccard(one: Hashes, other: Hashes) -> float:
    """|A ∩ B| / |A ∪ B| of two sorted arrays without repeats."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def number_jaccard(one: Counter[str], other: Counter[str]) -> float:
    """The same for numbers, counted as often as they are there; 1 where neither text has any."""
    if one == other:
        return 1.0
    common = (one & other).total()
    return common / (one.total() + other.total() - common)
