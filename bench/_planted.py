"""What a mutation is, and the list of them all: a code, the kinds of file that it fits, and how it is planted."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Make = Callable[[Row, random.Random], Row | bytes]
ROOT = Path(__file__).resolve().parent.parent
WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
"""What is planted and what is a decoy, by name."""
TALK = ("chat", "tools", "sharegpt")
PLAIN = ("alpaca", "prompt-completion")
KINDS = (*TALK, *PLAIN, "preference", "classification", "text")


@dataclass(frozen=True, slots=True)
class Mutation:
    """Plants the defect `code` into a clean row of one of `kinds`; `also` may be found because of it."""

    code: str
    kinds: tuple[str, ...]
    make: Make
    also: frozenset[str] = frozenset()


MUTATIONS: list[Mutation] = []


def starter_pairs(name: str) -> list[tuple[str, str]]:
    """Prompts and answers of the starter's own rows: support_en or support_fr."""
    text = (ROOT / "core" / "starter" / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return [(row["messages"][-2]["content"], row["messages"][-1]["content"]) for row in rows]


def plants(code: str, *kinds: str, also: tuple[str, ...] = ()) -> Callable[[Make], Make]:
    """Enter the function below as a mutation of rows of `kinds`; of all kinds without."""

    def enter(make: Make) -> Make:
        MUTATIONS.append(Mutation(code, kinds or KINDS, make, frozenset(also)))
        return make

    return enter


def dumped(row: Row, rng: random.Random) -> bytes:
    """The row as a line of JSON, as one encoder or another writes it."""
    separators = rng.choice([(", ", ": "), (",", ":")])
    return json.dumps(row, ensure_ascii=rng.random() < 0.3, separators=separators).encode()


def turns_of(row: Row) -> list[Row]:
    """The turns of a conversation, or an empty list."""
    return row.get("messages") or row.get("conversations") or []


def places(row: Row) -> list[tuple[Row, str]]:
    """Where the texts of a row lie, as (object, key), system messages and results of tools left out."""
    found: list[tuple[Row, str]] = []
    for turn in turns_of(row):
        if turn.get("role") in ("user", "assistant") or "from" in turn:
            found += [(turn, key) for key in ("content", "value") if turn.get(key)]
    for key in ("instruction", "prompt", "question", "text", "output", "completion", "answer", "chosen", "rejected"):
        if isinstance(row.get(key), str) and row[key]:
            found.append((row, key))
    return found


def said_key(row: Row) -> tuple[str, str]:
    """The names of a turn's role and of its text in this row."""
    return ("from", "value") if "conversations" in row else ("role", "content")


def answers(row: Row) -> list[Row]:
    """The turns of the assistant that say something."""
    role, text = said_key(row)
    return [turn for turn in turns_of(row) if turn[role] in ("assistant", "gpt") and turn.get(text)]


def asked(row: Row) -> list[Row]:
    """The turns of the user."""
    role, _ = said_key(row)
    return [turn for turn in turns_of(row) if turn[role] in ("user", "human")]
