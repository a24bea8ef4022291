"""Conversations, as OpenAI, Mistral and ShareGPT write them, in the one shape of `Message`."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import orjson

from core.data.example import Arguments, Message
from core.data.findings import RowFinding
from core.data.keys import tidy_turn

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
         "function": "tool"}  # fmt: skip
ALIASES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
           "ai": "assistant", "observation": "tool", "tool_response": "tool", "function_response": "tool",
           "ipython": "tool", "function_call": "assistant", "tool_call": "assistant", "prompter": "user",
           "customer": "user"}  # fmt: skip
# orjson reads whole numbers that need more than 64 bits as floats.
_LONG_NUMBER = re.compile(r"\d{18}")
_CALL_ROLES = frozenset({"function_call", "tool_call"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_REASONING_PARTS = frozenset({"reasoning", "thinking"})
_CALL_PARTS = frozenset({"tool_call", "tool_use", "function_call"})


def read_turns(value: Any, field: str, native: bool, found: list[RowFinding]) -> list[Message] | None:
    """The messages in `value`, a list of turns; None where it is no such list.

    `native` says that ShareGPT's role names are at home here and need no finding.
    """
    if not isinstance(value, list):
        found.append(RowFinding("wrong_type", f"`{field}` is {kind_of(value)}, not a list of messages", field=field))
        return None
    messages: list[Message] = []
    for number, turn in enumerate(cast("list[Any]", value)):
        message = _read_turn(turn, f"{field}[{number}]", native, found)
        if message is not None:
            messages.append(message)
    return messages


def _read_turn(turn: Any, field: str, native: bool, found: list[RowFinding]) -> Message | None:
    if not isinstance(turn, dict):
        found.append(RowFinding("wrong_type", f"`{field}` is {kind_of(turn)}, not a message", field=field))
        return None
    turn = tidy_turn(cast("dict[str, Any]", turn), field, found)
    name_key = "role" if "role" in turn else "from" if "from" in turn else None
    if name_key is None:
        found.append(RowFinding("missing_field", f"`{field}` has no role", detail="role", field=field))
        return None
    said = turn[name_key]
    role = _role(said, f"{field}.{name_key}", native, found)
    if role is None:
        return None
    text_key = "content" if "content" in turn else "value" if "value" in turn else "text" if "text" in turn else None
    calls: list[dict[str, Any]] = []
    if turn.get("tool_calls"):
        calls += _read_calls(turn["tool_calls"], f"{field}.tool_calls", found)
    if isinstance(turn.get("function_call"), dict):
        calls += _read_calls([turn["function_call"]], f"{field}.function_call", found)
    if text_key is None:
        if not calls:
            wanted = "value" if name_key == "from" else "content"
            found.append(RowFinding("missing_field", f"`{field}` has no {wanted}", detail=wanted, field=field))
            return None
        content: str | None = ""
    elif turn[text_key] is None and calls:
        content = ""
    else:
        content = read_content(turn[text_key], f"{field}.{text_key}", found, calls)
    if content is None:
        return None
    if said in _CALL_ROLES and not calls:
        calls, content = _call_turn(content, f"{field}.{text_key}", found)
    weight = _weight(turn, field, found)
    name = turn.get("name")
    answers = turn.get("tool_call_id")
    return Message(role, content, tuple(calls), name if isinstance(name, str) else None, weight,
                   answers if isinstance(answers, str) else None)  # fmt: skip


def _role(said: Any, field: str, native: bool, found: list[RowFinding]) -> str | None:
    if not isinstance(said, str):
        found.append(RowFinding("wrong_type", f"`{field}` is {kind_of(said)}, not a role", field=field))
        return None
    role = ROLES.get(said)
    if role is not None:
        return role
    folded = said.strip().casefold()
    role = ALIASES.get(folded) or ROLES.get(folded)
    if role is None:
        found.append(RowFinding("bad_role", f"`{said[:40]}` is no role", detail=said[:40], field=field))
    elif not native or said != folded:
        found.append(RowFinding("role_alias", f"`{said[:40]}` is read as {role}", detail=said[:40], field=field))
    return role


def read_content(
    value: Any, field: str, found: list[RowFinding], calls: list[dict[str, Any]] | None = None
) -> str | None:
    """The text in a message's content, which may be a list of parts; None with a finding where there is none."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        found.append(RowFinding("wrong_type", f"`{field}` is {kind_of(value)}, not text", field=field))
        return None
    texts: list[str] = []
    for part in cast("list[Any]", value):
        kind = cast("dict[str, Any]", part).get("type", "text") if isinstance(part, dict) else None
        if isinstance(part, str):
            texts.append(part)
            continue
        body = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        text = body.get("text", body.get("value"))
        if kind in TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        elif kind in _CALL_PARTS and calls is not None:
            calls += _read_calls([text if text is not None else body], field, found)
        elif kind in _REASONING_PARTS:
            found.append(RowFinding("content_parts", f"`{field}`: the {kind} part is left out", str(kind), field,
                                    level="warning"))  # fmt: skip
        else:
            name = str(kind)[:40]
            found.append(RowFinding("multimodal", f"`{field}` has a part of type {name}", name, field))
            return None
    found.append(RowFinding("content_parts", f"`{field}` is a list of parts", field=field))
    return "\n".join(texts)


