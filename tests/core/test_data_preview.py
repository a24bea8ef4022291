"""The first rows of data that has to be unpacked, decoded or converted."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.dataset import open_dataset
from core.data.preview import open_preview

ROWS = [{"prompt": f"Question {n}?", "completion": f"Answer {n} " + "é" * (n % 40)} for n in range(30_000)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def write(folder: Path, kind: str) -> Path:
    path = folder / {"parquet": "rows.parquet", "utf-16": "rows.jsonl"}.get(kind, f"rows.jsonl.{kind}")
    data = LINES.encode()
    if kind == "gz":
        path.write_bytes(gzip.compress(data, 1))
    elif kind == "array":
        path = folder / "rows.json.gz"
        path.write_bytes(gzip.compress(ARRAY.encode(), 1))
    elif kind == "bz2":
        path.write_bytes(bz2.compress(data, 1))
    elif kind == "xz":
        path.write_bytes(lzma.compress(data, preset=0))
    elif kind == "zst":
        path.write_bytes(pa.compress(data, "zstd", asbytes=True))
    elif kind == "utf-16":
        path.write_text(LINES, encoding="utf-16")
    elif kind == "cut":
        path = folder / "rows.jsonl.gz"
        path.write_bytes(gzip.compress(data, 1)[:50_000])
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("kind", ["gz", "array", "bz2", "xz", "zst", "utf-16", "parquet", "cut"])
def test_the_first_rows_are_those_of_the_whole(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    first = open_preview(path)
    assert first is not None
    count = first.peek()
    whole = open_dataset(path)
    assert 50 <= count < len(whole) or kind == "cut"
    for number in range(50):
        mine, theirs = first.row(number), whole.row(number)
        assert mine.example is not None and theirs.example is not None
        assert (mine.value, mine.line) == (theirs.value, theirs.line)
        assert mine.example.messages == theirs.example.messages
    assert not [file for file in (tmp_path / "home").rglob("*") if file.is_file()]


def test_a_folder_shows_its_first_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, "gz").rename(folder / "train-0.jsonl.gz")
    (folder / "train-1.jsonl").write_text(LINES)
    first = open_preview(folder)
    assert first is not None and first.peek() > 50 and first.row(0).value == ROWS[0]


def test_nothing_to_do_or_nothing_to_show(tmp_path: Path) -> None:
    plain = tmp_path / "rows.jsonl"
    plain.write_text(LINES)
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b" + b"x" * 100)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1" + b"x" * 100)
    (tmp_path / "empty").mkdir()
    for name in ("rows.jsonl", "damaged.gz", "damaged.parquet", "empty", "nowhere.gz"):
        assert open_preview(tmp_path / name) is None, name
