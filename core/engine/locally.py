"""A model of this machine answers rows, and says how likely it finds what it should say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.chat import final_answer
from core.engine.answering import answers, losses
from core.engine.models import Owner
from core.engine.prompts import Asked

#: (phase, rows done, rows in all); it may raise to stop.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How all arms answer. temperature 0 is greedy. batch_size: answers generated at once, at most."""

    max_new_tokens: int
    batch_size: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken each time."""
        return self.temperature == 0

    def identity(self) -> dict[str, Any]:
        """What decides an answer: the batch does not, nor what only drawing needs."""
        return {"max_new_tokens": self.max_new_tokens} if self.greedy else {**asdict(self), "batch_size": 0}


def answer_rows(
    model: Any, owner: Owner, rows: Sequence[Asked], decoding: Decoding, *, scored: bool, tell: Tell
) -> Iterator[list[tuple[Asked, dict[str, Any]]]]:
    """The answers of `model`, batch by batch: each row with the fields that its record gets.

    Args:
        owner: whose tokenizer and template the model has.
        scored: whether the loss of each reference is measured too, first.
        tell: is told of the losses' progress.
    """
    measured = _losses(model, owner, rows, tell) if scored else {}
    for batch, seconds in _answers(model, owner, rows, decoding):
        found: list[tuple[Asked, dict[str, Any]]] = []
        for index, ids, ended in batch:
            fields: dict[str, Any] = {
                "answer": final_answer(owner.chat.decode(ids)),
                "prompt_tokens": len(rows[index].prompt),
                "generated_tokens": len(ids),
                "ended": ended,
                "seconds": seconds / len(batch),
            }
            if scored:
                nats, tokens = measured[index]
                fields |= {"nll": nats, "answer_tokens": tokens}
            found.append((rows[index], fields))
        yield found


def _losses(model: Any, owner: Owner, rows: Sequence[Asked], tell: Tell) -> dict[int, tuple[float, int]]:
    """Of each row the summed nats and the tokens of the reference."""
    found: dict[int, tuple[float, int]] = {}
    for batch in losses(model, [(item.ids, item.labels) for item in rows], owner.chat.pad_id):
        found |= {index: (nats, tokens) for index, nats, tokens in batch}
        tell("loss", len(found), len(rows))
    return found


def _answers(
    model: Any, owner: Owner, rows: Sequence[Asked], decoding: Decoding
) -> Iterator[tuple[list[tuple[int, list[int], bool]], float]]:
    """Batches of (row's index, ids of its answer, whether it ended by itself) and their seconds; texts get none."""
    texts = [(index, list[int](), True) for index, item in enumerate(rows) if not item.prompt]
    if texts:
        yield texts, 0.0
    rest = [index for index, item in enumerate(rows) if item.prompt]
    began = time.monotonic()
    batches = answers(
        model,
        [rows[index].prompt for index in rest],
        stop_ids=sorted(owner.chat.stop_ids),
        pad_id=owner.chat.pad_id,
        max_new_tokens=decoding.max_new_tokens,
        batch_size=decoding.batch_size,
        max_positions=owner.info.max_positions,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        seed=decoding.seed,
    )
    for batch in batches:
        now = time.monotonic()
        yield [(rest[at], ids, ended) for at, ids, ended in batch], now - began
        began = now
