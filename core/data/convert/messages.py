"""Turns as each format writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from core.data.example import Arguments, Message

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def openai_turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as OpenAI's chat format has them; the arguments of calls are JSON text there."""
    return [_openai(message) for message in messages]


def _openai(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    return turn | _marks(message)


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    shaped = {"name": function["name"], "arguments": _text(function["arguments"])}
    head = {"id": call["id"]} if "id" in call else {}
    return {**head, "type": "function", "function": shaped}


def _text(arguments: Any) -> str:
    if isinstance(arguments, Arguments):
        return arguments.text
    # What is no JSON stays the text that it is.
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False)


def sharegpt_turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as ShareGPT has them: a turn that only calls is a ``function_call``, its text the call."""
    return [_sharegpt(message) for message in messages]


def _sharegpt(message: Message) -> dict[str, Any]:
    if message.tool_calls and not message.content:
        calls = [_bare(call) for call in message.tool_calls]
        value = json.dumps(calls if len(calls) > 1 else calls[0], ensure_ascii=False)
        return {"from": "function_call", "value": value, **_marks(message)}
    turn: dict[str, Any] = {"from": _SHAREGPT[message.role], "value": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    return turn | _marks(message)


def _bare(call: dict[str, Any]) -> dict[str, Any]:
    """A call as ShareGPT's texts have it; arguments that an object would write otherwise stay a text."""
    function = dict(call["function"])
    arguments = function["arguments"]
    if isinstance(arguments, Arguments) and arguments.text != json.dumps(arguments, ensure_ascii=False):
        function["arguments"] = arguments.text
    return {**({"id": call["id"]} if "id" in call else {}), **function}


def _marks(message: Message) -> dict[str, Any]:
    marks: dict[str, Any] = {}
    if message.name is not None:
        marks["name"] = message.name
    if message.tool_call_id is not None:
        marks["tool_call_id"] = message.tool_call_id
    if message.weight is not None:
        marks["weight"] = int(message.weight)
    return marks
