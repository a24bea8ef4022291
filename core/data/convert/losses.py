"""What a conversion loses: kinds, in words, counted with their first lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_LINES = 10
_MOST_NAMES = 200
# Of each kind: what is lost, and how it could be kept or what becomes of the row.
KINDS: dict[str, tuple[str, str]] = {
    "damaged": ("what stands behind the damage of the file", "`diapason data check` says what it is"),
    "unusable": ("rows that cannot be used", "left out; `diapason data check` says why"),
    "no_answer": ("rows of plain text", "left out: they have no prompt and no answer"),
    "no_rejected": ("rows without a rejected answer", "left out"),
    "bad_answers": ("answers marked as bad", "left out: they would be learnt as good ones"),
    "rejected": ("the rejected answer", ""),
    "pairs": ("which two answers were compared", "each answer becomes a row of its own"),
    "roles": ("who says what", "prompt and answer become one text"),
    "input": ("where the instruction ends and the input begins", "both become one prompt, a blank line between"),
    "system": ("the system message", ""),
    "turns": ("earlier turns", "all turns become one text; --messages keeps them where the format has it"),
    "answer_turns": ("which of several turns are the answer", ""),
    "later_turns": ("turns behind the last answer", "training does not read them"),
    "tools": ("the tools offered", ""),
    "tool_calls": ("tool calls and their results as such", "they become text"),
    "numbers": ("long numbers in the arguments of tool calls", "they are rounded; as a JSON text they would stay"),
    "weights": ("weights of messages", ""),
    "names": ("names of speakers", ""),
    "fields": ("a field", ""),
    "parts": ("a part of a message that is no text", ""),
    "cells": ("cells beyond the last column", ""),
    "duplicate_keys": ("the first of two fields of one name", ""),
    "shape": ("the way the row reads", "in that format it would say something else"),
}  # fmt: skip


@dataclass(slots=True)
class Loss:
    """One kind of loss: `name` is the field, where one is lost; `rows` counts, `lines` are the first ones."""

    kind: str
    name: str
    rows: int = 0
    lines: list[int] = field(default_factory=list[int])

    @property
    def title(self) -> str:
        """What is lost."""
        return KINDS[self.kind][0]

    @property
    def note(self) -> str:
        """What becomes of it, or nothing."""
        return KINDS[self.kind][1]

    def to_json(self) -> dict[str, object]:
        """As `data convert --json` prints it."""
        return {"kind": self.kind, "name": self.name, "title": self.title, "rows": self.rows, "lines": self.lines}


class Losses:
    """All that a conversion loses."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Loss] = {}

    def add(self, lost: Iterable[tuple[str, str]], line: int) -> None:
        """Count what one row, which starts at `line`, loses."""
        for kind, name in set(lost):
            if (kind, name) not in self._found and len(self._found) >= _MOST_NAMES:
                name = "…"
            loss = self._found.setdefault((kind, name), Loss(kind, name))
            loss.rows += 1
            if len(loss.lines) < _LINES:
                loss.lines.append(line)

    def all(self) -> list[Loss]:
        """Every loss, in the order of `KINDS`."""
        order = list(KINDS)
        return sorted(self._found.values(), key=lambda loss: (order.index(loss.kind), -loss.rows, loss.name))
