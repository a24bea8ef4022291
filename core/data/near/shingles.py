"""A text as its shingles and its numbers, and the parts of a row that are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.data.example import Example
from core.data.turns import canonical

SHINGLE = 5
LONGEST = 100_000
"""Of a longer part only the first so many characters are compared."""
SEPARATOR = "\x1f"
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Codes = np.ndarray[Any, Any]
Places = np.ndarray[Any, np.dtype[np.int64]]
_GAP = SEPARATOR * SHINGLE
_SEPARATOR = ord(SEPARATOR)
_MARKS = ".,!?;'\"’‘“”«»…¿¡。，！？；"
_PLAIN = np.asarray([32 if chr(code) in _MARKS or chr(code).isspace() and code != _SEPARATOR else code
                     for code in range(256)], np.uint8)  # fmt: skip
_LETTER = np.asarray([chr(code).isalpha() or code > 127 for code in range(256)])
_WIDE_SPACES = np.asarray([ord(mark) for mark in _MARKS if ord(mark) > 127]
                          + [code for code in range(128, 0x3001) if chr(code).isspace()], np.uint32)  # fmt: skip
_NUMBER = re.compile(r"\d+")
# An odd multiplier spreads the characters over 64 bits; the two rounds of mixing are those of SplitMix64
# (Steele, Lea and Flood 2014), whose constants have no other meaning.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def _cut(text: str) -> str:
    return text[:LONGEST].casefold()


def dialogue(example: Example) -> str:
    """What is asked, without case: the turns up to the answer, without a system message; or the whole plain text."""
    if example.text is not None:
        return _cut(example.text)
    turns = [message for message in example.prompt if message.role != "system"]
    if len(turns) == 1:
        return _cut(turns[0].text())
    return _cut("\n\n".join(f"{turn.role}: {turn.text()}" for turn in turns))


def main_parts(example: Example) -> tuple[str, ...]:
    """The parts of a row by which candidates are found: the dialogue and, where it is compared, the answer."""
    if example.kind in ("text", "classification"):
        return (dialogue(example),)
    return (dialogue(example), _cut(example.answer))


def prompt_parts(example: Example) -> tuple[str, ...]:
    """What is asked, part by part: the dialogue and the system message."""
    system = [message.content for message in example.prompt if message.role == "system"]
    return (dialogue(example), _cut("\n".join(system)))


def row_parts(example: Example) -> tuple[str, ...]:
    """What is trained on, part by part: the prompt's parts, the answer, the rejected answer and the tools.

    Of plain text and of a text with a label only the prompt's.
    """
    if example.kind in ("text", "classification"):
        return prompt_parts(example)
    tools = canonical(list(example.tools)) if example.tools else ""
    said = (example.answer, example.rejected_answer, tools)
    return (*prompt_parts(example), *(_cut(text) for text in said))


def codes(texts: Sequence[str]) -> tuple[Codes, Places, Places]:
    """The characters of the texts as numbers in one array, and where in it each text starts and ends.

    Sentence marks are spaces, and so are hyphens inside words; several spaces are one, none is at an end. Between
    two texts stand as many separators as a shingle has characters: none spans both, and a short text is filled up.
    """
    text = _GAP.join([*texts, ""])
    if text.isascii():
        characters: Codes = np.frombuffer(text.encode("ascii"), np.uint8)
        plain, letter = _PLAIN[characters], _LETTER[characters]
    else:
        characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        low = np.minimum(characters, 255)
        plain, letter = np.where(characters < 128, _PLAIN[low], characters), _LETTER[low]
        plain[np.isin(plain, _WIDE_SPACES)] = 32
    hyphen = characters[1:-1] == 45
    if hyphen.any():
        hyphen &= letter[:-2] & letter[2:]
        plain[1:-1][hyphen] = 32
    space = plain == 32
    kept = ~space
    kept[1:] |= ~space[:-1]
    lengths = np.asarray([len(each) for each in texts], np.int64)
    ends = np.cumsum(lengths + len(_GAP)) - len(_GAP)
    moved = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])
    plain, starts, ends = plain[kept], moved[ends - lengths], moved[ends]
    starts += (starts < ends) & (plain[np.minimum(starts, len(plain) - 1)] == 32)
    ends -= (starts < ends) & (plain[ends - 1] == 32)
    return plain, starts, ends


def as_text(characters: Codes) -> str:
    """The text of which `characters` are the codes."""
    if characters.dtype == np.uint8:
        return characters.tobytes().decode("latin-1")
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
    if len(one) == len(other) and one.tobytes() == other.tobytes():
        return 1.0
    both = np.concatenate((one, other))
    both.sort()
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    return common / (len(both) - common)


def number_jaccard(one: Counter[str], other: Counter[str]) -> float:
    """The same for numbers, counted as often as they are there; 1 where neither text has any."""
    # A counter's own comparison allows for zeros, of which there are none here, and is slow.
    if one is other or dict.__eq__(one, other):
        return 1.0
    common = (one & other).total()
    return common / (one.total() + other.total() - common)
