"""The answers that an evaluation kept, read with care: a job wrote them, and anything may have happened since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DiapasonError

_MOST = 1e15
Record = dict[str, Any]


def read_answers(path: Path, run: str, arms: list[str], rows: int, of: int) -> list[Record]:
    """The records of an answers.jsonl, one for each arm and row: what is read of them is there and of its kind.

    A line that a crash tore is passed over where its row was answered again.

    Args:
        run: its name, for what to do.
        arms: those that were evaluated.
        rows: how many test rows each of them answered.
        of: how many rows the test file has.

    Raises:
        DiapasonError: the file cannot be read, a record is damaged, or answers are missing.
    """
    again = f"Evaluate again: diapason evaluate {run}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DiapasonError(f"cannot be read: {error.strerror}", where=str(path), hint=again) from error
    found: dict[tuple[str, int], Record] = {}
    torn = last = 0
    for last, record in _records(data):
        if record is None:
            torn = torn or last
            continue
        wrong = _wrong(record, of)
        if wrong:
            raise DiapasonError(f"this answer has no usable `{wrong}`", where=f"{path}:{last}", hint=again)
        if record["arm"] in arms:
            found[record["arm"], record["row"]] = record
    wanted = len(arms) * rows
    if len(found) < wanted:
        raise DiapasonError(
            f"{wanted - len(found)} of {wanted} answers are damaged or missing",
            where=f"{path}:{torn or last or 1}",
            hint=again,
        )
    return list(found.values())


def _records(data: bytes) -> Iterator[tuple[int, Record | None]]:
    """Each line's number, from 1, and its object; None where it is none."""
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        try:
            value = json.loads(line.strip(b"\0"))
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else None


def _wrong(record: Record, of: int) -> str:
    """The first field that is missing or of another kind, empty where all are right; an endpoint's answer has a
    loss of null over null tokens."""
    row, tokens, nll = (record.get(name) for name in ("row", "answer_tokens", "nll"))
    checks = {
        "row": type(row) is int and 0 <= row < of,
        "arm": isinstance(record.get("arm"), str),
        "answer": isinstance(record.get("answer"), str),
        "reference": isinstance(record.get("reference"), str),
    }
    if not ({"nll", "answer_tokens"} <= record.keys() and nll is None and tokens is None):
        checks["nll"] = isinstance(nll, int | float) and not isinstance(nll, bool) and abs(nll) < _MOST
        checks["answer_tokens"] = type(tokens) is int and 0 <= tokens < _MOST
    return next((name for name, right in checks.items() if not right), "")
