"""Packed, columnar, encoded and parted input, whole and spoilt: a verdict or one plain error, never other rows."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.data.dataset import open_dataset
from core.data.mapping import parse_map, suggest
from core.errors import DiapasonError
from tests.core.test_data_fuzz import JSON, SLOW, WORDS, examine

ROWS = [{"prompt": f"q{n} é", "completion": 'a\n"b"'} for n in range(8)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
_TABLE = io.BytesIO()
pq.write_table(pa.Table.from_pylist(ROWS), _TABLE, row_group_size=3)
WHOLE = {
    "x.jsonl.gz": gzip.compress(LINES, mtime=0),
    "x.jsonl.bz2": bz2.compress(LINES),
    "x.jsonl.xz": lzma.compress(LINES),
    "x.jsonl.zst": pa.compress(LINES, "zstd", asbytes=True),
    "x.parquet": _TABLE.getvalue(),
    "x.jsonl": LINES.decode().encode("utf-16"),
    "x.json": json.dumps({"train": ROWS, "test": ROWS[:2]}).encode(),
    "y.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}, indent=1).encode(),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@SLOW
@given(st.data(), st.sampled_from(sorted(WHOLE)))
def test_spoilt_files_get_a_verdict(data: st.DataObject, name: str) -> None:
    content = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    examine(bytes(content[:keep]), name)


@SLOW
@given(st.binary(max_size=200), st.sampled_from([gzip.compress, bz2.compress, lzma.compress]), st.booleans())
def test_anything_packed(data: bytes, pack: Any, twice: bool) -> None:
    packed = pack(data)
    examine(pack(packed) if twice else packed, "x.jsonl.gz")


@SLOW
@given(
    st.integers(1, 6).flatmap(
        lambda rows: st.dictionaries(
            WORDS | st.text(max_size=5), st.lists(JSON, min_size=rows, max_size=rows), max_size=4
        )
    ),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)
def test_any_columns(columns: dict[str, list[Any]], indent: int | None, pandas: bool) -> None:
    values: Any = columns
    if pandas:
        values = {name: {str(n): item for n, item in enumerate(items)} for name, items in columns.items()}
    examine(json.dumps(values, indent=indent).encode(), "x.json")


@SLOW
@given(st.lists(st.tuples(st.text(max_size=9), JSON), min_size=2, max_size=6), st.integers(1, 40))
def test_columns_give_the_rows_that_they_were_made_of(values: list[tuple[str, Any]], chunk: int) -> None:
    rows = [{"prompt": text, "meta": extra} for text, extra in values]
    # A first cell that is a message makes the whole look like one row of messages.
    assume(not (isinstance(rows[0]["meta"], dict) and set(rows[0]["meta"]) & {"role", "from"}))
    columns = {name: [row[name] for row in rows] for name in ("prompt", "meta")}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.data.items.CHUNK", chunk)
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(columns, indent=1))
        found = [json.dumps(json.loads(row.raw)) for row in open_dataset(path)]
    assert found == [json.dumps(row) for row in rows]


@SLOW
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "cp1252", "cp932", "euc_jp", "cp1251"]),
    st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.txt"]),
)
def test_any_text_in_any_encoding(texts: list[str], encoding: str, name: str) -> None:
    lines = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    content = lines.encode(encoding, "ignore")
    examine(content, name)
    if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") and name == "x.jsonl":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            assert [row.value for row in open_dataset(path)] == [{"text": text} for text in texts]


@SLOW
@given(
    st.lists(JSON, min_size=1, max_size=5),
    st.text(max_size=30) | st.sampled_from(["prompt=a,completion=b", "text=a"]),
)
def test_any_map(values: list[Any], text: str) -> None:
    suggestion = suggest(values)
    if suggestion is not None:
        assert parse_map(suggestion).pairs
    try:
        mapping = parse_map(text)
    except DiapasonError:
        return
    for value in values:
        if isinstance(value, dict):
            assert isinstance(mapping.apply(value), dict)


@SLOW
@given(
    st.lists(st.sampled_from([LINES, LINES[:30], b"", b"\n", b"{", b"text,label\na,b\n", b"[1]"]), max_size=4),
    st.data(),
)
def test_any_folder(contents: list[bytes], data: st.DataObject) -> None:
    names = ["part-1.jsonl", "part-2.jsonl", "train.csv", "test.json", "README.md", "notes.txt"]
    with tempfile.TemporaryDirectory() as folder:
        for content in contents:
            (Path(folder) / data.draw(st.sampled_from(names))).write_bytes(content)
        try:
            dataset = open_dataset(folder)
            rows = list(dataset)
        except DiapasonError as error:
            assert error.message
            return
        assert len(rows) == len(dataset) and all(dataset.row(row.index).raw == row.raw for row in rows)
