"""Untrusted text is inert after `visible`."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from core.text import cells, shorten, visible

anything = st.text(st.characters(codec=None, exclude_categories=[]), max_size=80)


@given(anything)
def test_nothing_that_acts_on_a_terminal_is_left(text: str) -> None:
    for char in visible(text):
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, hex(ord(char))


@given(anything)
def test_newlines_alone_survive_when_asked_for(text: str) -> None:
    shown = visible(text, newlines=True)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in shown.replace("\n", ""))


@given(anything)
def test_visible_twice_is_visible_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(anything, st.integers(2, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert cells(shorten(text, width)) <= width


def test_what_people_see() -> None:
    assert visible("\x1b[31mred\x07") == "␛[31mred␇"
    assert visible("a\u202eb\u200bc") == "a⟨U+202E⟩b⟨U+200B⟩c"
    assert visible("a\tb\nc") == "a⇥b⏎c"
    assert visible("a\tb\r\nc", newlines=True) == "a   b\nc"
    assert visible("[INST] été 漢字") == "[INST] été 漢字"
    assert shorten("abcdef", 4) == "abc…"
