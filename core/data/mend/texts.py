"""Fixes of single texts: which characters go, and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from core.data.checks.characters import BIDI, CONTROL, ESCAPE, ZERO_WIDTH
from core.data.checks.damage import find_mojibake, may_be_mojibake
from core.data.checks.marks import special_tokens
from core.data.checks.personal import is_identifier
from core.data.mend.tree import Splice
from core.data.pii.spans import KINDS, PLACEHOLDERS, find_spans

_MOST_REPAIRS = 10_000


def splices(code: str, field: str, text: str) -> list[Splice]:
    """What the fix of `code` changes in `text`, which stands in `field`: none overlapping, in order."""
    if code in PLACEHOLDERS:
        if len(text) < 6 or is_identifier(field):
            return []
        # All kinds are looked for: which of two claims to the same characters wins must not hang on what is wanted.
        return [(span.start, span.end, PLACEHOLDERS[code]) for span in find_spans(text) if span.kind == code]
    return _FINDERS[code](text)


def text_codes() -> frozenset[str]:
    """The codes that `splices` mends."""
    return frozenset(_FINDERS) | frozenset(KINDS)


def _escapes(text: str) -> list[Splice]:
    return [(match.start(), match.end(), "") for match in ESCAPE.finditer(text)]


def _outside(text: str, form: re.Pattern[str]) -> Iterable[re.Match[str]]:
    """Matches that are no part of an escape sequence, which is a finding of its own."""
    if "\x1b" in text or "\x9b" in text:
        text = ESCAPE.sub(lambda match: " " * len(match.group()), text)
    return form.finditer(text)


def _controls(text: str) -> list[Splice]:
    found: list[Splice] = []
    for match in _outside(text, _RUN):
        start, end = match.span()
        between = text[start - 1 : start].isalnum() and text[end : end + 1].isalnum()
        breaks = between and any(char in "\x0b\x0c\x1c\x1d\x1e\x1f\x85" for char in match.group())
        found.append((start, end, " " if breaks else ""))
    return found


def _bidi(text: str) -> list[Splice]:
    return [(match.start(), match.end(), "") for match in _outside(text, BIDI)]


def _zero_width(text: str) -> list[Splice]:
    return [(match.start(), match.end(), "") for match in _outside(text, ZERO_WIDTH)]


def _mojibake(text: str) -> list[Splice]:
    found: list[Splice] = []
    done, rest = 0, text
    while may_be_mojibake(rest) and len(found) < _MOST_REPAIRS:
        damage = find_mojibake(rest)
        if damage is None:
            break
        start, end, right, _ = damage
        found.append((done + start, done + end, right))
        # What comes before is settled: each place is looked at once.
        done, rest = done + end, rest[end:]
        if not end:
            break
    return found


def _special(text: str) -> list[Splice]:
    found: list[Splice] = []
    for _, start, token in sorted(special_tokens(text), key=lambda one: (one[1], -len(one[2]))):
        if not found or start >= found[-1][1]:
            found.append((start, start + len(token), ""))
    return found


_RUN = re.compile(f"(?:{CONTROL.pattern})+")
_FINDERS: dict[str, Callable[[str], list[Splice]]] = {
    "terminal_escape": _escapes,
    "control_chars": _controls,
    "bidi_control": _bidi,
    "zero_width": _zero_width,
    "mojibake": _mojibake,
    "special_token": _special,
}
