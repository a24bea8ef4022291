"""One training row in the one shape that the rest of the program knows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


class Arguments(dict[str, Any]):
    """The arguments of a tool call, with the JSON `text` that they stood in, where they stood in one."""

    text = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `role` is system, user, assistant or tool; `weight` 0 means: no loss here."""

    role: str
    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    name: str | None = None
    weight: float | None = None
    tool_call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The message as a chat template takes it."""
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            message["tool_calls"] = [dict(call) for call in self.tool_calls]
        if self.name is not None:
            message["name"] = self.name
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message

    def text(self) -> str:
        """Everything that the turn says: its content and its tool calls as JSON."""
        if not self.tool_calls:
            return self.content
        calls = "\n".join(json.dumps(call, ensure_ascii=False, sort_keys=True) for call in self.tool_calls)
        return f"{self.content}\n{calls}" if self.content else calls


@dataclass(frozen=True, slots=True)
class Example:
    """One usable row, normalised.

    Args:
        kind: ``chat`` (many turns allowed), ``completion`` (prompt → answer), ``preference``,
            ``kto`` (an answer with its verdict), ``classification`` or ``text``.
        row: index among the rows of the file, from 0.
        line: physical line where the row starts, from 1.
        prompt: all messages before the last assistant turn; empty for text.
        completion: the last assistant turn; for preference the chosen one; for classification the label.
        rejected: the answer that lost; preference only.
        text: the whole row, for text only.
        label: the class, for classification only.
        tools: JSON schemas of the tools offered.
        verdict: whether the answer is good, for kto only.
    """

    kind: str
    row: int
    line: int
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]
    rejected: tuple[Message, ...] = ()
    text: str | None = None
    label: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    verdict: bool | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """Prompt and completion as one conversation."""
        return self.prompt + self.completion

    @property
    def prompt_text(self) -> str:
        """What is asked, as one string: two rows with the same one ask the same thing."""
        if self.text is not None:
            return self.text
        if len(self.prompt) == 1 and self.prompt[0].role == "user":
            return self.prompt[0].text()
        return "\n\n".join(f"{message.role}: {message.text()}" for message in self.prompt)

    @property
    def answer(self) -> str:
        """What the model shall say, as one string; empty for text."""
        return "\n\n".join(message.text() for message in self.completion)

    @property
    def rejected_answer(self) -> str:
        """The answer that lost, as one string; empty unless this is a preference."""
        return "\n\n".join(message.text() for message in self.rejected)
