"""Small template grammars: `[a|b]` is a choice (they nest), `<word>` a slot. Standard library only."""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "sources"

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"<(\w+)>")
_ARTICLE = re.compile(r"\b([Aa]) (?=(?!uk|uni|used|one)[aeiou])")


@cache
def load(name: str) -> dict[str, Any]:
    """One of the tables in `sources/`, by its name without `.toml`."""
    return tomllib.loads((SOURCES / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def words(language: str, slot: str) -> tuple[str, ...]:
    """The vocabulary of one slot in `en` or `fr`. Raises KeyError for an unknown slot."""
    table = load("words")[language]
    if slot == "item":
        return words(language, "instrument") + words(language, "thing")
    if slot == "items":
        return tuple(plural(word) for word in words(language, "item"))
    return tuple(table[slot].split("|"))


@cache
def pairs(kind: str) -> tuple[tuple[str, str], ...]:
    """Word pairs: `translate` (English, French) or `opposites`."""
    both = (entry.split("=") for entry in load("words")["pairs"][kind].split("|"))
    return tuple((a, b) for a, b in both)


def plural(word: str) -> str:
    """The English plural of a word of the vocabulary."""
    if word.endswith("fe"):
        return word[:-2] + "ves"
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    return word + "s"


def expand(text: str, dice: random.Random, language: str = "en", **slots: str) -> str:
    """One sentence of the grammar `text`; `slots` fixes the value of some slots."""
    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda found: dice.choice(found[1].split("|")), text)
    text = _SLOT.sub(lambda found: slots.get(found[1]) or dice.choice(words(language, found[1])), text)
    if language == "en":
        text = _ARTICLE.sub(r"\1n ", text)
    return text
