"""The belt: whatever a widget renders, no control character reaches the terminal."""

from __future__ import annotations

import unicodedata

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


def strip_controls(text: str) -> str:
    """`text` without control, format and surrogate characters; odd spaces become plain ones.

    Such characters take no cell, so that the line keeps its width.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if unicodedata.category(c) == "Zs" else "" for c in text)


class ControlFilter(LineFilter):
    """Strips control characters and hyperlinks from every rendered segment.

    `core.text.visible()` shows them before; this one is for what it did not see.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, inert."""
        if all(text.isprintable() and (style is None or style.link is None) for text, style, _ in segments):
            return segments
        return [
            Segment(strip_controls(text), style.update_link(None) if style and style.link else style)
            for text, style, _ in segments
        ]
