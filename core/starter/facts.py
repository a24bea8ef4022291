"""What the invented music shop Alto & Reed knows: its facts, and the words that state each of them.

The table is read from `sources/support_*.toml`, which also hold the wordings of the sample data.
Standard library only.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "sources"

OPENING = {
    "en": "Hello from Alto & Reed!",
    "fr": "Bonjour de chez Alto & Reed !",
}
SIGN_OFF = {
    "en": "Keep playing! Alto & Reed",
    "fr": "Musicalement, Alto & Reed",
}


@dataclass(frozen=True)
class Fact:
    """One fact: `keys` are the accepted ways to state it, `answer` its wording, `prompts` the questions."""

    id: str
    language: str
    keys: tuple[str, ...]
    answer: str
    prompts: tuple[str, ...]

    def stated_in(self, text: str) -> bool:
        """Whether `text` states this fact: one of its keys, as whole words, in any case."""
        flat = _flat(text)
        return any(re.search(rf"(?<!\w){re.escape(_flat(key))}(?!\w)", flat) for key in self.keys)


def _flat(text: str) -> str:
    return " ".join(text.replace("’", "'").lower().split())


@cache
def _table() -> tuple[Fact, ...]:
    found: list[Fact] = []
    for path in sorted(SOURCES.glob("support_*.toml")):
        tongue = path.stem.split("_")[1]
        table: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, row in table.items():
            prompts = tuple(line.strip() for line in row["prompts"].strip().splitlines())
            found.append(Fact(f"{tongue}/{name}", tongue, tuple(row["key"]), row["answer"], prompts))
    return tuple(found)


def facts(language: str | None = None) -> tuple[Fact, ...]:
    """All facts, or those of one language (`en`, `fr`)."""
    return tuple(fact for fact in _table() if language in (None, fact.language))


@cache
def fact_of(reference: str) -> Fact | None:
    """The fact that a reference answer states; None where it states none of the table, or several."""
    stated = [fact for fact in facts() if fact.stated_in(reference)]
    return stated[0] if len(stated) == 1 else None
