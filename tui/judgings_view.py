"""The judgings that there are, as lines of plain text."""

from __future__ import annotations

from core.judging.progress import Progress, all_progress
from core.text import cells, shorten, visible
from tui.format import ago

_NAME_WIDTH = 40


def judging_lines() -> list[str]:
    """A line for each judging, the one with the latest vote first, and what goes on with it."""
    found = all_progress()
    if not found:
        return [
            "Nothing was judged yet.",
            "  diapason judge RUN                              base against tuned, blind",
            "  diapason judge --answers A.jsonl B.jsonl        answers made anywhere: {id?, prompt, answer} a line",
        ]
    names = [shorten(each.name, _NAME_WIDTH) for each in found]
    width = max(map(cells, names))
    lines = [f"{name}{' ' * (width - cells(name))}  {_state(each)}" for name, each in zip(names, found)]
    return [*lines, "", "`diapason judge NAME` goes on; `diapason judgements NAME` says what the votes say."]


def _state(each: Progress) -> str:
    if each.problem:
        return visible(f"cannot be read: {each.problem}")
    judges = f", by {', '.join(shorten(judge, 20) for judge in each.judges)}" if each.judges else ""
    state = "done" if not each.left else f"{each.left} left"
    return f"{each.judged} of {each.asked} pairs judged ({state}), {each.arms} models, {ago(each.when)}{judges}"
