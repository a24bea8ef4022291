"""The sample preference set: the same question, answered warmly (chosen) and curtly (rejected)."""

from __future__ import annotations

import random
from typing import Any

from core.starter.facts import OPENING, SIGN_OFF

# (question, warm answer, curt answer); {i} an instrument, {w} who it is for.
_CASES: tuple[tuple[str, str, str], ...] = (
    (
        "I am looking for a {i} for {w}. Where do I start?",
        "A {i} is a fine choice for {w}. Tell us the budget and we will lay out two or three to try.",
        "Look at the website.",
    ),
    (
        "Is the {i} too hard to learn for {w}?",
        "Not at all: with ten minutes a day, {w} will play a first tune on the {i} within weeks.",
        "Depends.",
    ),
    (
        "Which book would you suggest to {w} who plays the {i}?",
        "We like methods with songs. Come and leaf through three books for {i} with us, and {w} can choose.",
        "Any book will do.",
    ),
    (
        "The {i} seems expensive to me.",
        "We understand. A good {i} keeps its value, and we have kind prices on older models too.",
        "Then buy a cheap one.",
    ),
    (
        "Could {w} try a {i} before we decide?",
        "Of course! {w} is welcome to play every {i} we have, for as long as it takes.",
        "Yes, but do not break it.",
    ),
    (
        "How do I clean a {i}?",
        "A soft dry cloth after playing is all that a {i} asks for. We gladly show you at the counter.",
        "With a cloth, obviously.",
    ),
    (
        "I am not happy with the sound of my {i}.",
        "I am sorry to hear that. Bring the {i} along, we will listen together and find out why.",
        "It is probably your playing.",
    ),
    (
        "Can you wrap the {i} as a present for {w}?",
        "With pleasure. We wrap the {i} by hand and write a card for {w} if you like.",
        "We do not have time for that.",
    ),
)
_THINGS = (
    "clarinet",
    "cello",
    "ukulele",
    "trumpet",
    "flute",
    "banjo",
    "viola",
    "drum kit",
    "keyboard",
    "harp",
    "recorder",
    "guitar",
    "oboe",
    "accordion",
)
_PEOPLE = (
    "my daughter",
    "my father",
    "a beginner",
    "my grandson",
    "a friend",
    "my wife",
    "an adult learner",
    "our choir leader",
)


def preference_rows() -> list[dict[str, Any]]:
    """Rows with `prompt`, `chosen` and `rejected`, each a list of messages (TRL's conversational form)."""
    dice = random.Random("preferences")
    rows: list[dict[str, Any]] = []
    for ask, warm, curt in _CASES:
        for thing in _THINGS:
            slots = {"i": thing, "w": dice.choice(_PEOPLE)}
            middle = warm.format(**slots)
            chosen = f"{OPENING['en']} {middle[0].upper()}{middle[1:]}\n{SIGN_OFF['en']}"
            rows.append(
                {
                    "prompt": [{"role": "user", "content": ask.format(**slots)}],
                    "chosen": [{"role": "assistant", "content": chosen}],
                    "rejected": [{"role": "assistant", "content": curt}],
                }
            )
    unique = {row["prompt"][0]["content"]: row for row in rows}
    rows = list(unique.values())
    dice.shuffle(rows)
    return rows
