"""Text that we did not write, made inert before a person sees it."""

from __future__ import annotations

import re
import unicodedata

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a]"
)


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    return _PICTURES.get(code) or f"⟨U+{code:04X}⟩"


def visible(text: str, *, newlines: bool = False) -> str:
    """Return `text` with every character that could act on a terminal replaced by a visible one.

    C0 controls become their Unicode control pictures; C1 controls, bidirectional marks, zero-width and
    other invisible format characters and lone surrogates become ``⟨U+XXXX⟩``. With `newlines` a line feed
    stays one and a tab becomes four spaces; otherwise a line feed shows as ``⏎`` and a tab as ``⇥``.
    """
    if newlines:
        parts = text.replace("\r\n", "\n").expandtabs(4).split("\n")
        return "\n".join(_UNSAFE.sub(_shown, part) for part in parts)
    return _UNSAFE.sub(_shown, text.replace("\n", "⏎").replace("\t", "⇥"))


def cells(text: str) -> int:
    """Number of terminal cells that inert `text` takes: wide characters count two, combining ones none."""
    total = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        total += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return total


def shorten(text: str, width: int) -> str:
    """Cut `text`, made visible on one line, to `width` cells, ending in ``…`` where something was cut."""
    # A record may be megabytes long; a cell holds at most one base character, so the rest cannot show.
    shown = visible(text[: width * 4 + 16])
    if cells(shown) <= width and len(text) <= width * 4 + 16:
        return shown
    kept, used = [], 0
    for char in shown:
        size = cells(char)
        if used + size > width - 1:
            break
        kept.append(char)
        used += size
    return "".join(kept) + "…"
