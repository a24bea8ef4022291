"""Answers and prompts that say only that there is nothing to say: `N/A`, `<noinput>`, `TODO`, `...`."""

from __future__ import annotations

import re
from typing import Any

from core.data.checks.characters import texts
from core.data.example import Example
from core.data.findings import RowFinding

_LONGEST = 32
LONGEST = 2 * _LONGEST
"""Longer texts, blanks included, are no placeholders."""
# As whole texts these stand for nothing, however they are written.
_ALWAYS = frozenset({
    "n/a", "n.a", "n\\a", "noinput", "no input", "nooutput", "no output", "not applicable", "todo", "to do", "tbd",
    "to be determined", "to be done", "tba", "fixme", "placeholder", "lorem ipsum", "null", "nan", "#n/a", "#ref!",
    "xxx", "xxxx", "insert text here", "your text here", "text here", "your answer here", "answer here",
    "enter text here", "your input here", "input here", "no content", "no response", "aucune entrée", "sans objet",
    "à compléter", "keine eingabe", "keine angabe", "k.a", "k. a",
})  # fmt: skip
# These stand for nothing in brackets only, or written exactly so: sodium is Na, a right answer may be “None”.
_BRACKETED = frozenset({
    "none", "empty", "blank", "deleted", "removed", "nil", "undefined", "na", "missing", "output", "answer",
    "response", "text", "prompt", "input",
})  # fmt: skip
_EXACT = frozenset({"NA", "NULL", "NaN", "nan", "undefined", "NIL"})
# As a prompt “None” says nothing; as an answer it may be right.
_PROMPTS = frozenset({"none", "nil", "undefined", "nothing", "empty", "blank", "(none)"})
_DOTS = re.compile(r"(?:\.{2,}|…+|[-–—_]{2,}|[–—_-]|\?{2,}|\*{3,}|(?:\. ){2,}\.?)")
_BRACKETS = re.compile(r"[<\[({]\s*(.*?)\s*[>\])}]", re.DOTALL)
_OUTER = ("instruction", "input", "system", "prompt", "question", "query")


def placeholder(text: str, *, answer: bool) -> str | None:
    """What a text that is only a placeholder says, in small letters; None for any other text.

    Args:
        answer: whether the model shall say it: then `None` alone may be a right answer.
    """
    if len(text) > LONGEST:
        return None
    bare = text.strip()
    if not bare or len(bare) > _LONGEST:
        return None
    if _DOTS.fullmatch(bare):
        return "…" if bare[0] in ".…" else bare[:3]
    said = bare.strip("\"'`").rstrip(".!").strip().casefold()
    inner = _BRACKETS.fullmatch(bare)
    if inner and (inner[1].casefold() in _BRACKETED or inner[1].casefold() in _ALWAYS):
        return bare.casefold()
    if said in _ALWAYS or bare.rstrip(".") in _EXACT or (not answer and said in _PROMPTS):
        return said
    return None


def check_placeholder(value: Any, example: Example, found: list[RowFinding]) -> None:
    """Add a finding for each prompt or answer of the row that is only a placeholder, once for each wording."""
    seen: set[str] = set()

    def note(text: str, answer: bool, field: str = "") -> None:
        said = placeholder(text, answer=answer) if len(text) <= LONGEST else None
        if said is not None and said not in seen:
            seen.add(said)
            field = field or next((place for place, one in texts(value, "") if one == text), "")
            message = f"`{field}` is only `{text.strip()}`"
            found.append(RowFinding("placeholder", message, detail=said, field=field))

    if isinstance(value, dict):
        # Alpaca's input and instruction become one prompt, so that neither is a message of its own.
        for key in _OUTER:
            text = value.get(key)
            if isinstance(text, str):
                note(text, False, key)
    for message in example.prompt:
        if message.role != "tool" and not message.tool_calls:
            note(message.content, message.role == "assistant")
    if example.text is not None:
        note(example.text, True)
    elif example.kind != "classification":
        for message in example.completion:
            if not message.tool_calls:
                note(message.content, True)
