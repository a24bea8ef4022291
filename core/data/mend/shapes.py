"""Fixes of a JSON row's build: names of keys and roles, parts, calls, numbers."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from core.data.columns import CONVERSATIONS
from core.data.findings import RowFinding
from core.data.mend.tree import Document, Item, Nest, Node, Scalar, Text, node, quote
from core.data.turns import ALIASES, ROLES, TEXT_PARTS

_TURN = re.compile(r"(.+\[\d+\])\.(.+)", re.DOTALL)
Findings = Sequence[RowFinding]
Roles = Mapping[str, str]


def reshape(code: str, document: Document, found: Findings, roles: Roles) -> bool:
    """Mend what the findings `found`, all of `code`, are about; whether anything changed."""
    return _FIXES[code](document, found, roles)


def shape_codes() -> frozenset[str]:
    """The codes that `reshape` mends."""
    return frozenset(_FIXES)


def _rename(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for finding in found:
        turn = _TURN.fullmatch(finding.field)
        owner = document.find(turn[1]) if turn else document.root
        name = turn[2] if turn else finding.field
        item = owner.item(name) if isinstance(owner, Nest) and owner.is_object else None
        usual = finding.detail.rpartition(".")[2] if turn else finding.detail
        if item is not None and item.key is not None and item.key.value != usual:
            item.key = Text(quote(usual))
            changed = True
    return changed


def _roles(document: Document, found: Findings, roles: Roles) -> bool:
    changed = False
    for finding in found:
        place = document.find(finding.field)
        if not isinstance(place, Text):
            continue
        said = place.value
        folded = said.strip().casefold()
        usual = roles.get(said) or ROLES.get(folded) or ALIASES.get(folded)
        if finding.field.endswith(".from") and said != folded and folded in {**ROLES, **ALIASES}:
            # ShareGPT's own names are at home there; only their letters are put right.
            usual = folded
        if usual is not None and usual != said:
            place.raw = quote(usual)
            changed = True
    return changed


def _duplicates(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for nest in _nests(document.root):
        seen: set[str] = set()
        for item in reversed(list(nest.items) if nest.is_object else []):
            name = item.key.value if item.key is not None else ""
            if name in seen:
                nest.remove(item)
                changed = True
            seen.add(name)
    return changed


def _numbers(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for item in _items(document):
        if isinstance(item.value, Scalar) and _nonfinite(item.value.raw):
            item.value = Scalar("null")
            changed = True
    return changed


def _nonfinite(raw: str) -> bool:
    """Whether JSON has no such number, or no reader can hold it: 1e400."""
    try:
        value = json.loads(raw)
    except ValueError:  # a whole number of more than 4,300 digits
        return False
    return isinstance(value, float) and not math.isfinite(value)


def _parts(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for place in {finding.field for finding in found}:
        item = document.find_item(place)
        texts = _part_texts(item.value) if item is not None else None
        if item is not None and texts is not None:
            item.value = Text(quote("\n".join(texts), _ascii(item.value)))
            changed = True
    return changed


def _part_texts(value: Node) -> list[str] | None:
    """The texts of parts that hold nothing else."""
    if not isinstance(value, Nest) or value.is_object or not value.items:
        return None
    texts: list[str] = []
    for item in value.items:
        part = item.value
        if isinstance(part, Nest) and part.is_object:
            kind, text = part.get("type"), part.get("text")
            plain = kind is None or (isinstance(kind, Text) and kind.value in TEXT_PARTS)
            if not plain or any(one.key is None or one.key.value not in ("type", "text") for one in part.items):
                return None
            part = text
        if not isinstance(part, Text):
            return None
        texts.append(part.value)
    return texts


def _legacy(document: Document, found: Findings, _: Roles) -> bool:
    root = document.root
    if not isinstance(root, Nest):
        return False
    changed = _legacy_tools(root)
    last = ""
    for number, turn in enumerate(_turns(root)):
        call = turn.item("function_call")
        role = turn.get("role")
        if (
            call is not None
            and isinstance(call.value, Nest)
            and call.value.is_object
            and "tool_calls" not in _names(turn)
        ):
            last = f"call_{number}"
            call.key = Text('"tool_calls"')
            call.value = _wrap(call.value, last)
            if turn.item("content") is None:
                turn.add("content", Scalar("null"))
            changed = True
        elif isinstance(role, Text) and role.value == "function":
            role.raw = '"tool"'
            if last and turn.item("tool_call_id") is None:
                turn.add("tool_call_id", Text(quote(last)))
            changed = True
    return changed


def _wrap(call: Node, name: str) -> Node:
    made = node([{"id": name, "type": "function", "function": None}])
    inner = made.items[0].value if isinstance(made, Nest) else made
    item = inner.item("function") if isinstance(inner, Nest) else None
    if item is not None:
        item.value = call
    return made


def _legacy_tools(root: Nest) -> bool:
    functions = root.item("functions")
    if functions is None or root.get("tools") is not None or not isinstance(functions.value, Nest):
        return False
    for item in functions.value.items:
        made = node({"type": "function", "function": None})
        inner = made.item("function") if isinstance(made, Nest) else None
        if inner is not None and isinstance(item.value, Nest) and item.value.item("function") is None:
            inner.value, item.value = item.value, made
    functions.key = Text('"tools"')
    return True


def _arguments(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for item in _items(document):
        name = item.key.value if item.key is not None else ""
        if name in ("arguments", "tools", "function_call", "tool_calls", "value") and isinstance(item.value, Text):
            repaired = _repaired(item.value.value, any_text=name != "value" or _is_call(document, item))
            if repaired is not None:
                item.value = Text(quote(repaired, _ascii(item.value)))
                changed = True
    return changed


def _is_call(document: Document, item: Item) -> bool:
    """Whether `item` is what a ShareGPT turn says that is a call."""
    for nest in _nests(document.root):
        if any(one is item for one in nest.items):
            said = nest.get("from")
            return isinstance(said, Text) and said.value in ("function_call", "tool_call")
    return False


def _repaired(text: str, any_text: bool) -> str | None:
    """JSON for what Python reads as an object or a list; None where it is JSON already, or neither."""
    if not any_text or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
        return None
    except (ValueError, RecursionError):
        pass
    try:
        # Line breaks inside strings are the commonest damage; then Python's way of writing a dict.
        value: Any = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False) if isinstance(value, dict | list) else None
    except (TypeError, ValueError):
        return None


def _cut(document: Document, found: Findings, _: Roles) -> bool:
    changed = False
    for finding in found:
        turns = document.find(finding.field)
        if not isinstance(turns, Nest) or turns.is_object:
            continue
        kept = max((number for number, item in enumerate(turns.items) if _speaks(item.value)), default=-1)
        while kept >= 0 and len(turns.items) > kept + 1:
            turns.remove(turns.items[-1])
            changed = True
    return changed


def _speaks(turn: Node) -> bool:
    role = (turn.get("role") or turn.get("from")) if isinstance(turn, Nest) and turn.is_object else None
    folded = role.value.strip().casefold() if isinstance(role, Text) else ""
    return (ROLES.get(folded) or ALIASES.get(folded)) == "assistant"


def _turns(root: Nest) -> Iterator[Nest]:
    for name in CONVERSATIONS:
        turns = root.get(name)
        if isinstance(turns, Nest) and not turns.is_object:
            yield from (item.value for item in turns.items if isinstance(item.value, Nest) and item.value.is_object)
            return


def _names(nest: Nest) -> set[str]:
    return {item.key.value for item in nest.items if item.key is not None}


def _nests(value: Node) -> Iterator[Nest]:
    if isinstance(value, Nest):
        yield value
        for item in value.items:
            yield from _nests(item.value)


def _items(document: Document) -> Iterator[Item]:
    for nest in _nests(document.root):
        yield from nest.items


def _ascii(value: Node) -> bool:
    text = value.render()
    return text.isascii() and "\\u" in text


_FIXES: dict[str, Callable[[Document, Findings, Roles], bool]] = {
    "key_case": _rename,
    "key_space": _rename,
    "role_alias": _roles,
    "bad_role": _roles,
    "duplicate_key": _duplicates,
    "nonfinite_number": _numbers,
    "content_parts": _parts,
    "legacy_function_call": _legacy,
    "tool_args_not_json": _arguments,
    "last_not_assistant": _cut,
}
