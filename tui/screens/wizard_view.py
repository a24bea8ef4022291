"""Beside the wizard's questions: how far the check is, the recipe as it grows, the memory of a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content
from textual.message import Message

from core.text import visible
from tui.columns import Part, left, right
from tui.format import bar, size
from tui.screens.wizard_state import WizardState, written

if TYPE_CHECKING:
    from core.advisor.device import Device
    from core.advisor.method import Plan

_NAME, _VALUE = 12, 10


class CheckProgress(Message):
    """The check of the file has read on."""

    def __init__(self, path: Path, done: int) -> None:
        super().__init__()
        self.path = path
        self.done = done

    def can_replace(self, message: Message) -> bool:
        """Only the newest figure counts."""
        return isinstance(message, CheckProgress)


def recipe_view(state: WizardState, step: int) -> Content:
    """The fields decided so far, as they will stand in run.yaml; the person's own in the accent colour."""
    parts: list[Part] = []
    section = ""
    for path, value, own in state.decided(step):
        head, _, name = path.rpartition(".")
        if head and head != section:
            parts.append((f"{head}:\n", "$text-muted"))
        section = head
        text = visible(written(value))
        parts += [
            (f"{'  ' if head else ''}{name}: ", "$text-muted"), (text, "bold $accent" if own else ""), "\n",
        ]  # fmt: skip
    if not parts:
        return Content.styled("It grows here as you choose.", "$text-muted")
    return Content.assemble(*parts)


def memory_view(plan: Plan, device: Device, width: int) -> Content:
    """One line a part, the sum, and what is free: bars to one scale."""
    need, free = plan.memory, device.memory_free
    scale = max(free, need.total, 1)
    room = max(4, width - _NAME - _VALUE - 2)
    parts: list[Part] = []
    for name, value in need.parts.items():
        if _shown(name, value, room, scale):
            parts += [left(name, _NAME), (bar(value / scale, room), "$accent"), right(size(value), _VALUE), "\n"]
    rest = sum(value for name, value in need.parts.items() if not _shown(name, value, room, scale))
    if rest:
        parts += [left("the rest", _NAME), (bar(rest / scale, room), "$accent"), right(size(rest), _VALUE), "\n"]
    parts += [
        left("needed", _NAME, "bold"),
        (bar(need.total / scale, room), "bold"),
        right(size(need.total), _VALUE),
        "\n",
    ]
    parts += [left("free", _NAME, "$text-muted"), (bar(free / scale, room), "$text-muted"), right(size(free), _VALUE)]
    return Content.assemble(*parts)


def _shown(name: str, value: int, room: int, scale: int) -> bool:
    """Whether a part has a line of its own: the two that matter, and what fills a sixteenth of a cell."""
    return value * room * 16 >= scale or name in ("weights", "activations")
