"""What the data commands write: never over the data itself, and over other files only by --force."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tui.cli import run

ROWS = "".join(json.dumps({"prompt": f"Where is parcel {n}?", "completion": f"{n}"}) + "\n" for n in range(30))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.jsonl"
    path.write_text(ROWS)
    (tmp_path / "link.md").symlink_to(path)
    os.link(path, tmp_path / "hard.md")
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(2):
        (shards / f"part-{number}.jsonl").write_text(ROWS)
    return path


@pytest.mark.parametrize("out", ["data.jsonl", "./data.jsonl", "link.md", "hard.md"])
def test_a_page_never_replaces_its_data(data: Path, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["check", "data.jsonl", "--report", out], ["card", "data.jsonl", "-o", out]):
        for force in ([], ["--force"]):
            assert run(["data", *command, *force]) == 2
            assert "the source itself" in capsys.readouterr().err and data.read_text() == ROWS


def test_a_page_never_replaces_a_shard(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = data.parent / "shards" / "part-1.jsonl"
    assert run(["data", "check", "shards", "--report", str(shard), "--force"]) == 2
    assert "the source itself" in capsys.readouterr().err and shard.read_text() == ROWS


def test_a_report_replaces_another_file_by_force_only(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = data.with_name("page.md")
    page.write_text("mine")
    arguments = ["data", "check", "data.jsonl", "--report", "page.md"]
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert "there already" in told.err and "--force" in told.err and not told.out and page.read_text() == "mine"
    assert run([*arguments, "--force"]) == 0
    assert page.read_text().startswith("# Data card: data.jsonl")


def test_parts_replace_others_by_force_only(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = data.parent / "parts"
    parts.mkdir()
    (parts / "validation.jsonl").write_text("mine")
    arguments = ["data", "split", "data.jsonl", "-o", "parts"]
    assert run(arguments) == 2
    assert "validation.jsonl: is there already" in capsys.readouterr().err
    assert [entry.name for entry in parts.iterdir()] == ["validation.jsonl"]
    assert (parts / "validation.jsonl").read_text() == "mine"
    assert run([*arguments, "--force"]) == 0
    assert len((parts / "validation.jsonl").read_text().splitlines()) == 3
    data.rename(parts / "train.jsonl")
    assert run(["data", "split", "parts/train.jsonl", "-o", "parts", "--force"]) == 2
    assert "the source itself" in capsys.readouterr().err and (parts / "train.jsonl").read_text() == ROWS
