"""Encodings recognised, named and readable; line ends; what stands around the rows and in the file's name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.data.dataset import open_dataset
from core.data.encodings import legacy_encoding, line_encoding
from core.data.report import Finding, Report, check
from core.data.split import split
from core.data.unreadable import Unreadable

SPOKEN = {
    "cp1252": ("Où est mon colis, à l’hôtel ?", "En route, « demain » ! Ça coûte 5 €."),
    "gb18030": ("你好，我想知道我的订单什么时候到？", "您的包裹已经在路上了，明天就会送到。"),
    "big5": ("你好，我想知道我的訂單什麼時候到？", "您的包裹已經在路上了，明天就會送到。"),
    "cp932": ("こんにちは、注文はいつ届きますか？", "ただいま配送中です。明日には届く予定です。"),
    "euc_jp": ("こんにちは、注文はいつ届きますか？", "ただいま配送中です。明日には届く予定です。"),
    "cp949": ("안녕하세요, 제 주문이 언제 도착하나요?", "지금 배송 중입니다. 내일 도착할 예정입니다."),
    "cp1251": ("Здравствуйте, когда придёт мой заказ?", "Он уже в пути и будет завтра утром."),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def make(tmp_path: Path, data: bytes, name: str = "data.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def found(report: Report, code: str, detail: str | None = None) -> Finding | None:
    hits = (f for f in report.findings if f.code == code and detail in (None, f.detail))
    return next(hits, None)


def lines(prompt: str, answer: str, count: int = 8) -> str:
    rows = [{"prompt": f"{n}. {prompt}", "completion": f"{answer} {n}"} for n in range(count)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("name", SPOKEN)
def test_old_encodings_are_named_and_read(tmp_path: Path, name: str) -> None:
    prompt, answer = SPOKEN[name]
    path = make(tmp_path, lines(prompt, answer).encode(name))
    dataset = open_dataset(path)
    assert [row.example.prompt_text for row in dataset if row.example] == [f"{n}. {prompt}" for n in range(8)]
    assert [row.line for row in dataset] == list(range(1, 9))
    named = found(check(path), "encoding", name)
    assert named is not None and named.count == 8 and named.severity == "warning"
    result = split(path, tmp_path / "out")
    assert answer in result.train.read_text("utf-8")


@pytest.mark.parametrize("name", ["gb18030", "cp932", "cp1252"])
@pytest.mark.parametrize("indent", [None, 2])
def test_arrays_in_old_encodings_are_cut_after_decoding(tmp_path: Path, name: str, indent: int | None) -> None:
    prompt, answer = SPOKEN[name]
    # 表 ends in a backslash in cp932, 俓 in GB18030: cut before decoding, the string would not end.
    odd = {"cp932": "表", "gb18030": "俓"}.get(name, "é")
    values = [{"prompt": f"{prompt}{odd}", "completion": f"{answer}{odd}"} for _ in range(6)]
    path = make(tmp_path, json.dumps(values, indent=indent, ensure_ascii=False).encode(name), "data.json")
    assert [row.value for row in open_dataset(path)] == values


@pytest.mark.parametrize("name", ["utf-32", "utf-16", "utf-16-be"])
def test_wide_encodings_read_the_same(tmp_path: Path, name: str) -> None:
    prompt, answer = SPOKEN["gb18030"]
    text = lines(prompt + " order", answer)
    path = make(tmp_path, text.encode(name))
    report = check(path)
    assert report.rows_valid == 8 or name == "utf-16-be"
    if name != "utf-16-be":
        assert found(report, "encoding") is not None


def test_a_broken_wide_file_counts_what_it_lost(tmp_path: Path) -> None:
    data = bytearray(lines("plain", "text").encode("utf-16"))
    data[40:42] = b"\x00\xd8"
    report = check(make(tmp_path, bytes(data)))
    lost = found(report, "invalid_utf8", "utf-16-le")
    assert lost is not None and lost.count == 1 and "1 characters" not in lost.message


@pytest.mark.parametrize("name", ["cp1252", "gb18030"])
def test_mixed_encodings_point_at_the_line(tmp_path: Path, name: str) -> None:
    utf8 = lines(*SPOKEN["cp1252"]).encode().splitlines(keepends=True)
    other = lines(*SPOKEN[name]).encode(name).splitlines(keepends=True)
    path = make(tmp_path, b"".join([*utf8[:3], other[0], *utf8[3:], other[1]]))
    report = check(path)
    bad = found(report, "invalid_utf8", name)
    assert bad is not None and bad.lines == [4, 10] and SPOKEN[name][0][:4] in bad.message
    assert list(report.invalid_lines) == [4, 10] and found(report, "encoding") is None


def test_damage_is_no_encoding() -> None:
    def guess(data: bytes) -> str | None:
        return legacy_encoding(lambda start, end: data[start:end], 0, len(data))

    assert guess(b"ok\n" * 50 + b"a\xff\xfe\xfdb\n" + b"ok\n" * 50) is None
    assert guess(b"".join(b"x" + bytes([200 + n, 129, 141, 254]) + b"y\n" for n in range(20))) is None
    assert line_encoding(b"caf\xe9 cr\xe8me") == "cp1252" and line_encoding(b"\x81\x8d") is None
    assert line_encoding("你好，订单".encode("gb18030")) == "gb18030"


# -- line ends --------------------------------------------------------------------------------------------


def test_a_lone_carriage_return_ends_lines_only_without_line_feeds(tmp_path: Path) -> None:
    text = lines("a", "b").replace("\n", "\r")
    report = check(make(tmp_path, text.encode()))
    odd = found(report, "cr_only")
    assert odd is not None and odd.count == 8 and report.rows_valid == 8 and found(report, "crlf") is None
    assert [row.line for row in open_dataset(make(tmp_path, text.encode()))] == list(range(1, 9))
    mixed = '{"prompt": "a",\r "completion": "b"}\n{"prompt": "c",\r "completion": "d"}\n'
    report = check(make(tmp_path, mixed.encode()))
    assert report.rows_total == 2 and found(report, "cr_only") is None


def test_old_mac_tables_and_quoted_breaks(tmp_path: Path) -> None:
    path = make(tmp_path, b'text,label\r"two\rlines",a\rplain,b\r', "mac.csv")
    rows = list(open_dataset(path))
    assert [row.value for row in rows] == [{"text": "two\nlines", "label": "a"}, {"text": "plain", "label": "b"}]
    assert [row.line for row in rows] == [2, 4]


# -- the frame --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "detail"),
    [
        (lines("a", "b").encode(), "rows.json", "jsonl"),
        (json.dumps([{"text": "a"}] * 3).encode(), "rows.jsonl", "json"),
        (lines("a", "b").encode(), "rows.csv", "jsonl"),
        (b"text,label\na,b\nc,d\n", "rows.jsonl", "csv"),
        (b"text,label\na,b\nc,d\n", "rows.json", "csv"),
        (lines("a", "b").encode(), "rows.txt", "jsonl"),
        (lines("a", "b").encode(), "rows.parquet", "jsonl"),
    ],
)
def test_the_content_decides_and_a_wrong_name_is_said(tmp_path: Path, data: bytes, name: str, detail: str) -> None:
    report = check(make(tmp_path, data, name))
    odd = found(report, "extension_mismatch")
    assert odd is not None and odd.detail == detail and odd.severity == "note" and report.rows_valid >= 2


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (lines("a", "b").encode(), "rows.jsonl"),
        (lines("a", "b").encode(), "rows"),
        (json.dumps([{"text": "a"}]).encode(), "rows.json"),
        (json.dumps({"text": "a"}).encode(), "one.json"),
        (json.dumps({"data": [{"text": "a"}] * 3}).encode(), "rows.json"),
        (b"text,label\na,b\nc,d\n", "rows.csv"),
        (b'text,label\n"[1], x",b\n', "rows.csv"),
        (b"[tag] text,label\na,b\nc,d\n", "rows.csv"),
        (b"broken {\n", "rows.jsonl"),
        (b"just text\n", "notes.md"),
    ],
)
def test_a_right_name_is_not_wrong(tmp_path: Path, data: bytes, name: str) -> None:
    assert found(check(make(tmp_path, data, name)), "extension_mismatch") is None


@pytest.mark.parametrize(
    ("name", "sign", "detail"),
    [
        ("a.csv", ";", "semicolon"),
        ("a.csv", "\t", "tab"),
        ("a.csv", "|", "pipe"),
        ("a.tsv", "\t", ""),
        ("a.csv", ",", ""),
    ],
)
def test_delimiters_are_named(tmp_path: Path, name: str, sign: str, detail: str) -> None:
    data = "".join(f"{text}{sign}{label}\n" for text, label in [("text", "label"), ("a, b", "x"), ("c", "y")])
    if sign == ",":
        data = data.replace("a, b", '"a, b"')
    report = check(make(tmp_path, data.encode(), name))
    said = found(report, "delimiter")
    assert (said.detail if said else "") == detail and report.format == "classification" and report.rows_valid == 2


def test_names_that_act_on_a_terminal(tmp_path: Path) -> None:
    odd = found(check(make(tmp_path, lines("a", "b").encode(), "a\x1b[2Jb.jsonl")), "terminal_escape_in_name")
    assert odd is not None and "U+001B at character 2" in odd.message
    plain = check(make(tmp_path, lines("a", "b").encode(), "prénom — 你好 👩‍🚀.jsonl"))
    assert found(plain, "terminal_escape_in_name") is None


def test_a_huge_row_is_named_and_beyond_the_limit_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.dataset.HUGE_ROW", 10_000)
    monkeypatch.setattr("core.data.lane.HUGE_ROW", 10_000)
    monkeypatch.setattr("core.data.dataset.LONGEST_ROW", 50_000)
    monkeypatch.setattr("core.data.source.LONGEST_ROW", 50_000)
    rows = [{"prompt": "q", "completion": "a" * size} for size in (10, 20_000, 80_000, 10)]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for name, text in (("a.jsonl", data), ("a.json", json.dumps(rows).encode())):
        path = make(tmp_path, text, name)
        report = check(path)
        big, far = found(report, "huge_line", ""), found(report, "huge_line", "not_read")
        assert big is not None and big.severity == "warning" and list(big.rows) == [1]
        assert far is not None and far.severity == "error" and list(far.rows) == [2] and report.rows_valid == 3
        assert len(open_dataset(path).raw(2)) == 50_001


@pytest.mark.parametrize(
    ("data", "name", "code", "detail"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a.csv", "lfs_pointer", ""),
        (b"<!DOCTYPE html><html>", "a.json", "html_not_data", ""),
        (b"\n <html lang=en>", "a.jsonl", "html_not_data", ""),
        (b'<?xml version="1.0"?>', "a.csv", "html_not_data", "xml"),
        (b"PK\x03\x04abc", "a.xlsx", "binary_file", "zip"),
        (b"%PDF-1.7", "a.pdf", "binary_file", "pdf"),
        (b"SQLite format 3\0", "a.db", "binary_file", "sqlite"),
        (b"\0\1\2\3" * 500, "a.bin", "binary_file", ""),
        (b"", "a.jsonl", "empty_file", ""),
    ],
)
def test_files_of_another_kind_have_a_code(tmp_path: Path, data: bytes, name: str, code: str, detail: str) -> None:
    with pytest.raises(Unreadable) as caught:
        open_dataset(make(tmp_path, data, name))
    assert (caught.value.code, caught.value.detail) == (code, detail) and caught.value.hint


def test_places_of_another_kind_have_a_code(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    file = make(tmp_path, b"{}")
    names = {"loop": "symlink_loop", "dangling": "not_found", "pipe": "not_regular_file", "none": "not_found",
             f"{file.name}/x": "not_found", "a" * 300: "not_found", "nul\0": "not_found"}  # fmt: skip
    for name, code in names.items():
        with pytest.raises(Unreadable) as caught:
            open_dataset(tmp_path / name)
        assert caught.value.code == code, name


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = make(tmp_path, b"{}")
    path.chmod(0)
    with pytest.raises(Unreadable) as caught:
        open_dataset(path)
    assert caught.value.code == "permission_denied"


def test_a_refused_open_is_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, b"{}")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Unreadable, match="permission denied") as caught:
        open_dataset(path)
    assert caught.value.code == "permission_denied"


def test_headers_in_old_encodings_name_the_columns(tmp_path: Path) -> None:
    table = "Question posée;réponse\n" + "".join(f"Où est {n} ?;À l’étage {n}\n" for n in range(6))
    path = make(tmp_path, table.encode("cp1252"), "a.csv")
    rows = list(open_dataset(path, map="prompt=Question posée,completion=réponse"))
    assert [row.example.answer for row in rows if row.example] == [f"À l’étage {n}" for n in range(6)]
