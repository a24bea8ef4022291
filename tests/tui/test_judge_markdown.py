"""An answer's Markdown as lines: inert, within the width, whatever comes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tui.screens.judge_markdown import LONGEST, markdown_lines, plain_lines

# Pieces that begin, end and nest every kind of block and span, with text that is not to be trusted among them.
PIECES = [
    *("# ", "- ", "1. ", "0) ", "> ", "    ", "```", "~~~py", "`", "**", "_", "~~", "|", "|---|", ":-:"),
    *("\n", "\n\n", "  \n", "\r\n", "***", "===", "\\", "\t", " ", "x", "é", "日本", "👩‍👩‍👧"),
    *("![", "](", ")", "[a]: b", "<b>", "<http://x>", "&#27;", "&lt;", "&nbsp;"),
    *("\x1b[2J", "\u202e", "\u200b", "\x00", "\ud800", "[INST]", "[/b]", "[@click=app.quit]"),
]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.integers(1, 60))
@example("> " * 60 + "x", 20)
@example("- " * 60 + "x", 20)
@example("|a|b|\n|-|-|\n|" + "x" * 300 + "|y|z|", 12)
@example("[" * 3000 + "a](", 40)
def test_lines_are_inert_and_hold_the_width(text: str, width: int) -> None:
    for lines in (markdown_lines(text, width), plain_lines(text, width)):
        for line in lines:
            bad = [hex(ord(char)) for char in line.plain if unicodedata.category(char) in ("Cc", "Cf", "Cs")]
            assert not bad, f"{bad} in {line.plain!r}"
            assert all("click" not in str(span.style) and "link" not in str(span.style) for span in line.spans)


@pytest.mark.parametrize(
    "text", ["word " * 900, "- item one two three\n" * 60, "> quote me, please, at length\n" * 30]
)
def test_no_line_is_wider_than_the_frame_and_no_word_is_lost(text: str) -> None:
    for width in (20, 37, 80):
        lines = markdown_lines(text, width)
        assert max(line.cell_length for line in lines) <= width
        assert " ".join(line.plain for line in lines).split().count("word") == text.split().count("word")


def test_what_is_too_long_shows_as_it_is_written() -> None:
    text = "**bold** " * (LONGEST // 9 + 1)
    assert markdown_lines(text, 60)[0].plain.startswith("**bold** **bold**")


def test_blocks_hang_under_their_marks() -> None:
    text = (
        "1. one two three four five six seven\n   - deep\n\n     ```sh\n     ls\n     ```\n2. two\n\n"
        "> a\n\n| n | v |\n|-|-|\n| é | 1 |"
    )
    assert [line.plain for line in markdown_lines(text, 24)] == [
        "1. one two three four",
        "   five six seven",
        "   • deep",
        "",
        "     │ sh",
        "     │ ls",
        "2. two",
        "",
        "▌ a",
        "",
        "n   │ v",
        "────┼────",
        "é   │ 1",
    ]
