"""Tool calls in a conversation: whether results name their calls, and whether the tools called are offered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.example import Message
from core.data.findings import RowFinding
from core.data.keys import tidy_turn


def check_calls(
    turns: Sequence[Any], messages: Sequence[Message], tools: Sequence[dict[str, Any]] | None, field: str,
    found: list[RowFinding],
) -> None:  # fmt: skip
    """Add findings about calls. `turns` are the messages as the file has them, `messages` the same as read.

    tools: those that the row offers; None where they cannot be read.
    """
    if not any(message.tool_calls or message.role == "tool" for message in messages):
        return
    turns = [tidy_turn(turn, field, []) if isinstance(turn, dict) else turn for turn in turns]
    _check_legacy(turns, field, found)
    _check_ids(turns, messages, field, found)
    if tools is not None:
        _check_offered(messages, tools, field, found)


def _check_legacy(turns: Sequence[Any], field: str, found: list[RowFinding]) -> None:
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict):
            continue
        old = "function_call" if isinstance(turn.get("function_call"), dict) else ""
        if old or turn.get("role") == "function":
            place = f"{field}[{number}]"
            text = f"`{place}` has a function_call" if old else f"`{place}` has the role function"
            found.append(RowFinding("legacy_function_call", text, detail=old or "function", field=place))
            return


def _check_ids(turns: Sequence[Any], messages: Sequence[Message], field: str, found: list[RowFinding]) -> None:
    """Each result names one call of the turn before, each call has one result."""
    waiting: set[str] = set()
    answered: set[str] = set()
    named = False
    for number, (turn, message) in enumerate(zip(turns, messages, strict=False)):
        if not isinstance(turn, dict):
            return
        place = f"{field}[{number}]"
        if message.role != "tool":
            if waiting and answered:
                _mismatch(
                    "unanswered", f"the call {_quoted(min(waiting))} before `{place}` has no result", place, found
                )
                return
            ids = [call["id"] for call in message.tool_calls if "id" in call]
            if len(set(ids)) < len(ids):
                _mismatch("repeated_id", f"`{place}` has two calls of one id", place, found)
                return
            waiting, answered, named = set(ids), set(), bool(ids)
            continue
        given = turn.get("tool_call_id")
        if given is None:
            if named and turn.get("role") == "tool":
                _mismatch("no_id", f"`{place}` has no tool_call_id, and the calls have ids", place, found)
                return
        elif not isinstance(given, str) or given not in waiting:
            known = isinstance(given, str) and given in answered
            why = "answers a call that has its result" if known else "names no call of the turn before"
            _mismatch("answered_twice" if known else "unknown_id", f"`{place}`: {_quoted(given)} {why}", place, found)
            return
        else:
            waiting.discard(given)
            answered.add(given)


def _mismatch(detail: str, text: str, place: str, found: list[RowFinding]) -> None:
    found.append(RowFinding("tool_id_mismatch", text, detail=detail, field=place))


def _check_offered(
    messages: Sequence[Message], tools: Sequence[dict[str, Any]], field: str, found: list[RowFinding]
) -> None:
    """The first call to a tool that neither `tools` nor the system message names."""
    offered = {_name(tool) for tool in tools}
    told = messages[0].content if messages and messages[0].role == "system" else ""
    for number, message in enumerate(messages):
        for call in message.tool_calls:
            name = _name(call)
            if name in offered or (name and name in told):
                continue
            text = f"`{field}[{number}]` calls {_quoted(name)}, and the row offers " + (
                "other tools" if offered else "no tools"
            )
            found.append(RowFinding("tools_missing", text, detail="undeclared" if offered else "none", field=field))
            return


def _name(tool: dict[str, Any]) -> str:
    inner = tool.get("function", tool)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else ""


def _quoted(value: Any) -> str:
    return f"`{str(value)[:40]}`"
