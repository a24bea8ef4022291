"""Who says what in a row, for the command line and the browse screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.data.dataset import Row
    from core.data.example import Example


def _says(example: Example) -> str:
    """What the answer of a row is called where it is more than an answer."""
    if example.verdict is not None:
        return "good" if example.verdict else "bad"
    return "label" if example.label is not None else "chosen" if example.rejected else ""


def conversation(row: Row) -> Iterator[tuple[str, str]]:
    """The turns of a usable row as (speaker, text), the text as it is: make it inert before showing it."""
    example = row.example
    if example is None:
        return
    if example.text is not None:
        yield "text", example.text
    if example.tools:
        yield "tools", json.dumps(list(example.tools), ensure_ascii=False)
    for message in example.prompt:
        yield message.role, message.text()
    for message in example.completion:
        name = _says(example) or message.role
        yield name, message.text()
    for message in example.rejected:
        yield "rejected", message.text()
