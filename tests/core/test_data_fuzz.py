"""Whatever the bytes: a verdict or one plain error, the same rows by number as in order, no hang."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.dataset import open_dataset
from core.data.report import check
from core.data.split import split
from core.errors import DiapasonError

SLOW = settings(
    max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
NAMES = st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.tsv", "x.txt", "x", "x.md"])
WORDS = st.sampled_from(
    [
        "messages",
        "role",
        "content",
        "user",
        "assistant",
        "system",
        "prompt",
        "completion",
        "text",
        "label",
        "instruction",
        "output",
        "input",
        "conversations",
        "from",
        "value",
        "human",
        "gpt",
        "chosen",
        "rejected",
        "tools",
        "tool_calls",
        "function",
        "weight",
        "history",
        "\x1b[2J",
        "\u202e",
        "é",
        "",
        "[INST]",
    ]
)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=8))
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
BITS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"\n",
        b"\r\n",
        b";",
        b"\t",
        b" ",
        b"a",
        b"1",
        b"\xc3\xa9",
        b"\xe9",
        b"\xff",
        b"\0",
        b'""',
        b'{"text": "a"}',
        b'{"prompt": "a", "completion": "b"}',
        b"text,label\n",
        b"null",
        b"NaN",
        b"\xef\xbb\xbf",
    ]
)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def examine(data: bytes, name: str) -> None:
    """Check the file in every way; only a DiapasonError may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        report = None
        try:
            report = check(path)
            dataset = open_dataset(path)
            rows = list(dataset)
        except DiapasonError as error:
            assert error.message
            return
        assert report.rows_total == len(rows) and report.rows_valid == sum(row.usable for row in rows)
        assert [row.line for row in rows] == sorted(row.line for row in rows)
        text = dataset.source.text
        assert all(1 <= row.line <= data.count(b"\n") + 1 for row in rows) or text.copied or text.cr_only
        for row in rows[:20]:
            assert dataset.row(row.index).raw == row.raw
            assert (row.example is None) == any(finding.severity == "error" for finding in row.findings)
        for finding in report.findings:
            assert finding.count > 0 and len(finding.lines) <= 100
        json.dumps(report.to_json(), allow_nan=False).encode()
        try:
            result = split(path, Path(folder) / "out")
        except DiapasonError:
            return
        assert sum(result.counts.values()) == report.rows_valid


@SLOW
@given(st.lists(BITS, max_size=60).map(b"".join), NAMES)
def test_wild_bytes(data: bytes, name: str) -> None:
    examine(data, name)


@SLOW
@given(st.binary(max_size=300), NAMES)
def test_any_bytes(data: bytes, name: str) -> None:
    examine(data, name)


@SLOW
@given(st.lists(JSON, max_size=8), st.sampled_from([None, 1]), st.booleans(), st.booleans())
def test_any_json(values: list[Any], indent: int | None, array: bool, ascii_only: bool) -> None:
    if array:
        text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    else:
        text = "\n".join(json.dumps(value, indent=indent, ensure_ascii=ascii_only) for value in values)
    examine(text.encode("utf-8", "surrogatepass"), "x.json" if array else "x.jsonl")


@SLOW
@given(
    st.lists(st.dictionaries(st.text(max_size=6), JSON, min_size=1, max_size=3), min_size=1, max_size=8),
    st.sampled_from([None, 0, 3]),
)
def test_arrays_come_back_whole(values: list[dict[str, Any]], indent: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(values, indent=indent))
        raw = [row.raw for row in open_dataset(path)]
    assert [json.dumps(json.loads(item)) for item in raw] == [json.dumps(value) for value in values]


@SLOW
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_csv_records_come_back_whole(records: list[list[str]], delimiter: str) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "label"])
    writer.writerows(records)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(out.getvalue().encode())
        rows = list(open_dataset(path))
    assert [list(row.value.values()) for row in rows] == records


@SLOW
@given(st.data())
def test_a_changed_byte_never_spoils_other_lines(data: st.DataObject) -> None:
    lines = [json.dumps({"prompt": f"q{n} é", "completion": 'a\n"b"'}, ensure_ascii=False).encode() for n in range(6)]
    hurt = data.draw(st.integers(0, 5))
    place = data.draw(st.integers(0, len(lines[hurt]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value not in (10, 13)))
    lines[hurt] = lines[hurt][:place] + bytes([byte]) + lines[hurt][place + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        rows = list(open_dataset(path))
    assert [row.usable for row in rows if row.index != hurt] == [True] * (len(rows) - 1)
