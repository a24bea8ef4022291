"""The very characters that findings are about, in a row's texts and as it stands in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.checks.where import row_marks, text_marks
from core.data.dataset import open_dataset
from core.data.mend.tree import Text


def marked(folder: Path, line: str) -> list[tuple[str, str]]:
    """(code, characters) of each mark in a file's only row."""
    path = folder / "rows.jsonl"
    path.write_text(line + "\n")
    row = open_dataset(path).row(0)
    text = row.raw.decode()
    return [(mark.code, text[mark.start : mark.end]) for mark in row_marks(row, text)]


def row(**fields: Any) -> str:
    return json.dumps({"prompt": "What is the matter here?", "completion": "It is a long story.", **fields})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (row(completion="Write to jo@diapason.dev now"), [("pii_email", "jo@diapason.dev")]),
        (row(completion="so\u200bon 😀"), [("zero_width", "\\u200b")]),
        (row(completion="😀 \x1b[31mred"), [("terminal_escape", "\\u001b[31m")]),
        (row(completion="Dear {{name}}, welcome"), [("template_placeholder", "{{name}}")]),
        (row(completion="It ends <|im_end|> here"), [("special_token", "<|im_end|>")]),
        (row(completion="lost \ufffd\ufffd ones"), [("replacement_char", "\\ufffd\\ufffd")]),
        (row(completion=""), [("empty_output", '""')]),
        (row(completion="N/A"), [("placeholder", '"N/A"')]),
        (row(note=1), [("extra_field", '"note"')]),
        (row(score=float("nan")), [("nonfinite_number", "NaN")]),
        ('{"prompt": "a b", "prompt": "c d", "completion": "e f"}', [("duplicate_key", '"prompt"')] * 2),
        (
            '{"messages": [{"role": "agent", "content": "hi"}, {"role": "assistant", "content": "ho"}]}',
            [("bad_role", '"agent"')],
        ),
        ('{"messages": [{"role": "user", "content": "hi"}]}', [("no_assistant", '"messages"')]),
    ],
)
def test_characters_of_a_finding(tmp_path: Path, line: str, expected: list[tuple[str, str]]) -> None:
    found = [mark for mark in marked(tmp_path, line) if mark[0] != "last_not_assistant"]
    assert found == expected


def test_a_clean_row_has_no_marks(tmp_path: Path) -> None:
    assert marked(tmp_path, row()) == []


def test_all_of_a_kind_are_marked_in_a_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    said = "Ask jo@diapason.dev or al@diapason.dev."
    path.write_text(row(completion=said) + "\n")
    marks = text_marks(said, open_dataset(path).row(0).findings)
    assert [said[mark.start : mark.end] for mark in marks] == ["jo@diapason.dev", "al@diapason.dev"]


@given(st.text(), st.booleans())
def test_offsets_of_a_json_string(text: str, escaped: bool) -> None:
    node = Text(json.dumps(text, ensure_ascii=escaped))
    ends = node.offsets()
    assert len(ends) == len(text) + 1
    for place, char in enumerate(text):
        assert json.loads(f'"{node.raw[ends[place] : ends[place + 1]]}"') == char


@given(st.recursive(st.text(max_size=6) | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=12))  # fmt: skip
def test_places_of_values(value: Any) -> None:
    from core.data.mend.tree import parse

    text = json.dumps(value, indent=1)
    for start, item in parse(text).places():
        made = item.value.render()
        assert text[start : start + len(made)] == made
