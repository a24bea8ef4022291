"""Scores by slice out of answers that were damaged, cut off or edited by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import fingerprint
from tests.tui.fake_result import fake_answers, fake_result
from tui.cli import run

NAME = "20260101-000000-slices"
Record = dict[str, Any]


@pytest.fixture
def test_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    path = tmp_path / "test.jsonl"
    rows = [{"prompt": f"Question {n}", "completion": "x", "topic": "ab"[n % 2]} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "home" / "runs" / NAME
    (folder / "evaluation").mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    result = fake_result(12) | {"data": {**fingerprint(path), "format": None}}
    (folder / "evaluation" / "result.json").write_text(json.dumps(result))
    return path


def answers(test_file: Path) -> Path:
    return test_file.parent / "home" / "runs" / NAME / "evaluation" / "answers.jsonl"


def write(path: Path, records: list[Record]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def stats(test_file: Path) -> int:
    return run(["data", "stats", str(test_file), "--by", "topic", "--run", NAME])


def changed(**fields: Any) -> Callable[[Record], Record]:
    return lambda record: record | fields


def without(name: str) -> Callable[[Record], Record]:
    return lambda record: {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    "damage",
    [
        *(without(name) for name in ("row", "arm", "answer", "reference", "nll", "answer_tokens")),
        changed(row=12), changed(row=-1), changed(row="1"), changed(row=True), changed(arm=["tuned"]),
        changed(answer=None), changed(reference=5), changed(nll="x"), changed(nll=None), changed(answer_tokens=-1),
        changed(answer_tokens=10**400), changed(nll=10**400),
    ],
)  # fmt: skip
def test_a_damaged_answer_is_named(
    test_file: Path, damage: Callable[[Record], Record], capsys: pytest.CaptureFixture[str]
) -> None:
    records = fake_answers()
    records[4] = damage(records[4])
    write(answers(test_file), records)
    assert stats(test_file) == 1
    told = capsys.readouterr().err
    assert f"{answers(test_file)}:5: " in told and "diapason evaluate 000000-slices" in told


def test_answers_that_end_too_early_are_named(test_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(answers(test_file), fake_answers()[:-1])
    assert stats(test_file) == 1
    told = capsys.readouterr().err
    assert f"{answers(test_file)}:35: " in told and "1 of 36 answers" in told
    whole = "".join(json.dumps(record) + "\n" for record in fake_answers())
    answers(test_file).write_text(whole[: len(whole) // 2])
    assert stats(test_file) == 1 and "of 36 answers" in capsys.readouterr().err
    answers(test_file).unlink()
    assert stats(test_file) == 1 and "answers.jsonl: " in capsys.readouterr().err


def test_a_broken_line_is_named_where_its_answer_is_missing(
    test_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(record) for record in fake_answers()]
    lines[6] = lines[6][:40]
    answers(test_file).write_text("\n".join(lines) + "\n")
    assert stats(test_file) == 1
    assert f"{answers(test_file)}:7: " in capsys.readouterr().err


def test_a_line_that_a_crash_tore_and_a_later_run_wrote_again_is_passed_over(
    test_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(record) for record in fake_answers()]
    answers(test_file).write_text("\n".join([lines[0][:30], *lines]) + "\n")
    assert stats(test_file) == 0
    assert "scores of" in capsys.readouterr().out
