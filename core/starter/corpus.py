"""The starter's corpus: conversations generated from the grammars, the same for the same seed.

A conversation is dropped when one of its user turns, or a bare question in it, is a near duplicate (similarity
of 0.6 or more, see `core.starter.similarity`) of a prompt of the support samples, or when it states a fact of
Alto & Reed. Standard library only.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from core.starter import corpus_shop as shop
from core.starter.corpus_shop import Turn
from core.starter.corpus_skills import SKILLS, Maker
from core.starter.facts import facts
from core.starter.similarity import NEAR, Index

SHARD = 1000
"""Conversations made from one seed; shards can be made in any order and by several processes."""

_SHOP: dict[str, tuple[Maker, float]] = {
    "from_notice": (shop.from_notice, 16),
    "not_known": (shop.not_known, 12),
    "topic": (shop.topic_of, 8),
    "same": (shop.same, 4),
    "other_words": (shop.other_words, 1.5),
}
SHARDS = 90
"""The shards that the bundled model is made from."""

SINGLE: dict[str, tuple[Maker, float]] = SKILLS | _SHOP
_MULTI = {
    "visit": (shop.visit, 8.0),
    "manner": (shop.manner, 6.0),
    "styled": (shop.styled, 7.0),
    "begun": (shop.begun, 20.0),
    "labelled": (shop.labelled, 3.0),
}
_MIXED = 6.0
_SYSTEM = {
    "en": ("You are a helpful assistant.", "Be helpful.", "You are a friendly assistant.", "Answer briefly."),
    "fr": ("Vous êtes un assistant utile.", "Soyez utile.", "Répondez brièvement."),
}
LONGEST = 60
"""User turns of more words cannot be near a support prompt: none of those has more than 36 words."""


@dataclass(frozen=True)
class Conversation:
    """One conversation and the skill that it shows."""

    skill: str
    turns: tuple[Turn, ...]


@lru_cache(maxsize=1)
def _support() -> Index:
    return Index(prompt for fact in facts() for prompt in fact.prompts)


@lru_cache(maxsize=1)
def _brand() -> re.Pattern[str]:
    keys = sorted({key for fact in facts() for key in fact.keys})
    return re.compile("|".join([rf"(?<!\w){re.escape(key)}(?!\w)" for key in keys] + ["Alto & Reed"]), re.IGNORECASE)


@lru_cache(maxsize=200_000)
def _near(text: str) -> bool:
    return len(text.split()) <= LONGEST and _support().holds_near(text, NEAR)


def parts(turn: Turn) -> list[str]:
    """The texts of a user turn to hold against the support prompts: the whole, each line, what follows a colon."""
    found = [turn.content]
    for line in turn.content.splitlines():
        found.append(line)
        if ": " in line:
            found.append(line.split(": ", 1)[1])
    return list(dict.fromkeys(found))


def clean(turns: tuple[Turn, ...]) -> bool:
    """Whether a conversation keeps clear of the support prompts and of the brand's facts."""
    if any(_brand().search(turn.content) for turn in turns):
        return False
    return not any(_near(part) for turn in turns if turn.role == "user" for part in parts(turn))


def _single(dice: random.Random, lang: str, skill: str) -> list[Turn]:
    ask, answer = SINGLE[skill][0](dice, lang)
    return [Turn("user", ask), Turn("assistant", answer)]


def _one(dice: random.Random) -> Conversation:
    lang = "en" if dice.random() < 0.62 else "fr"
    names = [*SINGLE, *_MULTI, "mixed"]
    weights = [weight for _, weight in SINGLE.values()] + [weight for _, weight in _MULTI.values()] + [_MIXED]
    skill = dice.choices(names, weights)[0]
    if skill in _MULTI:
        return Conversation(skill, tuple(_MULTI[skill][0](dice, lang)))
    if skill == "mixed":
        picks = dice.choices([*SINGLE], [weight for _, weight in SINGLE.values()], k=dice.choice((2, 3, 4, 6, 8)))
        # Runs of one skill make examples in the conversation usual.
        picks = [picks[0]] * len(picks) if dice.random() < 0.4 else picks
        turns = [turn for pick in picks for turn in _single(dice, lang, pick)]
    else:
        turns = _single(dice, lang, skill)
    if dice.random() < 0.25:
        turns.insert(0, Turn("system", dice.choice(_SYSTEM[lang])))
    return Conversation(skill, tuple(turns))


def shard(seed: int, number: int) -> list[Conversation]:
    """Shard `number` of the corpus of `seed`: SHARD clean conversations. Negative numbers are for holding out."""
    dice = random.Random(f"corpus-{seed}-{number}")
    found: list[Conversation] = []
    while len(found) < SHARD:
        conversation = _one(dice)
        if clean(conversation.turns):
            found.append(conversation)
    return found


def corpus(seed: int, shards: int = SHARDS) -> Iterator[Conversation]:
    """The first `shards` shards."""
    for number in range(shards):
        yield from shard(seed, number)
