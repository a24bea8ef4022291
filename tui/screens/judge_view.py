"""What the judging screen shows, built from data that is not trusted: prompts and answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from textual.content import Content

from core.errors import DiapasonError
from core.text import visible

Span = tuple[str, str]


def prompt_content(messages: Iterable[dict[str, Any]]) -> Content:
    """The prompt: one user message as it is, a longer conversation with who says what."""
    turns = list(messages)
    if len(turns) == 1 and turns[0].get("role") == "user":
        return Content.assemble((_said(turns[0]), "bold $foreground"))
    spans: list[Span] = []
    for number, turn in enumerate(turns):
        last = number == len(turns) - 1
        spans.append((f"{visible(str(turn.get('role', '?')))}  ", "$text-muted"))
        spans.append((_said(turn), "bold $foreground" if last else "$text-muted"))
        spans.append(("" if last else "\n", ""))
    return Content.assemble(*spans)


def _said(message: dict[str, Any]) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) if content else ""
    calls = message.get("tool_calls")
    if calls:
        text = f"{text}\n{json.dumps(calls, ensure_ascii=False)}".strip()
    return visible(text, newlines=True)


def error_content(error: DiapasonError) -> Content:
    """Why there is nothing to judge, and what to do."""
    spans: list[Span] = [(f"{visible(error.where)}: ", "$text-muted")] if error.where else []
    spans.append((visible(error.message), "bold $foreground"))
    if error.hint:
        spans.append((f"\n\n▸ {visible(error.hint, newlines=True)}", "$foreground"))
    return Content.assemble(*spans)
