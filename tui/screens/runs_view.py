"""The table of runs as lines: columns that fit the width, the less telling ones only where there is room."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual.content import Content

from tui.columns import Part, left, right
from tui.format import DASH, ago, count, duration, loss
from tui.screens.home_rows import SIGNS, WORDS
from tui.screens.runs_state import RunLine


class _Column(NamedTuple):
    """`least`: the width of the table from which on the column is shown."""

    head: str
    width: int
    least: int
    text: Callable[[RunLine], str]


def _progress(line: RunLine) -> str:
    return f"{count(line.step)} / {count(line.total)}" if line.total else DASH


_COLUMNS = (
    _Column("progress", 17, 0, _progress),
    _Column("left", 10, 90, lambda line: duration(line.left)),
    _Column("loss", 8, 0, lambda line: loss(line.loss)),
    _Column("best eval", 10, 0, lambda line: loss(line.best)),
    _Column("GPU-hours", 10, 110, lambda line: DASH if line.gpu_hours is None else f"{line.gpu_hours:.2f}"),
    _Column("kWh", 8, 110, lambda line: DASH if line.energy is None else f"{line.energy:.3f}"),
    _Column("worked", 11, 140, lambda line: duration(line.worked)),
    _Column("begun", 12, 130, lambda line: ago(line.begun)),
)
_STATUS = 10


def heads(width: int) -> Content:
    """The heads of the columns."""
    muted = "$text-muted"
    parts: list[Part] = [left("  run", _name(width), muted), left("status", _STATUS, muted)]
    return Content.assemble(*parts, *(right(one.head, one.width, muted) for one in _shown(width)))


def run_line(line: RunLine, width: int) -> Content:
    """One run."""
    sign, colour = SIGNS.get(line.status, ("?", "$text-muted"))
    room = _name(width)
    name = max(10, room * 55 // 100) if line.what and room > 40 else room
    parts: list[Part] = [("★ " if line.pinned else "  ", "$warning"), left(line.name, name - 3), " "]
    if name < room:
        parts.append(left(line.what, room - name, "$text-muted"))
    parts += [(f"{sign} ", colour), left(WORDS.get(line.status, line.status), _STATUS - 2)]
    for one in _shown(width):
        text = one.text(line)
        parts.append(right(text, one.width, "$text-disabled" if text == DASH else ""))
    return Content.assemble(*parts)


def _shown(width: int) -> list[_Column]:
    return [one for one in _COLUMNS if width >= one.least]


def _name(width: int) -> int:
    return max(14, width - _STATUS - sum(one.width for one in _shown(width)))
