"""`diapason evaluate` and `diapason chat` as a person calls them, on a run that is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import read_json, write_json
from tests.tiny import make_tiny_model
from tests.training import chat_rows, make_run, start, write_jsonl


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Diapason home with one completed run."""
    root = tmp_path_factory.mktemp("home")
    model = make_tiny_model(root / "model")
    run = make_run(root / "runs" / "01kabcdefghjkmnpqrstvwxyz0-tiny", model, train={"max_steps": 6})
    assert start(run).wait(300) == 0, (run / "log.txt").read_text()
    write_json(run / "state.json", {"schema": 1, "status": "completed", "attempt": 1, "step": 6, "total_steps": 6})
    return root


def diapason(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "DIAPASON_HOME": str(home),
        "DIAPASON_LOCKS": str(home / "locks"),
        "HF_HOME": str(home / "hf"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        env=variables,
        input=given,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_evaluate_shows_the_arms_side_by_side_and_works_once(home: Path) -> None:
    first = diapason(home, "evaluate", "last")
    assert first.returncode == 0, first.stderr
    assert "8 test rows of" in first.stdout and "answer loss ↓" in first.stdout
    heads = next(line for line in first.stdout.splitlines() if line.startswith(" ") and "base" in line)
    assert heads.split() == ["base", "few-shot:2", "tuned"]
    assert "tuned against base" in first.stdout and "★ primary metric: chrF2" in first.stdout
    (run,) = (home / "runs").iterdir()
    assert (run / "evaluation" / "answers.jsonl").is_file()

    table = home / "table.csv"
    again = diapason(home, "evaluate", "01k", "--json", "--export", str(table))
    assert again.returncode == 0, again.stderr
    assert "\ntuned,base,chrf,yes," in table.read_text()
    assert "were evaluated on these rows before" in again.stderr
    assert len(list((run / "jobs").iterdir())) == 1
    document = json.loads(again.stdout)
    assert document == read_json(run / "evaluation" / "result.json")
    assert document["schema"] == 1 and document["rows"] == 8 and document["refused"] == 0
    assert {arm["name"] for arm in document["arms"]} == {"base", "few-shot:2", "tuned"}
    for arm in document["arms"]:
        loss = arm["metrics"]["loss"]
        assert loss["low"] <= loss["value"] <= loss["high"]
    gap = next(c for c in document["comparisons"] if (c["against"], c["metric"]) == ("base", "loss"))
    assert gap["high"] < 0 and gap["p"] < 0.01


def test_rows_that_were_trained_on_are_refused(home: Path, tmp_path: Path) -> None:
    mixed = write_jsonl(tmp_path / "mixed.jsonl", chat_rows(3) + chat_rows(2, 300))
    result = diapason(home, "evaluate", "last", "--data", str(mixed), "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["rows"], document["refused"]) == (2, 3)

    known = write_jsonl(tmp_path / "known.jsonl", chat_rows(3))
    result = diapason(home, "evaluate", "last", "--data", str(known))
    assert result.returncode == 1 and result.stdout == ""
    assert "nothing to evaluate on: all 3 prompts were trained on" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_without_a_model_is_named(home: Path) -> None:
    bare = make_run(home / "other" / "runs" / "01kabcdefghjkmnpqrstvwxyz1-bare", home / "model")
    write_json(bare / "state.json", {"schema": 1, "status": "failed"})
    for command in ("evaluate", "chat"):
        result = diapason(home / "other", command, "last")
        assert result.returncode == 1 and "has no tuned model yet" in result.stderr, result.stderr


def test_both_models_answer_in_plain_lines(home: Path) -> None:
    lines = "Where is my lamp?\n\nAnd the \x1b[2Jchair?\n/new\nWhere is my lamp?\n/quit\nnot reached\n"
    result = diapason(home, "chat", "last", "--max-new-tokens", "5", given=lines)
    assert result.returncode == 0, result.stderr
    answers = [line for line in result.stdout.splitlines() if line.startswith(("base   ›", "tuned  ›"))]
    assert [line[:5] for line in answers] == ["base ", "tuned"] * 3
    assert result.stdout.count("A new conversation.") == 1
    assert "\x1b" not in result.stdout

    ended = diapason(home, "chat", "last", "--max-new-tokens", "1", given="Where?")
    assert ended.returncode == 0 and ended.stdout.count("›") == 2


def test_a_broken_model_is_one_plain_message(home: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "01kabcdefghjkmnpqrstvwxyz2-broken", home / "model")
    write_json(run / "state.json", {"schema": 1, "status": "completed"})
    (run / "adapter").mkdir()
    result = diapason(tmp_path, "chat", "last", given="Hello\n")
    assert result.returncode == 1
    assert result.stderr.startswith("diapason: ") and "Traceback" not in result.stderr
