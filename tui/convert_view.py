"""What a conversion loses, in words, for the command line and the app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.text import visible
from tui.format import count

if TYPE_CHECKING:
    from core.data.convert.losses import Loss


def loss_lines(losses: list[Loss]) -> Iterator[str]:
    """What is lost, one line a kind."""
    for loss in losses:
        name = f" `{visible(loss.name)}`" if loss.name else ""
        more = " …" if loss.rows > len(loss.lines) else ""
        lines = ", ".join(str(line) for line in loss.lines) + more
        note = f"; {loss.note}" if loss.note else ""
        yield f"  {count(loss.rows):>7}  {loss.title}{name} (line{'s' if loss.rows > 1 else ''} {lines}){note}"
