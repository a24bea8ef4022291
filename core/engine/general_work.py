"""General questions, asked of the base and of the tuned model: what did it forget?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from core.engine.job import Job
from core.engine.locally import Decoding
from core.engine.models import Models, Owner
from core.engine.prompts import Asked, fits, plain
from core.engine.sheet import Record, Sheet, generate
from core.evaluation.general import general_prompts, summarise_general
from core.files import read_jsonl

GENERAL = "general.jsonl"
# They have short answers.
_TOKENS = 64


def general_rows(job: Job, owner: Owner, rows: int, wanted: bool | None) -> list[Asked] | None:
    """The general questions as the run's model reads them, where they are to be asked.

    Args:
        rows: answers that the evaluation itself takes.
        wanted: None asks them where they are the smaller part of the work.
    """
    if wanted is False:
        return None
    questions = general_prompts()
    if wanted is None and rows <= 2 * len(questions):
        job.log("info", f"The {len(questions)} general questions are not asked: they would take longer than the "
                "evaluation. `diapason evaluate RUN --general` asks them.")  # fmt: skip
        return None
    return [row for row in (plain(owner.chat, one) for one in questions) if fits(row, owner.limit)]


def ask_general(
    job: Job, owner: Owner, models: Models, tuned: bool, questions: list[Asked], sheet: Sheet, decoding: Decoding
) -> None:
    """Have the base or the tuned model answer `questions`, greedily, where it has not."""
    name = "tuned" if tuned else "base"
    decoding = Decoding(min(_TOKENS, decoding.max_new_tokens), decoding.batch_size)
    mine = [dataclasses.replace(question) for question in questions]
    for item in mine:
        item.identify([models.identity(tuned), decoding.identity()])
    todo = sheet.missing(name, mine)
    if todo:
        generate(
            job, owner, models, tuned, todo, sheet, decoding, name=name, total=len(mine), phase=f"general {name}"
        )  # fmt: skip


def forgetting(folder: Path) -> dict[str, Any] | None:
    """The result document's ``forgetting``, of the job in `folder`; None where not both models were asked."""
    found: dict[str, dict[int, Record]] = {"base": {}, "tuned": {}}
    for record in read_jsonl(folder / GENERAL)[0]:
        if record.get("arm") in found:
            found[record["arm"]][record["row"]] = record
    return (
        summarise_general({name: list(rows.values()) for name, rows in found.items()})
        if all(found.values())
        else None
    )
