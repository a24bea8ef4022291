"""A run folder with answers to judge, as the evaluation of a real run leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Answer = Callable[[int], str]


def answer_rows(
    count: int,
    base: Answer = lambda row: f"Generic answer number {row}.",
    tuned: Answer = lambda row: f"Hello! Answer number {row} in our own voice.",
    prompt: Answer = lambda row: f"Where is parcel {row}?",
) -> list[dict[str, Any]]:
    """The lines of answers.jsonl for `count` rows of data: base, few-shot and tuned."""
    arms = {"base": base, "few-shot:5": lambda row: f"Shot {row}.", "tuned": tuned}
    return [
        {
            "row": row,
            "line": row + 1,
            "arm": arm,
            "prompt": [{"role": "user", "content": prompt(row)}],
            "reference": f"Reference {row}.",
            "answer": answer(row),
            "nll": 12.5,
            "answer_tokens": 9,
            "generated_tokens": 9,
            "seconds": 0.1,
        }
        for arm, answer in arms.items()
        for row in range(count)
    ]


def make_run(
    runs: Path,
    rows: Sequence[dict[str, Any]] | None = None,
    *,
    ulid: str = "01jcz3v9k0000000000000000a",
    name: str = "desk",
) -> Path:
    """A completed run in the folder `runs`; with `rows` its evaluation has been done."""
    run = runs / f"{ulid}-{name}"
    run.mkdir(parents=True)
    spec = {
        "schema": 1,
        "kind": "train",
        "id": run.name,
        "name": name,
        "model": {"name": "starter", "path": "starter"},
    }
    (run / "spec.json").write_text(json.dumps(spec))
    (run / "state.json").write_text(json.dumps({"schema": 1, "status": "completed", "attempt": 1, "step": 20}))
    if rows is not None:
        write_answers(run / "evaluation" / "answers.jsonl", rows)
    return run


def write_answers(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write `rows` to `path` as the engine does: one JSON object a line."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
