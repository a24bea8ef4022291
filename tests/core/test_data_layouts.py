"""Packed files, tables, columns, parts, folders and the standard input: each read to the same rows, and said."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.dataset import examples, fingerprint, open_dataset
from core.data.report import Finding, Report, check
from core.data.split import split
from core.data.unreadable import Unreadable
from core.errors import DiapasonError

ROWS = [{"prompt": f"Where is order {n}, « hôtel » ?", "completion": f"It left on day {n}."} for n in range(60)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def make(tmp_path: Path, data: bytes, name: str) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def pairs(path: Path | str, **options: Any) -> list[dict[str, str]]:
    return [{"prompt": item.prompt_text, "completion": item.answer} for item in examples(path, **options)]


def found(report: Report, code: str, detail: str | None = None) -> Finding | None:
    hits = (f for f in report.findings if f.code == code and detail in (None, f.detail))
    return next(hits, None)


# -- packed -----------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    sink = io.BytesIO()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
        stream.flush()
        return_value = sink
        stream.close()
    return return_value.getvalue()


@pytest.mark.parametrize(
    ("name", "pack", "kind"),
    [
        ("rows.jsonl.gz", gzip.compress, "gzip"),
        ("rows.jsonl.bz2", bz2.compress, "bzip2"),
        ("rows.jsonl.xz", lzma.compress, "xz"),
        ("rows.jsonl.zst", lambda data: pa.compress(data, "zstd", asbytes=True), "zstd"),
    ],
)
def test_packed_files_read_as_their_text(tmp_path: Path, name: str, pack: Any, kind: str) -> None:
    path = make(tmp_path, pack(LINES), name)
    assert pairs(path) == ROWS
    report = check(path)
    packed = found(report, "compressed", kind)
    assert packed is not None and packed.severity == "note" and report.rows_valid == 60
    assert report.container == kind and found(report, "extension_mismatch") is None
    assert open_dataset(path).row(7).line == 8


def test_members_one_after_the_other_and_padding_are_one_text(tmp_path: Path) -> None:
    half = LINES.index(b"\n", len(LINES) // 2) + 1
    packed = gzip.compress(LINES[:half]) + gzip.compress(LINES[half:]) + b"\0" * 512
    path = make(tmp_path, packed, "rows.jsonl.gz")
    assert pairs(path) == ROWS and found(check(path), "truncated_gzip") is None


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
def test_a_cut_off_gzip_keeps_the_rows_that_are_whole(tmp_path: Path, keep: float) -> None:
    lines = "".join(json.dumps({"prompt": os.urandom(40).hex(), "completion": str(n)}) + "\n" for n in range(500))
    packed = gzip.compress(lines.encode())
    report = check(make(tmp_path, packed[: int(len(packed) * keep)], "rows.jsonl.gz"))
    cut = found(report, "truncated_gzip", "truncated")
    assert cut is not None and cut.severity == "error"
    assert 0 < report.rows_total < 500 and report.rows_valid == report.rows_total
    assert report.rows_total > 500 * keep * 0.8


def test_a_damaged_gzip_is_told_from_a_cut_one(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"prompt": os.urandom(40).hex(), "completion": str(n)}) + "\n" for n in range(500))
    packed = bytearray(gzip.compress(lines.encode()))
    packed[-6] ^= 0xFF
    report = check(make(tmp_path, bytes(packed), "rows.jsonl.gz"))
    assert found(report, "truncated_gzip", "damaged") is not None and report.rows_total >= 490


def test_a_bomb_is_stopped_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.spool._SMALL", 1 << 20)
    path = make(tmp_path, zlib.compress(b"\n" * (8 << 20), wbits=31), "bomb.jsonl.gz")
    with pytest.raises(Unreadable, match="unpacks to more than") as caught:
        open_dataset(path)
    assert caught.value.code == "compressed" and caught.value.detail == "too_large"


def test_a_full_disk_is_said_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.spool.free_bytes", lambda _: 1 << 20)
    with pytest.raises(DiapasonError, match="no room"):
        open_dataset(make(tmp_path, gzip.compress(LINES), "rows.jsonl.gz"))


def test_packed_things_that_are_no_text(tmp_path: Path) -> None:
    tar = b"a" * 257 + b"ustar" + b"\0" * 300
    with pytest.raises(Unreadable, match="tar archive"):
        open_dataset(make(tmp_path, gzip.compress(tar), "a.tar.gz"))
    table = make(tmp_path, gzip.compress(b"text,label\n" + b"fine,good\nbad,poor\n" * 9), "a.csv.gz")
    assert open_dataset(table).format == "classification"
    wide = make(tmp_path, gzip.compress(LINES.decode().encode("utf-16")), "w.jsonl.gz")
    assert pairs(wide) == ROWS
    with pytest.raises(Unreadable, match="empty"):
        open_dataset(make(tmp_path, gzip.compress(b""), "e.jsonl.gz"))


# -- tables -----------------------------------------------------------------------------------------------


def parquet(tmp_path: Path, table: pa.Table, name: str = "rows.parquet", **options: Any) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def test_parquet_reads_by_row(tmp_path: Path) -> None:
    path = parquet(tmp_path, pa.Table.from_pylist(ROWS), row_group_size=7)
    assert pairs(path) == ROWS
    report = check(path)
    note = found(report, "columnar", "parquet")
    assert note is not None and report.container == "parquet" and report.by_row
    assert open_dataset(path).row(41).line == 42 and found(report, "extension_mismatch") is None


def test_parquet_keeps_what_json_has_no_word_for(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "label": 1, "score": 0.5, "seen": None, "blob": b"\xff\x00", "big": 2**62},
        {"text": "b", "label": 0, "score": float("nan"), "seen": None, "blob": b"ok", "big": -1},
    ]
    features = {"text": {"_type": "Value"}, "label": {"_type": "ClassLabel", "names": ["poor", "good"]}}
    table = pa.Table.from_pylist(rows)
    meta = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path = parquet(tmp_path, table.replace_schema_metadata(meta))
    dataset = open_dataset(path)
    first, second = list(dataset)
    assert first.value["label"] == "good" and first.value["blob"] == "<2 bytes>" and first.value["big"] == 2**62
    assert first.example is not None and first.example.label == "good"
    assert [finding.code for finding in second.findings] == ["nonfinite_number"]


def test_conversations_in_parquet(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]} for n in range(5)
    ]
    rows[2]["messages"][1]["tool_calls"] = None  # type: ignore[index]
    report = check(parquet(tmp_path, pa.Table.from_pylist(rows)))
    assert report.format == "chat" and report.rows_valid == 5 and found(report, "extra_field") is None


def test_a_bad_parquet_says_so(tmp_path: Path) -> None:
    whole = parquet(tmp_path, pa.Table.from_pylist(ROWS)).read_bytes()
    for data in (whole[:300], whole[:-8], b"PAR1" + b"\0" * 100 + b"PAR1"):
        with pytest.raises(Unreadable, match="table cannot be read") as caught:
            open_dataset(make(tmp_path, data, "bad.parquet"))
        assert caught.value.code == "bad_parquet"
    with pytest.raises(Unreadable, match="no rows"):
        open_dataset(parquet(tmp_path, pa.table({"text": pa.array([], pa.string())}), "none.parquet"))


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    report = check(parquet(tmp_path, table))
    assert found(report, "duplicate_column") is not None and report.rows_valid == 1
    path = make(tmp_path, b"text,label,text\nfirst,x,second\n", "twice.csv")
    doubled = found(check(path), "duplicate_column")
    assert doubled is not None and "`text`" in doubled.message
    assert next(examples(path)).prompt_text == "first"


# -- columns and parts ------------------------------------------------------------------------------------


def columns(indent: int | None = None) -> bytes:
    values = {name: [row[name] for row in ROWS] for name in ("prompt", "completion")}
    return json.dumps(values, indent=indent, ensure_ascii=False).encode()


@pytest.mark.parametrize("indent", [None, 1])
def test_a_dict_of_columns_becomes_rows(tmp_path: Path, indent: int | None) -> None:
    path = make(tmp_path, columns(indent), "columns.json")
    assert pairs(path) == ROWS
    report = check(path)
    assert found(report, "columnar", "json") is not None and report.container == "columns"
    assert open_dataset(path).row(3).line == 4


@pytest.mark.parametrize("chunk", [5, 64, 1000])
def test_columns_are_cut_the_same_whatever_the_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    hard = ['a"\\,', "],[", "{", "x\n,\\", "", "é\u2028"]
    values = {
        "prompt": hard,
        "completion": [[text, 1, {"k": text}] for text in hard],
        "n": [1, -2.5, None, True, 10**30, 0],
    }
    path = make(tmp_path, json.dumps(values, indent=2).encode(), "columns.json")
    monkeypatch.setattr("core.data.items.CHUNK", chunk)
    rows = [json.loads(row.raw) for row in open_dataset(path)]
    assert rows == [{name: values[name][n] for name in values} for n in range(6)]


def test_what_pandas_writes_is_columns_too(tmp_path: Path) -> None:
    values = {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ("prompt", "completion")}
    assert pairs(make(tmp_path, json.dumps(values).encode(), "pandas.json")) == ROWS


def test_columns_of_different_lengths_are_an_error(tmp_path: Path) -> None:
    report = check(
        make(tmp_path, json.dumps({"prompt": ["a", "b", "c"], "completion": ["x", "y"]}).encode(), "u.json")
    )
    uneven = found(report, "missing_field", "uneven")
    assert uneven is not None and "`completion` 2" in uneven.message and report.rows_valid == 2


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]},
        {"prompt": "q", "completion": "a", "tags": ["x", "y"]},
    ],
)
def test_a_single_row_is_neither_columns_nor_parts(tmp_path: Path, row: dict[str, Any]) -> None:
    for indent in (None, 2):
        for name in ("one.json", "one.jsonl"):
            dataset = open_dataset(make(tmp_path, json.dumps(row, indent=indent).encode(), name))
            assert [json.loads(item.raw) for item in dataset] == [row]


@pytest.mark.parametrize("indent", [None, 1])
def test_parts_of_a_dict_are_named_and_can_be_chosen(tmp_path: Path, indent: int | None) -> None:
    parts = {"test": ROWS[:5], "train": ROWS[5:50], "validation": ROWS[50:], "info": {"by": "us"}}
    path = make(tmp_path, json.dumps(parts, indent=indent).encode(), "parts.json")
    assert pairs(path) == ROWS[5:50]
    note = found(check(path), "wrapped_list", "parts")
    assert note is not None and "`train` is read" in note.message and "parts.json#test" in note.message
    assert pairs(f"{path}#test") == ROWS[:5] and pairs(f"{path}#val") == ROWS[50:]
    with pytest.raises(Unreadable, match="no part `extra`") as caught:
        open_dataset(f"{path}#extra")
    assert "train" in str(caught.value)
    prints = {fingerprint(name)["sha256"] for name in (path, f"{path}#test", f"{path}#train")}
    assert len(prints) == 3
    result = split(f"{path}#train", tmp_path / "out")
    assert sum(result.counts.values()) == 45


def test_a_file_that_goes_by_the_whole_name_wins(tmp_path: Path) -> None:
    path = make(tmp_path, LINES, "rows.jsonl#test")
    assert pairs(path) == ROWS
    with pytest.raises(Unreadable, match="no part"):
        open_dataset(str(make(tmp_path, LINES, "plain.jsonl")) + "#train")


def test_objects_one_after_the_other_with_lists_inside_stay_rows(tmp_path: Path) -> None:
    row = {"choices": [{"a": 1}], "prompt": "q", "completion": "a"}
    path = make(tmp_path, "\n".join(json.dumps(row, indent=1) for _ in range(4)).encode(), "many.json")
    assert len(open_dataset(path)) == 4


# -- folders ----------------------------------------------------------------------------------------------


def test_a_folder_with_splits(tmp_path: Path) -> None:
    table = "prompt,completion\n" + "".join(f'"{row["prompt"]}",{row["completion"]}\n' for row in ROWS[40:50])
    make(tmp_path, LINES, "set/data/train.jsonl")
    make(tmp_path, table.encode(), "set/data/validation.csv")
    make(tmp_path, gzip.compress(json.dumps(ROWS[50:]).encode()), "set/data/test.json.gz")
    make(tmp_path, b"# About", "set/README.md")
    folder = tmp_path / "set"
    assert pairs(folder) == ROWS
    assert pairs(f"{folder}#validation") == ROWS[40:50] and pairs(f"{folder}#test") == ROWS[50:]
    report = check(folder)
    note = found(report, "parts", "folder")
    assert note is not None and "`train` is read" in note.message and "set#test" in note.message
    assert report.container == "folder" and report.to_json()["files"][0]["path"].endswith("train.jsonl")
    assert fingerprint(folder)["sha256"] != fingerprint(f"{folder}#test")["sha256"]


def test_shards_are_joined_in_order_and_lines_are_those_of_the_shards(tmp_path: Path) -> None:
    from core.data.opening import locate

    lines = LINES.splitlines(keepends=True)
    for number, (first, last) in {1: (0, 30), 2: (30, 55), 10: (55, 60)}.items():
        make(tmp_path, b"".join(lines[first:last]).rstrip(b"\n"), f"shards/part-{number}.jsonl")
    make(tmp_path, lines[0] + b"{broken\n", "shards/part-11.jsonl")
    dataset = open_dataset(tmp_path / "shards")
    assert [row.example.prompt_text for row in dataset if row.example][:60] == [row["prompt"] for row in ROWS]
    report = check(tmp_path / "shards")
    broken = found(report, "bad_json")
    assert broken is not None
    place = locate(report.shards, broken.lines[0])
    assert place is not None and (place[0].name, place[1]) == ("part-11.jsonl", 2)


def test_a_folder_of_unlike_files_is_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path, LINES, "mix/orders.jsonl")
    make(tmp_path, b"text,label\na,b\nc,d\n", "mix/moods.csv")
    with pytest.raises(Unreadable, match="do not belong together") as caught:
        open_dataset(tmp_path / "mix")
    assert caught.value.code == "is_directory" and "moods.csv" in str(caught.value)
    (tmp_path / "void").mkdir()
    with pytest.raises(Unreadable, match="without data files"):
        open_dataset(tmp_path / "void")


def test_what_datasets_saves_to_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    saved = datasets.Dataset.from_list(ROWS).train_test_split(test_size=0.2, seed=1)
    saved.save_to_disk(str(tmp_path / "saved"))
    saved["train"].save_to_disk(str(tmp_path / "one"), num_shards=3)
    assert pairs(tmp_path / "saved") == list(saved["train"]) == pairs(tmp_path / "one")
    assert pairs(f"{tmp_path}/saved#test") == list(saved["test"])
    report = check(tmp_path / "saved")
    note = found(report, "parts")
    assert note is not None and "datasets saved" in note.message and report.by_row
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"no table")
    with pytest.raises(Unreadable) as caught:
        open_dataset(tmp_path / "one")
    assert caught.value.code == "bad_parquet"


def test_a_collection_of_files_is_no_data_set_though_some_are_called_train(tmp_path: Path) -> None:
    for name in ("orders", "moods", "songs"):
        make(tmp_path, json.dumps({name: "x", "text": "y"}).encode() + b"\n", f"all/{name}.jsonl")
    make(tmp_path, LINES, "all/gsm_train.jsonl")
    with pytest.raises(Unreadable, match="folder of 4 data files that do not"):
        open_dataset(tmp_path / "all")
