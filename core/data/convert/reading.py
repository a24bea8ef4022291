"""A row as the converter takes it: its example, and what its fields hold beside that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.data.columns import CONVERSATIONS, LABELS, PAIRS, TEXTS
from core.data.dataset import Dataset, Row
from core.data.example import Arguments, Example
from core.data.formats import ANSWERS, detect

Value = dict[str, Any]
# orjson reads whole numbers that need more than 64 bits as floats.
_LONG_NUMBER = re.compile(rb"\d{18}")
_PROMPTS = ("prompt", *CONVERSATIONS, "question", "query", "input")
# Findings that say that reading already left something out, and under which name it counts.
_LEFT_OUT = {"last_not_assistant": "later_turns", "duplicate_key": "duplicate_keys", "ragged_row": "cells"}


@dataclass(slots=True)
class Read:
    """A usable row: `value` as read (renamed, mapped), its own `format`, fields the example does not use, and
    what reading lost already, as (kind of loss, name)."""

    row: Row
    example: Example
    value: Value
    format: str
    extra: Value
    lost: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def read(dataset: Dataset, row: Row) -> Read | None:
    """The row for the converter; None where it is not usable."""
    if row.example is None or not isinstance(row.value, dict):
        return None
    value: Value = row.value
    own = dataset.forced or (detect(value) if dataset.layout not in ("csv", "text") else None)
    fmt = own or dataset.format or "text"
    extra = {key: item for key, item in value.items() if key not in _used(value, fmt)}
    found = Read(row, row.example, value, fmt, extra)
    if dataset.layout in ("jsonl", "json") and _LONG_NUMBER.search(row.raw):
        found.extra |= {key: item for key, item in _exactly(dataset, row.raw).items() if key in extra}
    for finding in row.findings:
        if finding.code in _LEFT_OUT:
            if finding.code != "ragged_row" or finding.detail == "too_many":
                found.lost.append((_LEFT_OUT[finding.code], ""))
        elif finding.code == "content_parts" and finding.severity == "warning":
            found.lost.append(("parts", finding.detail))
        elif finding.code == "extra_field" and "[" in finding.field:
            found.lost.append(("fields", finding.detail))
    if _LONG_NUMBER.search(row.raw) and any(_rounded(call) for call in _calls(row.example)):
        found.lost.append(("numbers", ""))
    if dataset.mapping is not None and dataset.layout in ("jsonl", "json"):
        taken = {source.partition(".")[0] for _, source in dataset.mapping.pairs}
        kept = taken | (value.keys() - {target for target, _ in dataset.mapping.pairs})
        found.lost += [("fields", key) for key in _exactly(dataset, row.raw) if key not in kept]
    return found


def _calls(example: Example) -> Iterator[Any]:
    """The arguments of all tool calls of a row that stand in it as objects."""
    for message in (*example.messages, *example.rejected):
        for call in message.tool_calls:
            arguments = call["function"]["arguments"]
            if not isinstance(arguments, Arguments):
                yield arguments


def _rounded(value: Any) -> bool:
    """Whether a number in `value` was too long to be read exactly."""
    if isinstance(value, dict):
        return any(_rounded(item) for item in value.values())
    if isinstance(value, list):
        return any(_rounded(item) for item in value)
    return isinstance(value, float) and abs(value) >= 2**53


def _exactly(dataset: Dataset, raw: bytes) -> Value:
    value = json.loads(dataset.source.decode(raw))
    return value if isinstance(value, dict) else {}


def _used(value: Value, fmt: str) -> set[str]:
    """The fields of a row from which its example is made."""
    if fmt == "alpaca":
        return {"instruction", "input", "system", "history", *_first(value, ANSWERS)}
    if fmt in ("chat", "sharegpt"):
        tools = "tools" if value.get("tools") or "functions" not in value else "functions"
        return {"system", tools, *_first(value, CONVERSATIONS)}
    if fmt in ("prompt-completion", "kto"):
        pair = next((pair for pair in PAIRS if pair[0] in value and pair[1] in value), ())
        used = {*pair, "system", "tools"} if pair else _used(value, "chat")
        return used | ({"label"} if fmt == "kto" else set())
    if fmt == "preference":
        if isinstance(value.get("instruction"), str):
            return {"chosen", "rejected", "instruction", "input", "history", "system", "tools"}
        return {"chosen", "rejected", "system", "tools", *_first(value, _PROMPTS)}
    return {*_first(value, TEXTS), *_first(value, LABELS)} if fmt == "classification" else {"text"}


def _first(value: Value, names: tuple[str, ...]) -> list[str]:
    return next(([name] for name in names if name in value), [])
