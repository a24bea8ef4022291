"""What lies beside a data set that is named by a dot, and files on a disk that fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.data.card_facts import facts_path
from core.data.place import shown_name
from core.data.report import check
from core.data.unreadable import Unreadable
from tui.cli import run

ROWS = "".join(f'{{"prompt": "Where is parcel {n}?", "completion": "{n}"}}\n' for n in range(20))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    folder = tmp_path / "parcels"
    folder.mkdir()
    for number in range(2):
        (folder / f"part-{number}.jsonl").write_text(ROWS)
    monkeypatch.chdir(folder)
    return folder


def test_the_present_folder_is_a_data_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", "."]) == 0
    assert capsys.readouterr().out.startswith("parcels · prompt-completion · 40 rows")
    assert run(["data", "card", "."]) == 0
    assert capsys.readouterr().out.startswith("# Data card: parcels\n")
    assert run(["data", "card", ".", "--init"]) == 0
    assert (folder.parent / "parcels.card.yaml").is_file()


def test_what_has_no_name_of_its_own_has_that_of_its_folder(folder: Path) -> None:
    assert shown_name(Path()) == "parcels" and shown_name(Path("x.jsonl")) == "x.jsonl"
    assert shown_name(Path("/")) == "/" and facts_path(Path("/")) == Path("/.card.yaml")
    assert facts_path(Path("..")) == folder.parents[1] / f"{folder.parent.name}.card.yaml"
    assert facts_path("x.jsonl") == Path("x.jsonl.card.yaml")


def test_a_disk_that_fails_is_told_with_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(number: int, size: int, start: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(Unreadable) as caught:
        check(folder / "part-0.jsonl")
    assert caught.value.code == "read_error"
    assert run(["data", "check", "part-0.jsonl"]) == 1
    told = capsys.readouterr().err
    assert "part-0.jsonl: cannot be read at byte 0: input/output error" in told and "Copy the file" in told
    assert run(["data", "check", "part-0.jsonl", "--json"]) == 1
    assert '"code": "read_error"' in capsys.readouterr().out
