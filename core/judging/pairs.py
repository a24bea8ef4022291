"""Pairs to judge: two models' answers to one prompt, and which of the two stands on the left."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# Ten pairs a block: the left side is even after each ten, and the next side is still hard to foresee.
BLOCK = 10
ARMS = ("base", "tuned")


def response_id(text: str) -> str:
    """The identity of an answer: 16 hexadecimal digits of the SHA-256 of its text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with an answer of each arm.

    Attributes:
        id: 16 hexadecimal digits over row, prompt and answers: new answers make a new pair.
        row: 0-based row of the test data; line: its 1-based line, or None where it is not known.
        prompt: the messages before the answer.
        reference: the answer that the data gives, or None.
        answers: arm → text.
        left: the arm shown on the left, or None for identical answers, which nobody is asked about.
    """

    id: str
    row: int
    line: int | None
    prompt: tuple[dict[str, Any], ...]
    reference: str | None
    answers: dict[str, str]
    left: str | None = None

    @property
    def identical(self) -> bool:
        """Whether the answers are the same, white space at their ends aside."""
        return len({answer.strip() for answer in self.answers.values()}) == 1

    @property
    def right(self) -> str | None:
        """The arm shown on the right."""
        return next((arm for arm in self.answers if arm != self.left), None) if self.left else None

    def to_json(self) -> dict[str, Any]:
        """The pair as session.json keeps it, with the identity of each answer beside its text."""
        return {
            "id": self.id,
            "row": self.row,
            "line": self.line,
            "prompt": list(self.prompt),
            "reference": self.reference,
            "answers": {arm: {"id": response_id(text), "text": text} for arm, text in self.answers.items()},
            "identical": self.identical,
            "left": self.left,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Pair:
        """The pair that `to_json` wrote. Raises KeyError, TypeError or AttributeError for anything else."""
        return cls(
            id=value["id"],
            row=value["row"],
            line=value["line"],
            prompt=tuple(value["prompt"]),
            reference=value["reference"],
            answers={arm: answer["text"] for arm, answer in value["answers"].items()},
            left=value["left"],
        )


def pair_up(rows: Iterable[dict[str, Any]], arms: tuple[str, str] = ARMS) -> list[Pair]:
    """The pairs in the rows of an answers.jsonl, in order of their data row, sides not yet given.

    A row of data that lacks an answer of either arm makes no pair; of two answers of one arm to one row
    the later counts (an evaluation that was resumed writes again). Lines of another shape are passed over.
    """
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for row in rows:
        if row.get("arm") in arms and _well_formed(row):
            found.setdefault(row["row"], {})[row["arm"]] = row
    return [
        _pair(number, by_arm, arms) for number, by_arm in sorted(found.items()) if all(arm in by_arm for arm in arms)
    ]


def _well_formed(row: dict[str, Any]) -> bool:
    prompt = row.get("prompt")
    return (
        isinstance(row.get("row"), int)
        and isinstance(row.get("answer"), str)
        and isinstance(prompt, list)
        and all(isinstance(message, dict) for message in prompt)
    )


def _pair(number: int, by_arm: dict[str, dict[str, Any]], arms: tuple[str, str]) -> Pair:
    first = by_arm[arms[0]]
    answers = {arm: by_arm[arm]["answer"] for arm in arms}
    identity = json.dumps([number, first["prompt"], answers], ensure_ascii=True, sort_keys=True)
    line, reference = first.get("line"), first.get("reference")
    return Pair(
        id=response_id(identity),
        row=number,
        line=line if isinstance(line, int) else None,
        prompt=tuple(first["prompt"]),
        reference=reference if isinstance(reference, str) else None,
        answers=answers,
    )


def walk(pairs: Iterable[Pair], seed: int) -> Iterator[Pair]:
    """All `pairs` in the random order of `seed`, sides given: the same order at each call.

    Pairs of different answers are counted off in blocks of `BLOCK`; within a block each arm stands on the
    left for one half of the pairs, in an order shuffled anew for each block. Identical ones have no side.
    """
    shuffled = list(pairs)
    random.Random(f"order {seed}").shuffle(shuffled)
    asked = 0
    for pair in shuffled:
        if pair.identical:
            yield pair
            continue
        block, place = divmod(asked, BLOCK)
        yield _sided(pair, _sides(tuple(pair.answers), seed, block)[place])
        asked += 1


def _sides(arms: tuple[str, ...], seed: int, block: int) -> list[str]:
    sides = list(arms) * (BLOCK // len(arms))
    random.Random(f"sides {seed} {block}").shuffle(sides)
    return sides


def _sided(pair: Pair, left: str) -> Pair:
    return Pair(pair.id, pair.row, pair.line, pair.prompt, pair.reference, pair.answers, left)


def choose(pairs: Iterable[Pair], seed: int, count: int) -> list[Pair]:
    """The first pairs of `walk` that hold `count` different pairs to ask about (fewer where there are no more).

    Identical pairs met on the way are kept, as they are ties; a larger `count` gives the same pairs and more.
    """
    chosen: list[Pair] = []
    waiting: list[Pair] = []
    asked = 0
    for pair in walk(pairs, seed):
        if pair.identical:
            waiting.append(pair)
            continue
        if asked == count:
            return chosen
        chosen += [*waiting, pair]
        waiting = []
        asked += 1
    return chosen + waiting
