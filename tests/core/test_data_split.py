"""Parts that share no prompt, seeded, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.data.dataset import examples
from core.data.split import SplitResult, prompt_key, split
from core.errors import DiapasonError, UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def parts(result: SplitResult) -> list[Path]:
    return [path for path in (result.train, result.validation, result.test) if path is not None]


def prompts(path: Path) -> set[bytes]:
    return {prompt_key(example.prompt_text) for example in examples(path)}


def test_parts_share_no_prompt_and_copy_bytes(tmp_path: Path) -> None:
    lines = [f'{{"prompt":  "Q{n % 70}{"!" * (n % 3)}", "completion": "a{n}", "x": 1.50}}\n' for n in range(200)]
    lines[7] = '{"prompt": "no answer"}\n'
    source = tmp_path / "in.jsonl"
    source.write_text("".join(lines))
    result = split(source, tmp_path / "out", seed=3)
    assert [path.name for path in parts(result)] == ["train.jsonl", "validation.jsonl", "test.jsonl"]
    seen = [prompts(path) for path in parts(result)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    written = [path.read_text().splitlines(keepends=True) for path in parts(result)]
    assert sorted(sum(written, [])) == sorted(lines[:7] + lines[8:]) and result.skipped == 1
    for part in written:
        assert [lines.index(line) for line in part] == sorted(lines.index(line) for line in part)
    assert result.counts == {"train": len(written[0]), "validation": len(written[1]), "test": len(written[2])}
    assert 15 <= len(written[1]) <= 25 and 15 <= len(written[2]) <= 25


def test_the_seed_decides(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"prompt": f"q{n}", "completion": "a"}) + "\n" for n in range(100)))
    first = split(source, tmp_path / "a", seed=1).train.read_bytes()
    assert split(source, tmp_path / "b", seed=1).train.read_bytes() == first
    assert split(source, tmp_path / "c", seed=2).train.read_bytes() != first
    assert source.stat().st_size == len(first) * 100 / 80 or first.count(b"\n") == 80


def test_labels_are_spread_evenly_and_csv_keeps_its_header(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    rows = [f'"text, ""{n}""\nmore";{"a" if n % 5 else "b"}\r\n' for n in range(200)]
    source.write_bytes(("Text;Label\r\n" + "".join(rows)).encode())
    result = split(source, tmp_path / "out")
    for path in parts(result):
        assert path.suffix == ".csv" and path.read_bytes().startswith(b"Text;Label\r\n")
        labels = [example.label for example in examples(path)]
        assert 0.1 <= labels.count("b") / len(labels) <= 0.3
    assert sum(path.read_bytes().count(b"more") for path in parts(result)) == 200


def test_csv_without_a_header_gets_one(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("".join(f"The film number {n} was long,{'good' if n % 2 else 'bad'}\n" for n in range(40)))
    result = split(source, tmp_path / "out")
    assert sum(len(list(examples(path))) for path in parts(result)) == 40
    assert result.train.read_bytes().startswith(b"text,label\n")


def test_arrays_become_lines_without_loss(tmp_path: Path) -> None:
    values = [{"prompt": f"q{n}é", "completion": "a", "id": 2**70 + n, "score": 0.1} for n in range(30)]
    source = tmp_path / "in.json"
    source.write_text(json.dumps(values, indent=2))
    result = split(source, tmp_path / "out")
    back = [json.loads(line) for path in parts(result) for line in path.read_text("utf-8").splitlines()]
    assert sorted(back, key=lambda value: value["id"]) == values


@pytest.mark.parametrize(("text", "suffix"), [("one {n}\n", ".txt"), ("one {n}\nmore\n\n", ".jsonl")])
def test_plain_text(tmp_path: Path, text: str, suffix: str) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(text.format(n=n) for n in range(20)))
    result = split(source, tmp_path / "out")
    before = sorted(example.text or "" for example in examples(source))
    after = sorted(example.text or "" for path in parts(result) for example in examples(path))
    assert before == after and len(before) == 20 and result.train.suffix == suffix


def test_other_encodings_become_utf8(tmp_path: Path) -> None:
    rows = [json.dumps({"prompt": f"Où {n} ?", "completion": "Là."}, ensure_ascii=False) for n in range(20)]
    for encoding in ("utf-16", "cp1252", "utf-8-sig"):
        source = tmp_path / f"{encoding}.jsonl"
        source.write_bytes("\n".join(rows).encode(encoding))
        result = split(source, tmp_path / encoding)
        assert sorted(sum((path.read_text("utf-8").splitlines() for path in parts(result)), [])) == sorted(rows)


def test_what_cannot_be_split_is_said(tmp_path: Path) -> None:
    source = tmp_path / "train.jsonl"
    source.write_text(json.dumps({"prompt": "q", "completion": "a"}) + "\n")
    with pytest.raises(DiapasonError, match="cannot fill 3 parts"):
        split(source, tmp_path / "out")
    with pytest.raises(UsageError, match="nothing to train on"):
        split(source, tmp_path / "out", validation=0.5, test=0.5)
    with pytest.raises(DiapasonError, match="source itself"):
        split(source, tmp_path, validation=0, test=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DiapasonError, match="cannot write"):
        split(source, tmp_path / "file" / "x", validation=0, test=0)
    only = split(source, tmp_path / "all", validation=0, test=0)
    assert parts(only) == [only.train] and only.counts == {"train": 1}


def test_three_rows_fill_three_parts(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"prompt": f"q{n}", "completion": "a"}) + "\n" for n in range(3)))
    assert split(source, tmp_path / "out").counts == {"train": 1, "validation": 1, "test": 1}


def test_what_is_too_little_to_split_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "", "completion": ""}\n' * 3)
    with pytest.raises(DiapasonError, match="no row can be used"):
        split(path, tmp_path / "parts")
    path.write_text("".join(json.dumps({"prompt": f"Q{n}", "completion": "x", "by": "ann"}) + "\n" for n in range(9)))
    with pytest.raises(DiapasonError, match="1 group of rows that share `by` cannot fill 3 parts"):
        split(path, tmp_path / "parts", group="by")


def test_no_part_of_an_earlier_split_stays(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Q{n} {n * 7919}", "completion": "x"}) + "\n" for n in range(40)))
    split(path, tmp_path / "parts")
    with pytest.raises(UsageError, match="validation part of an earlier split"):
        split(path, tmp_path / "parts", validation=0, force=True)
    (tmp_path / "parts" / "validation.jsonl").unlink()
    assert split(path, tmp_path / "parts", validation=0, force=True).validation is None
