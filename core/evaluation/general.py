"""Forgetting: what a model knew before it was tuned, asked again afterwards.

The prompts (general.jsonl, beside this file) were written for Diapason: facts, arithmetic, reasoning, instructions,
formats, languages. An answer is right where the prompt's accept rule, a regular expression, is found in it, case
ignored. A tiny base knows few of them; the loss of the reference answers still tells when tuning made it worse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.example import Example, Message
from core.evaluation.records import nats, tokens_of

_FILE = Path(__file__).parent / "general.jsonl"


@dataclass(frozen=True, slots=True)
class GeneralPrompt:
    """One of the prompts. accept: the regular expression of a right answer. language: ISO 639-1."""

    id: str
    topic: str
    language: str
    prompt: str
    reference: str
    accept: str

    def accepts(self, answer: str) -> bool:
        """Whether `answer` is right."""
        return re.search(self.accept, answer, re.IGNORECASE) is not None


@lru_cache(maxsize=1)
def prompts() -> tuple[GeneralPrompt, ...]:
    """The prompts that the project ships, in the order of their file."""
    return tuple(GeneralPrompt(**json.loads(line)) for line in _FILE.read_text("utf-8").splitlines())


def general_prompts() -> list[Example]:
    """The prompts as rows to be answered: `row` is the place in `prompts()`, from 0."""
    return [
        Example("chat", row, row + 1, (Message("user", item.prompt),), (Message("assistant", item.reference),))
        for row, item in enumerate(prompts())
    ]


def summarise_general(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The result document's ``forgetting``: loss and right answers of each arm, and each arm against `base`.

    Args:
        rows: each arm's records, whose ``row`` is that of `general_prompts`; only prompts that every arm answered
            are counted. Where a record has no loss, its arm has none.

    Returns:
        ``prompts`` (how many were counted), ``arms`` with ``loss`` (nats a reference token) and ``right`` (share),
        each a value with its 95 % interval, ``comparisons`` as in the result document, and ``rows``: each prompt
        with the arms' answers, losses and whether they are right.
    """
    from core.evaluation.metrics import Table, binary_table, loss_table
    from core.evaluation.significance import compare, scored

    by_arm = {arm: {int(record["row"]): record for record in records} for arm, records in rows.items()}
    known = prompts()
    shared = [row for row in range(len(known)) if by_arm and all(row in found for found in by_arm.values())]
    tables: dict[tuple[str, str], Table] = {}
    for arm, found in by_arm.items():
        records = [found[row] for row in shared]
        if not records:
            continue
        tables[arm, "right"] = binary_table(
            [known[int(record["row"])].accepts(record["answer"]) for record in records]
        )
        if all(nats(record) is not None for record in records):
            tables[arm, "loss"] = loss_table(
                [nats(one) or 0.0 for one in records], [tokens_of(one) for one in records]
            )
    values, drawn = scored(tables)
    pairs = [(arm, "base") for arm in by_arm if arm != "base" and "base" in by_arm]
    return {
        "prompts": len(shared),
        "arms": [
            {"name": arm, **{name: value for (owner, name), value in values.items() if owner == arm}}
            for arm in by_arm
        ],
        "comparisons": compare(tables, drawn, pairs, primary=None) if shared else [],
        "rows": [_row(known[row], row, {arm: found[row] for arm, found in by_arm.items()}) for row in shared],
    }


def _row(item: GeneralPrompt, row: int, records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    losses = {arm: (nats(one), tokens_of(one)) for arm, one in records.items()}
    return {
        "row": row,
        "id": item.id,
        "topic": item.topic,
        "language": item.language,
        "prompt": item.prompt,
        "reference": item.reference,
        "answers": {arm: one["answer"] for arm, one in records.items()},
        "right": {arm: item.accepts(one["answer"]) for arm, one in records.items()},
        "losses": {arm: nll / count for arm, (nll, count) in losses.items() if nll is not None and count},
    }
