"""Answers with a verdict (KTO): read as such, and nobody is taught the bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import examples, open_dataset
from core.data.report import check

GOOD = {"prompt": "What is 2 + 2?", "completion": "4", "label": True}
BAD = {"prompt": "What is 2 + 2?", "completion": "5", "label": False}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_bad_answers_are_read_and_not_learnt(tmp_path: Path) -> None:
    talk = {
        "prompt": [{"role": "user", "content": "Hi"}],
        "completion": [{"role": "assistant", "content": "Go away"}],
    }
    file = write(tmp_path / "kto.jsonl", GOOD, BAD, {**talk, "label": False})
    dataset = open_dataset(file)
    assert dataset.format == "kto"
    assert [row.example.verdict for row in dataset if row.example] == [True, False, False]
    assert [example.answer for example in examples(file)] == ["4"]
    assert not check(file).findings


def test_a_label_that_is_no_verdict_is_an_error_where_kto_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "kto.jsonl", {**GOOD, "label": "FALSE"}, {**BAD, "label": 1}, {**BAD, "label": "maybe"})
    rows = list(open_dataset(file, "kto"))
    assert [row.example.verdict if row.example else None for row in rows] == [False, True, None]
    assert [finding.code for finding in rows[2].findings] == ["wrong_type"]


def test_a_class_beside_a_pair_is_no_verdict(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", {**GOOD, "label": "easy"}, {**BAD, "label": "hard"})
    assert open_dataset(file).format == "prompt-completion"
