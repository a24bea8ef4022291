"""Files of every layout and encoding: rows by number, lines as an editor counts them, nothing loaded whole."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from core.data.dataset import Dataset, examples, fingerprint, open_dataset
from core.data.report import check
from core.errors import DiapasonError

PAIR = {"prompt": "Où est mon colis ?", "completion": "En route, « demain » !"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def make(tmp_path: Path, data: bytes, name: str = "data.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def rows_of(path: Path) -> tuple[Dataset, list[int]]:
    dataset = open_dataset(path)
    rows = list(dataset)
    for row in rows:
        again = dataset.row(row.index)
        assert (again.line, again.raw, again.example) == (row.line, row.raw, row.example)
        assert dataset.raw(row.index) == row.raw
    assert len(rows) == len(dataset)
    return dataset, [row.line for row in rows]


def codes(path: Path) -> dict[str, int]:
    return {f"{finding.code}:{finding.detail}".rstrip(":"): finding.count for finding in check(path).findings}


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = {"prompt": "a\u2028b\u2029c\x85d", "completion": "e"}
    line = json.dumps(text, ensure_ascii=False).encode()
    dataset, lines = rows_of(make(tmp_path, line + b"\n\n  \r\n" + line + b"\r\n" + line))
    assert lines == [1, 4, 5] and dataset.layout == "jsonl"
    example = dataset.row(1).example
    assert example is not None and example.prompt_text == text["prompt"]
    found = codes(dataset.path)
    assert found["blank_lines"] == 2 and found["crlf"] == 2 and found["no_final_newline"] == 1


@pytest.mark.parametrize("pretty", [None, 2])
def test_arrays_are_cut_into_items(tmp_path: Path, pretty: int | None) -> None:
    values = [{"prompt": f'{{[" \\ {n}', "completion": "]}," + "\\" * (n % 4)} for n in range(500)]
    path = make(tmp_path, json.dumps(values, indent=pretty).encode(), "array.json")
    dataset, lines = rows_of(path)
    assert dataset.layout == "json" and [json.loads(dataset.raw(n)) for n in range(500)] == values
    assert lines == ([1] * 500 if pretty is None else list(range(2, 2002, 4)))


@pytest.mark.parametrize("chunk", [7, 64, 1000])
def test_arrays_are_cut_the_same_whatever_the_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    values = [{"prompt": 'q"\\' * (n % 5), "completion": "\n[{" * n} for n in range(20)]
    path = make(tmp_path, json.dumps(values, indent=1).encode(), "array.json")
    whole = [row.raw for row in open_dataset(path)]
    monkeypatch.setattr("core.data.items.CHUNK", chunk)
    assert [row.raw for row in open_dataset(path)] == whole and len(whole) == 20


def test_a_broken_item_costs_itself_alone(tmp_path: Path) -> None:
    values = [json.dumps({"prompt": f"q{n}", "completion": "a"}) for n in range(6)]
    values[2] = values[2].replace('"a"}', '"a}')
    values[4] = values[4][:-1]
    path = make(tmp_path, ("[\n" + ",\n".join(values) + "\n]\n").encode(), "array.json")
    report = check(path)
    assert report.rows_total == 6 and list(report.invalid_lines) == [4, 6] and report.rows_valid == 4


def test_one_line_array_with_a_missing_bracket_recovers(tmp_path: Path) -> None:
    values = [json.dumps({"prompt": f"q{n}", "completion": "a"}) for n in range(6)]
    values[3] = values[3][:-1]
    report = check(make(tmp_path, f"[{', '.join(values)}]".encode(), "array.json"))
    assert report.rows_total == 6 and list(report.invalid_rows) == [3]


def test_arrays_cut_off_or_with_scalars_and_commas(tmp_path: Path) -> None:
    assert codes(make(tmp_path, b'[{"prompt": "a", "completion": "b"},\n{"prompt": "c", "compl', "a.json"))[
        "bad_json:cut_off"
    ]
    path = make(tmp_path, b'[{"prompt": "a", "completion": "b"}, 3, "x, y", null,\n [1, 2],]', "b.json")
    report = check(path)
    assert report.rows_total == 5 and list(report.invalid_rows) == [1, 2, 3, 4]
    assert report.to_json()["findings"][0]["rows"]
    assert check(make(tmp_path, b"[]", "c.json")).findings[0].code == "empty_file"


def test_objects_over_several_lines_and_wrapped_lists(tmp_path: Path) -> None:
    pretty = "\n".join(json.dumps(PAIR, indent=2) for _ in range(3)).encode()
    path = make(tmp_path, pretty, "pretty.jsonl")
    _, lines = rows_of(path)
    assert lines == [1, 5, 9] and codes(path)["pretty_printed_jsonl"] == 1
    path = make(tmp_path, json.dumps({"version": 1, "data": [PAIR] * 3}, indent=1).encode(), "wrapped.json")
    dataset, _ = rows_of(path)
    assert len(dataset) == 3 and all(row.usable for row in dataset) and codes(path)["wrapped_list"] == 1


def test_lists_inside_rows_are_not_lists_of_rows(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "x" * 100_000}]}
    for name, indent in (("a.jsonl", None), ("b.json", None), ("c.json", 2)):
        text = "\n".join(json.dumps(talk, indent=indent) for _ in range(2))
        dataset, _ = rows_of(make(tmp_path, text.encode(), name))
        assert len(dataset) == 2 and dataset.format == "chat", name
    assert len(open_dataset(make(tmp_path, json.dumps(talk).encode(), "one.json"))) == 1
    assert len(open_dataset(make(tmp_path, json.dumps({"data": [PAIR] * 3}).encode(), "line.json"))) == 3


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "b.csv"), ("\t", "c.tsv")])
def test_csv_records_with_quoted_line_breaks(tmp_path: Path, delimiter: str, name: str) -> None:
    texts = ["plain", f'say "hi"{delimiter} twice', "two\nlines", 'three\n\n"lines"\n', ' 5" pipe', "é"] * 20
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(["text", "label"])
    writer.writerows([text, f"l{n % 2}"] for n, text in enumerate(texts))
    dataset, lines = rows_of(make(tmp_path, out.getvalue().encode(), name))
    assert dataset.format == "classification"
    assert [row.example.prompt_text if row.example else None for row in dataset] == texts
    assert lines[:5] == [2, 3, 4, 6, 10] and "crlf" not in codes(dataset.path)


def test_a_quote_that_never_closes_costs_its_line(tmp_path: Path) -> None:
    lines = [b"text,label"] + [f"t{n},a" for n in range(50)]  # type: ignore[list-item]
    data = [line.encode() if isinstance(line, str) else line for line in lines]
    data[10] = b'"never closed,a'
    data[20] = b"one,two,three"
    report = check(make(tmp_path, b"\n".join(data) + b"\n", "x.csv"))
    assert report.rows_total == 50 and list(report.invalid_lines) == [11, 21]
    assert {f.code for f in report.findings if f.severity == "error"} == {"bad_csv", "ragged_row"}


def test_a_csv_full_of_open_quotes_does_not_hang(tmp_path: Path) -> None:
    report = check(make(tmp_path, b"text,label\n" + b'"open,a\n' * 4001, "x.csv"))
    assert report.rows_total > 0 and report.seconds < 20


def test_csv_without_a_header(tmp_path: Path) -> None:
    data = "".join(f"The film number {n} was long,{'good' if n % 2 else 'bad'}\n" for n in range(20))
    dataset, lines = rows_of(make(tmp_path, data.encode(), "x.csv"))
    assert dataset.format == "classification" and lines[0] == 1 and len(dataset) == 20
    example = dataset.row(1).example
    assert example is not None and example.label == "good"
    assert codes(dataset.path)["no_header"] == 1


def test_plain_text_by_line_or_paragraph(tmp_path: Path) -> None:
    dataset, lines = rows_of(make(tmp_path, b"one\ntwo\nthree\n", "a.txt"))
    assert lines == [1, 2, 3] and codes(dataset.path)["text_rows:line"] == 1
    dataset, lines = rows_of(make(tmp_path, b"one\nmore\n\n\ntwo\n", "b.txt"))
    assert lines == [1, 5] and codes(dataset.path)["text_rows:paragraph"] == 1
    assert [example.text for example in examples(dataset.path)] == ["one\nmore", "two"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_encodings_read_the_same(tmp_path: Path, encoding: str) -> None:
    text = "".join(json.dumps(PAIR, ensure_ascii=False) + "\n" for _ in range(5))
    path = make(tmp_path, text.encode(encoding))
    dataset, lines = rows_of(path)
    assert lines == [1, 2, 3, 4, 5]
    assert {row.example.answer for row in dataset if row.example} == {PAIR["completion"]}
    found = codes(path)
    assert ("bom" in found) == (encoding == "utf-8-sig")
    assert any(code.startswith("encoding:utf-16") for code in found) == encoding.startswith("utf-16")


def test_western_bytes_are_read_and_named(tmp_path: Path) -> None:
    text = "".join(json.dumps({**PAIR, "id": n}, ensure_ascii=False) + "\n" for n in range(5))
    path = make(tmp_path, text.encode("cp1252"))
    dataset, _ = rows_of(path)
    assert {row.example.answer for row in dataset if row.example} == {PAIR["completion"]}
    assert codes(path)["encoding:cp1252"] == 5


def test_one_bad_byte_is_damage_on_its_line(tmp_path: Path) -> None:
    good = json.dumps(PAIR, ensure_ascii=False).encode() + b"\n"
    report = check(make(tmp_path, good * 3 + b'{"prompt": "\xe9", "completion": "b"}\n' + good))
    assert list(report.invalid_lines) == [4]
    [finding] = [f for f in report.findings if f.code == "invalid_utf8"]
    assert finding.lines == [4] and "0xe9" in finding.message


def test_files_that_hold_no_rows_say_why(tmp_path: Path) -> None:
    for data, name, words in (
        (b"PAR1\0\0", "a.parquet", "table cannot be read"),
        (os.urandom(3000).replace(b"{", b"\0"), "a.bin", "binary"),
        (b"<!DOCTYPE html><html>", "a.json", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a.csv", "git lfs pull"),
        (b"", "empty.jsonl", "empty"),
        (b"\xef\xbb\xbf \n\n", "blank.jsonl", "white space"),
    ):
        if name == "a.bin":
            data = b"\0\1\2\3" * 500 + data
        with pytest.raises(DiapasonError, match=words):
            open_dataset(make(tmp_path, data, name))
    with pytest.raises(DiapasonError, match="no such file") as caught:
        open_dataset(tmp_path / "empty.json")
    assert "empty.jsonl" in str(caught.value)
    with pytest.raises(DiapasonError, match="folder"):
        open_dataset(tmp_path)
    with pytest.raises(DiapasonError, match="no format"):
        open_dataset(make(tmp_path, b"{}"), "csv")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DiapasonError, match="cannot read"):
        open_dataset(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DiapasonError, match="regular"):
        open_dataset(tmp_path / "pipe")
    assert check(tmp_path / "empty.jsonl").findings[0].code == "empty_file"


def test_a_file_that_shrinks_meanwhile_gives_short_rows(tmp_path: Path) -> None:
    path = make(tmp_path, (json.dumps(PAIR) + "\n").encode() * 100)
    dataset = open_dataset(path)
    assert len(dataset) == 100
    os.truncate(path, 50)
    assert [row.usable for row in dataset].count(False) >= 99


def test_the_index_of_a_large_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.source._CACHED_FROM", 10)
    path = make(tmp_path, b'{"text": "a"}\n\n' * 100)
    assert len(open_dataset(path)) == 100
    assert len(list((tmp_path / "home" / "cache" / "index").iterdir())) == 1
    monkeypatch.setattr("core.data.source.index_lines", lambda *_: pytest.fail("the file was read again"))
    dataset = open_dataset(path)
    assert len(dataset) == 100 and dataset.source.index().blank_count == 100


def test_fingerprints_tell_content_apart(tmp_path: Path) -> None:
    first = fingerprint(make(tmp_path, b"a"))
    assert first["size"] == 1 and first["sha256"] != fingerprint(make(tmp_path, b"b"))["sha256"]
    with pytest.raises(DiapasonError, match="no such file"):
        fingerprint(tmp_path / "none")
