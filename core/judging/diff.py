"""Which words two answers do not share, for showing them side by side."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

# A word or a sign, and the white space after it; a text may also begin with white space.
_WORDS = re.compile(r"(\w+|[^\w\s]|^(?=\s))(\s*)")

Parts = list[tuple[str, bool]]


def word_diff(left: str, right: str) -> tuple[Parts, Parts]:
    """Both texts in parts of (text, whether the other lacks it there); the parts of a side join to its text.

    Words and signs are compared; white space is never marked.
    """
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    ours: Parts = []
    theirs: Parts = []
    for tag, a_from, a_to, b_from, b_to in SequenceMatcher(
        None, [word for word, _ in a], [word for word, _ in b]
    ).get_opcodes():
        _add(ours, a[a_from:a_to], tag != "equal")
        _add(theirs, b[b_from:b_to], tag != "equal")
    return ours, theirs


def _add(parts: Parts, words: list[tuple[str, str]], changed: bool) -> None:
    for word, space in words:
        parts += [(text, mark) for text, mark in ((word, changed), (space, False)) if text]
