"""Text that was decoded wrongly once: mojibake, and characters that a decoder gave up on."""

from __future__ import annotations

import re
from typing import Any

from core.data.checks.characters import texts
from core.data.findings import RowFinding

_REPLACED = "\ufffd"
# UTF-8 read as another encoding gives two characters above ASCII side by side, the first no mark of punctuation, or
# one before a no-break space that became a space; French and German words hardly ever do, and Chinese, Japanese and
# Korean come out of no such accident.
_SUSPECT = re.compile(
    "[\u0080-\u009f\u00c0-\u200f\u201a\u2045-\u2e7f\ufb00-\ufb4f](?:[^\x00-\x7f]|(?<=[\u0080-\u009f])|(?<=[ÂÃ]) )"
)
_NAMES = {"sloppy-windows-1252": "windows-1252", "sloppy-windows-1251": "windows-1251", "utf-8-variants": "utf-8",
          "sloppy-windows-1250": "windows-1250", "sloppy-windows-1253": "windows-1253",
          "sloppy-windows-1254": "windows-1254", "sloppy-windows-1257": "windows-1257"}  # fmt: skip
# Russian in UTF-8 is pairs of D0 or D1 and a byte from 80 to BF; ftfy lets pairs pass that look like words.
_CONTINUED = re.escape(bytes(code for code in range(0x80, 0xC0) if code != 0x98).decode("cp1251"))
_RUSSIAN = re.compile(f"(?:[РС][{_CONTINUED}\x98]){{4,}}")
_WINDOW = 200
_SHOWN = 8


def check_damage(value: Any, found: list[RowFinding]) -> None:
    """Add a finding for the first replacement character and for the first mojibake in any text of `value`."""
    seen: set[str] = set()
    for field, text in texts(value, ""):
        if text.isascii():
            continue
        if "replacement_char" not in seen and _REPLACED in text:
            seen.add("replacement_char")
            number, place = text.count(_REPLACED), text.index(_REPLACED) + 1
            more = f", and {number - 1} more in the text" if number > 1 else ""
            message = f"`{field}` has U+FFFD replacement character at character {place}{more}"
            found.append(RowFinding("replacement_char", message, field=field))
        if "mojibake" not in seen and may_be_mojibake(text):
            damage = find_mojibake(text)
            if damage is not None:
                seen.add("mojibake")
                start, end, right, chain = damage
                before, after = text[max(0, start - _SHOWN) : start], text[end : end + _SHOWN]
                wrong, meant = before + text[start:end] + after, before + right + after
                message = f"`{field}` has “{wrong}” for “{meant}” at character {start + 1}"
                found.append(RowFinding("mojibake", message, detail=chain, field=field))


def may_be_mojibake(text: str) -> bool:
    """Whether a look with ftfy is worth it; it is not for nearly any text."""
    return _SUSPECT.search(text) is not None


def find_mojibake(text: str) -> tuple[int, int, str, str] | None:
    """The first mojibake of a text by ftfy's rules: start, end, the characters meant, and how they came to be so.

    Only what ftfy can repair counts: an odd pair of characters that no chain of encodings explains is left alone.
    """
    from ftfy import TextFixerConfig, fix_encoding_and_explain
    from ftfy.badness import BADNESS_RE

    config = TextFixerConfig(unescape_html=False, restore_byte_a0=True, replace_lossy_sequences=False)
    reach = 0
    for match in BADNESS_RE.finditer(text):
        if match.start() < reach:
            continue
        # Around the place alone: one odd sign elsewhere must not hide it, nor cost more than a line.
        start = _word_start(text, match.start())
        end = _word_end(text, match.end())
        reach = end
        fixed = fix_encoding_and_explain(text[start:end], config)
        if fixed.text != text[start:end] and fixed.explanation:
            before, after = text[start:end], fixed.text
            left, right = _common(before, after), _common(before[::-1], after[::-1])
            right = min(right, len(before) - left, len(after) - left)
            return start + left, end - right, after[left : len(after) - right], _chain(fixed.explanation)
    for match in _RUSSIAN.finditer(text):
        try:
            meant = match.group().encode("sloppy-windows-1251").decode("utf-8")
        except UnicodeError:
            continue
        return match.start(), match.end(), meant, "utf-8 read as windows-1251"
    return None


def _word_start(text: str, place: int) -> int:
    least = max(0, place - _WINDOW)
    while place > least and not (text[place - 1].isascii() and text[place - 1].isspace()):
        place -= 1
    return place


def _word_end(text: str, place: int) -> int:
    most = min(len(text), place + _WINDOW)
    while place < most and not (text[place].isascii() and text[place].isspace()):
        place += 1
    return place


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _chain(steps: list[Any]) -> str:
    """How the text was damaged, last step first undone: `utf-8 read as windows-1252`."""
    names: list[str] = []
    read_as = ""
    for step in steps:
        action, argument = str(step[0]), _NAMES.get(str(step[1]), str(step[1]))
        if action == "encode":
            read_as = argument
        elif action == "decode" and read_as:
            names.append(f"{argument} read as {read_as}")
            read_as = ""
        elif argument == "decode_inconsistent_utf8":
            names.append("utf-8 read as windows-1252")
    if not names:
        return ""
    return names[0] if len(names) == 1 else f"{names[0]}, {len(names)} times"
