"""Pairs to judge: two answers to one prompt, and which of the two stands on the left."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from core.judging.place import ARMS

# Ten pairs a block: the left side is even after each ten, and the next side is still hard to foresee.
BLOCK = 10
# With three arms and more the pairs of arms take turns, so that two in a block foretell nothing.
SMALL_BLOCK = 2
AGAIN = "-again"


def response_id(text: str) -> str:
    """The identity of an answer: 16 hexadecimal digits of the SHA-256 of its text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt with the answers of two arms; before `walk`, of all arms.

    Attributes:
        id: 16 hexadecimal digits over row, prompt and answers: new answers make a new pair.
        row: 0-based row of the test data; line: its 1-based line, or None where it is not known.
        prompt: the messages before the answer.
        reference: the answer that the data gives, or None.
        answers: arm → text.
        left: the arm shown on the left, or None for identical answers, which nobody is asked about.
        fields: further fields of the row, by which results may be sliced.
        telling: the arms whose answer names a model (see `core.judging.telling`).
        repeat_of: the id of the pair that is shown again here, sides swapped; None for a first showing.
    """

    id: str
    row: int
    line: int | None
    prompt: tuple[dict[str, Any], ...]
    reference: str | None
    answers: dict[str, str]
    left: str | None = None
    fields: dict[str, str] = field(default_factory=dict[str, str])
    telling: tuple[str, ...] = ()
    repeat_of: str | None = None

    @property
    def identical(self) -> bool:
        """Whether the answers are the same, white space at their ends aside."""
        return len({answer.strip() for answer in self.answers.values()}) == 1

    @property
    def right(self) -> str | None:
        """The arm shown on the right."""
        # Read for every vote: a loop takes a fifth of the time of a generator.
        for arm in self.answers if self.left else ():
            if arm != self.left:
                return arm
        return None

    def again(self) -> Pair:
        """This pair with its sides swapped, to be judged once more for self-consistency."""
        return replace(self, id=self.id + AGAIN, left=self.right, repeat_of=self.id)

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
            "fields": self.fields,
            "telling": list(self.telling),
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
            fields=value.get("fields", {}),
            telling=tuple(value.get("telling", ())),
        )


def arms_in(rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The arms that answered in the rows of an answers.jsonl, in the order in which they come."""
    return tuple(dict.fromkeys(row["arm"] for row in rows if isinstance(row.get("arm"), str) and _well_formed(row)))


def pair_up(rows: Iterable[dict[str, Any]], arms: Sequence[str] = ARMS) -> list[Pair]:
    """The prompts in the rows of an answers.jsonl with the answers of all `arms`, in order of their data row.

    A row of data that lacks an answer of any arm is left out; of two answers of one arm to one row
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


def _pair(number: int, by_arm: dict[str, dict[str, Any]], arms: Sequence[str]) -> Pair:
    first = by_arm[arms[0]]
    # Early evaluations wrote the examples of a few-shot arm before the question: the question alone is shown.
    prompt = min((by_arm[arm]["prompt"] for arm in arms), key=len)
    answers = {arm: by_arm[arm]["answer"] for arm in arms}
    line, reference, fields = first.get("line"), first.get("reference"), first.get("fields")
    return Pair(
        id=_identity(number, prompt, answers),
        row=number,
        line=line if isinstance(line, int) else None,
        prompt=tuple(prompt),
        reference=reference if isinstance(reference, str) else None,
        answers=answers,
        fields={key: str(value) for key, value in fields.items()} if isinstance(fields, dict) else {},
    )


def _identity(row: int, prompt: Sequence[dict[str, Any]], answers: dict[str, str]) -> str:
    return response_id(json.dumps([row, list(prompt), answers], ensure_ascii=True, sort_keys=True))


def walk(pairs: Iterable[Pair], seed: int) -> Iterator[Pair]:
    """All `pairs` in the random order of `seed`, two arms each, sides given: the same order at each call.

    With more than two arms the pairs of arms take turns, each once in every round in an order shuffled anew, so
    that each is met equally often; a prompt is judged for one pair of arms. Of each pair of arms the pairs of
    different answers are counted off in blocks of `BLOCK` (`SMALL_BLOCK` with more than two arms); within a block
    each arm stands on the left for one half, in an order shuffled anew for each block. Identical ones have no side.
    """
    shuffled = list(pairs)
    random.Random(f"order {seed}").shuffle(shuffled)
    asked: Counter[tuple[str, ...]] = Counter()
    for number, whole in enumerate(shuffled):
        pair = _matched(whole, seed, number)
        if pair.identical:
            yield pair
            continue
        arms = tuple(pair.answers)
        many = len(whole.answers) > 2
        block, place = divmod(asked[arms], SMALL_BLOCK if many else BLOCK)
        sides = list(arms) * ((SMALL_BLOCK if many else BLOCK) // 2)
        random.Random(f"sides {seed} {' '.join(arms)} {block}" if many else f"sides {seed} {block}").shuffle(sides)
        yield replace(pair, left=sides[place])
        asked[arms] += 1


def _matched(whole: Pair, seed: int, number: int) -> Pair:
    """`whole` with the answers of the two arms whose turn it is."""
    couples = list(combinations(whole.answers, 2))
    if len(couples) == 1:
        return whole
    turn, place = divmod(number, len(couples))
    random.Random(f"arms {seed} {turn}").shuffle(couples)
    answers = {arm: whole.answers[arm] for arm in couples[place]}
    return replace(whole, id=_identity(whole.row, whole.prompt, answers), answers=answers)


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


def with_repeats(asked: Sequence[Pair], seed: int, share: float) -> list[Pair]:
    """`asked` with a share of the pairs once more, later and with their sides swapped.

    Of every 1/`share` pairs one of the first half is drawn; it comes back two such blocks later, or at the end,
    so that no pair is ever followed closely by its repeat. Fewer pairs than a block have none.
    """
    every = round(1 / share) if share > 0 else 0
    blocks = len(asked) // every if every else 0
    due: dict[int, list[Pair]] = {}
    for block in range(blocks):
        draw = random.Random(f"repeat {seed} {block}")
        pair = asked[block * every + draw.randrange((every + 1) // 2)]
        due.setdefault(min((block + 2) * every + draw.randrange(every), len(asked)), []).append(pair.again())
    sequence: list[Pair] = []
    for number, pair in enumerate(asked):
        sequence += [*due.get(number, []), pair]
    return [*sequence, *due.get(len(asked), [])]
