"""Pieces of a line in columns: inert text, cut or filled to a width."""

from __future__ import annotations

from core.text import cells, shorten

Part = tuple[str, str] | str


def left(text: str, width: int, style: str = "") -> Part:
    """`text`, inert, cut or filled to `width` cells, at the left."""
    shown = shorten(text, width) if width > 0 else ""
    return shown + " " * (width - cells(shown)), style


def right(text: str, width: int, style: str = "") -> Part:
    """`text`, inert, cut or filled to `width` cells, at the right."""
    shown = shorten(text, width) if width > 0 else ""
    return " " * (width - cells(shown)) + shown, style
