"""The names of fields: written in other letters or with spaces, and those that training does not read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.data.columns import CONVERSATIONS, IDS, KNOWN, LABELS, MARKS, PAIRS, PART_FIELDS, TEXTS
from core.data.findings import RowFinding

Value = dict[str, Any]
_NAMES = KNOWN | {"history", "functions", "response", "completion"}
_TALK = frozenset({"system", "tools", "functions", "label"})
_ANSWERS = frozenset({"output", "response", "completion", "answer"})
# What nobody expects a model to learn.
_QUIET = IDS | MARKS | {*PART_FIELDS}
_READ = {
    "alpaca": _QUIET | _ANSWERS | {"instruction", "input", "system", "history"},
    "chat": _QUIET | _TALK | {*CONVERSATIONS},
    "sharegpt": _QUIET | _TALK | {*CONVERSATIONS},
    "preference": _QUIET | _TALK | {*CONVERSATIONS, "chosen", "rejected", "prompt", "instruction", "input", "history",
                                  "question", "query"},
    "classification": _QUIET | {*TEXTS, *LABELS},
    "text": _QUIET | {"text"},
    "prompt-completion": _QUIET | _TALK,
    "kto": _QUIET | _TALK | {*CONVERSATIONS},
}  # fmt: skip
_KNOWN_ROWS = IDS | _NAMES
TURN_KEYS = frozenset(
    {"role", "from", "content", "value", "text", "name", "tool_calls", "tool_call_id", "function_call", "weight",
     "loss_weight", "id"}
)  # fmt: skip


def tidy(value: Value, found: list[RowFinding]) -> Value:
    """`value` with the usual names for fields that have them in other letters or among spaces; findings say which."""
    if value.keys() <= _KNOWN_ROWS:
        return value
    return _renamed(value, _KNOWN_ROWS, "", found)


def tidy_turn(turn: Value, field: str, found: list[RowFinding]) -> Value:
    """The same for a message, and a note for each field of it that is not read."""
    if turn.keys() <= TURN_KEYS:
        return turn
    turn = _renamed(turn, TURN_KEYS, field, found)
    for key in turn.keys() - TURN_KEYS:
        if turn[key] is not None:
            place = f"{field.partition('[')[0]}[].{key[:40]}"
            found.append(RowFinding("extra_field", f"`{field}.{key[:40]}` is not read", place, f"{field}.{key[:40]}"))
    return turn


def check_extra(value: Value, fmt: str, found: list[RowFinding]) -> None:
    """Add a note for each field that a row of format `fmt` has and training does not read."""
    known = _READ[fmt]
    if value.keys() <= known:
        return
    if fmt in ("prompt-completion", "kto"):
        known = known | set(next((pair for pair in PAIRS if pair[0] in value and pair[1] in value), ()))
    for key in value:
        if key not in known and value[key] is not None:
            found.append(RowFinding("extra_field", f"`{key[:40]}` is not read", detail=key[:40], field=key[:40]))


def odd_names(names: Iterable[str]) -> dict[str, list[str]]:
    """Those of `names` with spaces around them (``key_space``) and those in other letters (``key_case``)."""
    found: dict[str, list[str]] = {}
    for name in names:
        if name.strip() != name:
            found.setdefault("key_space", []).append(name)
        elif name.casefold() != name:
            found.setdefault("key_case", []).append(name)
    return found


def _renamed(value: Value, known: frozenset[str], field: str, found: list[RowFinding]) -> Value:
    if known.isdisjoint(map(str.casefold, map(str.strip, value.keys() - known))):
        return value
    renamed: Value = {}
    for key, item in value.items():
        usual = key if key in known else key.strip().casefold()
        if usual == key or usual not in known or usual in value or usual in renamed:
            renamed[key] = item
            continue
        code = "key_space" if key.strip() != key else "key_case"
        place = f"{field}.{key}" if field else key
        detail = f"{field.partition('[')[0]}[].{usual}" if field else usual
        found.append(RowFinding(code, f"`{place[:60]}` is read as `{usual}`", detail=detail, field=place))
        renamed[usual] = item
    return renamed
