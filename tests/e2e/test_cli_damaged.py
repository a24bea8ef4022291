"""What the data commands say of a file that ends early, and of rows that all go."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tui.cli import run


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gzip file of 300 rows that lost its last third."""
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    rows = [
        {"prompt": f"Question {number} \u200b{number * 7919}", "completion": f"x{number}"} for number in range(300)
    ]
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["data", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_parts_of_a_damaged_file_are_told(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "split", cut, "-o", cut.parent / "parts")
    assert code == 1 and "✗ truncated_gzip: the gzip file ends too early" in out
    assert (cut.parent / "parts" / "train.jsonl").exists()
    code, out, _ = call(capsys, "split", cut, "-o", cut.parent / "parts", "--json", "--force")
    assert code == 1 and [found["code"] for found in json.loads(out)["damage"]] == ["truncated_gzip"]


def test_mending_a_damaged_file_tells_what_is_missing(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_file = cut.parent / "mended.jsonl"
    code, out, _ = call(capsys, "fix", cut, "-o", out_file, "--only", "zero_width")
    assert code == 1 and "✗ truncated_gzip" in out and "\u200b" not in out_file.read_text()
    code, out, _ = call(capsys, "fix", cut, "--dry-run", "--only", "zero_width", "--json")
    assert code == 1 and json.loads(out)["damage"]


def test_numbers_of_a_damaged_file_are_of_what_is_left(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "stats", cut)
    assert code == 0 and "✗ truncated_gzip" in out.splitlines()[1]
    document = json.loads(call(capsys, "stats", cut, "--json")[1])
    assert document["damage"][0]["code"] == "truncated_gzip" and 0 < document["rows"]["total"] < 300


def test_a_damaged_file_is_converted_only_when_told(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = cut.parent / "rows.jsonl"
    code, out, _ = call(capsys, "convert", cut, "--to", "chat", "-o", target)
    assert code == 1 and "behind the damage" in out and not target.exists()
    code, out, _ = call(capsys, "convert", cut, "--to", "chat", "-o", target, "--lossy")
    assert code == 0 and "behind the damage" in out and target.exists()


def test_a_fix_that_drops_every_row_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "Hi", "completion": ""}\n' * 3)
    code, out, err = call(capsys, "fix", path, "-o", tmp_path / "out.jsonl", "--only", "empty_output:drop")
    assert code == 1 and "out.jsonl: no row would be left" in err and not out
    code, out, _ = call(capsys, "fix", path, "--dry-run", "--only", "empty_output:drop")
    assert code == 1 and "3 rows before, 0 after" in out and "left: no row" in out
    other = tmp_path / "test.jsonl"
    other.write_text('{"prompt": "Hi", "completion": "there"}\n')
    path.write_text('{"prompt": "Hi", "completion": "you"}\n' * 3)
    code, _, err = call(
        capsys, "fix", path, "-o", tmp_path / "out.jsonl", "--only", "leakage:drop", "--against", other
    )  # fmt: skip
    assert code == 1 and "no row would be left" in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home", "rows.jsonl", "test.jsonl"]
