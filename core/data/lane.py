"""The fast lane: rows of the commonest shapes, read without a look at what the sieve has found to be clean.

A row that is not just so is left to `Dataset.read`; of the others the lane says the same in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from core.data.checks.placeholders import LONGEST, placeholder
from core.data.checks.skeleton import ascii_tail, skeleton
from core.data.columns import CONVERSATIONS, IDS, LABELS, PAIRS, TEXTS
from core.data.dataset import HUGE_ROW, Dataset
from core.data.example import Example, Message
from core.data.formats import detect
from core.data.turns import ALIASES, ROLES

_CHAT = {name: role for name, role in ROLES.items() if role != "tool"}
_SHAREGPT = _CHAT | {name: role for name, role in ALIASES.items() if role != "tool" and "call" not in name}
_ORDER = {"": ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user",)}
# By whether ShareGPT's names are at home, and by the turn before: the roles that may follow, by their names.
_FOLLOWING = {
    aliases: {
        before: {name: role for name, role in names.items() if role in after} for before, after in _ORDER.items()
    }
    for aliases, names in ((False, _CHAT), (True, _SHAREGPT))
}
_ANSWERS = ("output", "response", "completion", "answer")
_short = lru_cache(maxsize=4096)(placeholder)
Turns = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the fields of a row are for: the first ones are the prompt, the last one is the answer."""

    kind: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class Quick:
    """A usable row as the lane reads it: turns of (role, text), the last of which is the answer."""

    kind: str
    turns: Turns
    label: str | None = None

    @property
    def prompt_text(self) -> str:
        """As `Example.prompt_text`."""
        turns = self.turns
        if self.kind == "text":
            return turns[0][1]
        if len(turns) == 2 and turns[0][0] == "user":
            return turns[0][1]
        return "\n\n".join([f"{role}: {text}" for role, text in turns[:-1]])

    @property
    def skeleton(self) -> bytes:
        """As `skeleton(prompt_text)`, mostly from its last turn alone."""
        turns = self.turns
        if len(turns) == 2 or all(text.isascii() for _, text in turns[:-1]):
            last = turns[-2][1] if len(turns) > 1 else turns[0][1]
            if last.isascii() and (tail := ascii_tail(last)):
                return tail
        return skeleton(self.prompt_text)

    def example(self, row: int, line: int) -> Example:
        """The whole of it."""
        if self.kind == "text":
            return Example("text", row, line, (), (), text=self.turns[0][1])
        messages = tuple([Message(role, text) for role, text in self.turns])
        return Example(self.kind, row, line, messages[:-1], messages[-1:], label=self.label)


class Lane:
    """Reads the rows of `dataset`, whose format is known."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        plain = dataset.layout in ("jsonl", "json") and not dataset.mapping
        self._format = dataset.format if plain else None
        self._shapes: dict[tuple[str, ...], _Shape | None] = {}

    def read(self, raw: bytes, keys: int) -> tuple[dict[str, Any], Quick] | None:
        """What a row holds and says, where nothing about its shape is unusual; its text is not looked at.

        Args:
            keys: the number of quotes before a colon in `raw`, as the sieve counts them.
        """
        if self._format is None or keys < 0 or len(raw) > HUGE_ROW:
            return None
        try:
            value = orjson.loads(raw)
        except ValueError:
            return None
        if type(value) is not dict:
            return None
        quick = self._look(value, keys)
        return None if quick is None else (value, quick)

    def _look(self, value: dict[str, Any], keys: int) -> Quick | None:
        names = tuple(value)
        try:
            shape = self._shapes[names]
        except KeyError:
            if len(self._shapes) > 1000:
                self._shapes.clear()
            shape = self._shapes[names] = _shape(names, self._format or "")
        if shape is None:
            return None
        if shape.kind == "chat":
            native = self._format == "sharegpt"
            turns = _conversation(value[shape.fields[0]], native, native or shape.fields[0] != "messages")
            if turns is None or keys != len(value) + 2 * len(turns):
                return None
            return Quick("chat", turns)
        if keys != len(value):
            return None
        return _plain(value, shape)


def _shape(names: tuple[str, ...], format: str) -> _Shape | None:
    """What a row with these fields is, if it is one of the commonest; None for any other."""
    fields = [name for name in names if name not in IDS]
    if format in ("chat", "sharegpt") and len(fields) == 1 and fields[0] in CONVERSATIONS:
        return _Shape("chat", (fields[0],))
    if detect(dict.fromkeys(names, "")) != format:
        return None
    if format == "prompt-completion" and len(fields) == 2:
        pair = next((pair for pair in PAIRS if set(pair) == set(fields)), None)
        return _Shape("completion", pair) if pair else None
    if format == "alpaca" and "instruction" in fields:
        answers = [name for name in fields if name in _ANSWERS]
        rest = [name for name in fields if name not in (*answers, "instruction", "input")]
        middle = ("input",) if "input" in fields else ()
        return _Shape("alpaca", ("instruction", *middle, *answers)) if len(answers) == 1 and not rest else None
    if format == "classification" and len(fields) == 2:
        text, label = [next((n for n in group if n in fields), None) for group in (TEXTS, LABELS)]
        return _Shape("classification", (text, label)) if text and label and text != label else None
    return _Shape("text", ("text",)) if format == "text" and fields == ["text"] else None


def _conversation(turns: Any, native: bool, aliases: bool) -> Turns | None:
    """The turns of a plain conversation; None where anything about it is not just so.

    That they have no other fields is for the caller to find out, by the number of keys.

    Args:
        native: whether the turns are ShareGPT's.
        aliases: whether its names of roles are at home here.
    """
    said_key, text_key = ("from", "value") if native else ("role", "content")
    following = _FOLLOWING[aliases]
    roles, role = following[""], ""
    read: Turns = []
    if type(turns) is not list:
        return None
    try:
        for turn in turns:
            text, role = turn[text_key], roles[turn[said_key]]
            # Nearly every text begins with a letter, which one comparison tells; what is no text raises.
            if not "!" <= text < "\x7f" and _blank(text):
                return None
            if len(text) <= LONGEST and _short(text, answer=role == "assistant") is not None:
                return None
            read.append((role, text))
            roles = following[role]
    except (KeyError, TypeError):
        return None
    return read if role == "assistant" else None


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _plain(value: dict[str, Any], shape: _Shape) -> Quick | None:
    """A row of one prompt and one answer, both text; None where anything about it is not just so."""
    texts = [value[name] for name in shape.fields]
    kind = shape.kind
    if kind == "classification" and type(texts[1]) is int:
        texts[1] = str(texts[1])
    if kind == "alpaca" and len(texts) == 3 and not texts[1]:
        # No input, or an empty one, is as none.
        if texts[1] is not None and texts[1] != "":
            return None
        del texts[1]
    for text in texts:
        if type(text) is not str or _blank(text):
            return None
    last = len(texts) - 1
    for number, text in enumerate(texts):
        if kind == "classification" and number == last:
            continue
        answer = kind == "text" or number == last
        if len(text) <= LONGEST and _short(text, answer=answer) is not None:
            return None
    if kind == "text":
        return Quick("text", [("", texts[0])])
    if kind == "classification":
        label = texts[1].strip()
        return Quick("classification", [("user", texts[0]), ("assistant", label)], label)
    asked = texts[0] if len(texts) == 2 else f"{texts[0]}\n\n{texts[1]}"
    return Quick("completion", [("user", asked), ("assistant", texts[-1])])
