"""Characters in the text that nobody typed: control codes, terminal escapes, bidirectional and zero-width marks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from core.data.findings import RowFinding

# Tab, line feed and carriage return are text. U+0085 and its neighbours are debris of cp1252.
ESCAPE = re.compile(
    "\x1b(?:\\[[0-?]*[ -/]*[@-~]?|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[PX^_][^\x1b]*(?:\x1b\\\\)?|.?)|\x9b"
)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Joiners are part of emoji and of Persian and Indic words; between ASCII characters they have no business.
ZERO_WIDTH = re.compile("[\u200b\u2060\ufeff]|(?<=[!-~])[\u200c\u200d](?=[!-~])")
SUSPECTS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200d\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_RAW = re.compile(
    rb"\\[ubf]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8d\xaa-\xae]|\xe2\x81[\xa0\xa6-\xa9]|\xef\xbb\xbf"
)


def suspicious(raw: bytes) -> bool:
    """Whether a row's bytes may hold such a character, written out or as a JSON escape; most rows stop here."""
    return _RAW.search(raw) is not None


def check_characters(value: Any, found: list[RowFinding]) -> None:
    """Add a finding for each kind of such characters in any text of `value`, with the first place."""
    seen: set[str] = set()
    for field, text in texts(value, ""):
        if not SUSPECTS.search(text):
            continue
        rest = text
        if "escape" not in seen and (match := ESCAPE.search(text)):
            seen.add("escape")
            found.append(_finding("terminal_escape", match, field))
        if "\x1b" in text or "\x9b" in text:
            # What ends an escape sequence (a bell) belongs to it; the rest of the text keeps its positions.
            rest = ESCAPE.sub(lambda match: " " * len(match.group()), text)
        for code, pattern in (("control_chars", CONTROL), ("bidi_control", BIDI), ("zero_width", ZERO_WIDTH)):
            if code not in seen and (match := pattern.search(rest)):
                seen.add(code)
                found.append(_finding(code, match, field))


def texts(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """Every text inside a JSON value, in order, with the place of it, such as ``messages[1].content``."""
    todo: list[tuple[str, Any]] = [(field, value)]
    while todo:
        place, item = todo.pop()
        if isinstance(item, str):
            yield place, item
        elif isinstance(item, dict):
            todo += reversed([(f"{place}.{key}" if place else str(key), inner) for key, inner in item.items()])
        elif isinstance(item, list):
            todo += [(f"{place}[{number}]", item[number]) for number in range(len(item) - 1, -1, -1)]


def _finding(code: str, match: re.Match[str], field: str) -> RowFinding:
    char = match.group()[:1]
    name = unicodedata.name(char, "")
    what = f"U+{ord(char):04X}" + (f" {name.lower()}" if name else "")
    return RowFinding(code, f"`{field}` has {what} at character {match.start() + 1}", field=field)