def _call_turn(content: str, field: str, found: list[RowFinding]) -> tuple[list[dict[str, Any]], str]:
    """A ShareGPT turn that is a call: its text is JSON, one call or a list of them."""
    try:
        value = parse_exactly(content)
    except ValueError:
        found.append(RowFinding("tool_args_not_json", f"`{field}` is not JSON", field=field))
        return [], content
    return _read_calls(value if isinstance(value, list) else [value], field, found), ""


def _read_calls(value: Any, field: str, found: list[RowFinding]) -> list[dict[str, Any]]:
    """Tool calls in the shape that chat templates take: {type, function: {name, arguments: object}}."""
    calls: list[dict[str, Any]] = []
    for item in cast("list[Any]", value) if isinstance(value, list) else [value]:
        if isinstance(item, str):
            try:
                item = orjson.loads(item)
            except ValueError:
                item = None
        if isinstance(item, list):
            calls += _read_calls(item, field, found)
            continue
        call = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        inner = call.get("function", call)
        name = cast("dict[str, Any]", inner).get("name") if isinstance(inner, dict) else None
        if not isinstance(name, str):
            found.append(RowFinding("tool_args_not_json", f"`{field}` holds a call without a name", field=field))
            continue
        body = cast("dict[str, Any]", inner)
        arguments = body.get("arguments", body.get("input", body.get("parameters", {})))
        if isinstance(arguments, str):
            try:
                arguments = _arguments(arguments)
            except ValueError:
                found.append(RowFinding("tool_args_not_json", f"`{field}`: the arguments are not JSON", field=field))
        shaped: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": arguments}}
        if isinstance(call.get("id"), str):
            shaped["id"] = call["id"]
        calls.append(shaped)
    return calls


def _arguments(text: str) -> Any:
    """The arguments that a JSON text holds, with the text itself where they are an object."""
    value = parse_exactly(text) if text.strip() else {}
    if not isinstance(value, dict):
        return value
    found = Arguments(cast("dict[str, Any]", value))
    found.text = text
    return found


def parse_exactly(text: str) -> Any:
    """The value of a JSON text, long whole numbers kept, which orjson does not do. Raises ValueError."""
    value = orjson.loads(text)
    return json.loads(text) if _LONG_NUMBER.search(text) else value


def _weight(turn: dict[str, Any], field: str, found: list[RowFinding]) -> float | None:
    value = turn.get("weight", turn.get("loss_weight"))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in (0, 1):
        shown = f"the weight {str(value)[:20]}"
        if isinstance(value, str):
            shown = f"a text for its weight ({value[:20]!r}), not a number"
        found.append(RowFinding("bad_weight", f"`{field}` has {shown}", field=field))
        return None
    return float(value)


def check_order(messages: list[Message], field: str, found: list[RowFinding], *, to_answer: bool = False) -> None:
    """Add a finding where roles do not take turns. With `to_answer` the list is a prompt without its answer."""
    before = ""
    for number, message in enumerate(messages):
        role = message.role
        problem = _misplaced(role, before, number)
        if problem:
            detail, text = problem
            place = f"{field}[{number}]"
            found.append(RowFinding("role_order", f"`{place}`: {text}", detail=detail, field=place))
            return
        before = "call" if role == "assistant" and message.tool_calls else role
    if to_answer and before == "assistant":
        found.append(RowFinding("role_order", f"`{field}` ends with the assistant, so it has its answer already",
                                detail="prompt_ends_with_assistant", field=field))  # fmt: skip


def _misplaced(role: str, before: str, number: int) -> tuple[str, str] | None:
    """Why `role` may not follow `before`, as (detail, text), or None."""
    if role == "system":
        return ("system_not_first", "a system message that is not the first") if number else None
    if role == "user":
        if before == "user":
            return "user_after_user", "two user messages in a row"
        if before == "call":
            return "call_without_result", "a tool call without its result"
        return None
    if role == "tool":
        return None if before in ("call", "tool") else ("tool_without_call", "a tool result without a call")
    if before in ("", "system"):
        return "assistant_first", "the assistant speaks before any user"
    return ("assistant_after_assistant", "two assistant messages in a row") if before == "assistant" else None


def read_tools(value: Any, found: list[RowFinding]) -> tuple[dict[str, Any], ...]:
    """The tools offered in a row: a list of schemas, or that list as JSON text."""
    if value is None or value == "" or value == []:
        return ()
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except ValueError:
            found.append(RowFinding("tool_args_not_json", "`tools` is not JSON", detail="tools", field="tools"))
            return ()
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast("list[Any]", value)):
        found.append(RowFinding("wrong_type", "`tools` is not a list of objects", detail="tools", field="tools"))
        return ()
    return tuple(cast("list[dict[str, Any]]", value))


def canonical(value: Any) -> str:
    """`value` as JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def kind_of(value: Any) -> str:
    """The JSON type of a value, as a person says it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
