"""`diapason metrics` as a person calls it: joining, scores, comparisons, own metrics, and every kind of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tui.cli import run

SAID = ["the lamp is in Paris", "a red chair", "no", "old house"]
WANTED: list[Any] = ["the lamp is in Paris", ["the red chair", "a red chair"], "yes", "new house"]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    said = write(tmp_path / "p.jsonl", [{"id": place, "prediction": text} for place, text in enumerate(SAID)])
    wanted = [{"id": str(place), "reference": text} for place, text in enumerate(WANTED)]
    return said, write(tmp_path / "r.jsonl", wanted[::-1])


def diapason(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", "metrics", *arguments], capture_output=True, text=True, timeout=200, check=False
    )


def test_predictions_are_scored_and_two_files_compared(files: tuple[Path, Path], tmp_path: Path) -> None:
    import sacrebleu

    said, wanted = files
    names = "bleu,rouge,chrf,exact_match,f1"
    done = diapason("--predictions", str(said), "--references", str(wanted), "--metric", names, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["joined"], document["rows"]) == ("id", 4)
    scores = document["arms"][0]["metrics"]
    # In the order of the references, the last of which was written first.
    streams = [[row[at] if at < len(row) else None for row in
                ([text] if isinstance(text, str) else text for text in WANTED)] for at in range(2)]  # fmt: skip
    assert scores["bleu"]["value"] == pytest.approx(sacrebleu.corpus_bleu(SAID, streams).score, abs=1e-6)
    assert (
        scores["exact_match"]["value"] == 0.5 and scores["exact_match"]["low"] < 0.5 < scores["exact_match"]["high"]
    )
    assert set(scores) == {"bleu", "rouge1", "rouge2", "rougeL", "chrf", "exact_match", "macro_f1", "macro_precision",
                           "macro_recall"}  # fmt: skip

    other = write(tmp_path / "b.jsonl", [{"id": place, "answer": "no", "prompt": "?"} for place in range(4)])
    own = tmp_path / "own.py"
    own.write_text("def score(prediction, reference):\n    return len(prediction)\n")
    out = tmp_path / "out.md"
    done = diapason("--predictions", str(said), "--answers", str(other), "--references", str(wanted), "--metric",
                    f"exact_match,{own}", "--metric", "regex:^(a|the),? ", "--export", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "b against p" in done.stdout and "exact McNemar; paired bootstrap, corrected by Holm" in done.stdout
    assert "exact match ↑ ★" in done.stdout and "own ↑" in done.stdout and "0.500 [" in done.stdout
    assert "| exact match ↑ ★ |" in out.read_text()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of arguments that are wrong."""
    assert run(["metrics", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err
    return captured.err


P, R = "prediction", "reference"


@pytest.mark.parametrize(
    ("predictions", "references", "said"),
    [
        ([{P: "a"}, "{"], [{R: "a"}, {R: "b"}], "p.jsonl:2: this is not JSON"),
        ([{P: "a"}, "[1]"], [{R: "a"}], "p.jsonl:2: this row is no JSON object"),
        ([{P: "a"}, "\udc80"], [{R: "a"}], ""),
        ([{"text": "a"}], [{R: "a"}], "p.jsonl:1: this row has no `prediction`; it has text"),
        ([{P: 3}], [{R: "a"}], "p.jsonl:1: `prediction` is a number, not a text"),
        ([{P: None}], [{R: "a"}], "p.jsonl:1: `prediction` is null, not a text"),
        ([{P: ["a"]}], [{R: "a"}], "p.jsonl:1: `prediction` is a list, not a text"),
        ([{P: "a"}], [{R: []}], "r.jsonl:1: `reference` is an empty list"),
        ([{P: "a"}], [{R: ["a", None]}], "r.jsonl:1: `reference` is null, not a text or a list of texts"),
        ([{P: "a", "id": {}}], [{R: "a"}], "p.jsonl:1: `id` is an object, not a text or a whole number"),
        ([{P: "a", "id": 1}, {P: "b", "id": "1"}], [{R: "a"}], 'p.jsonl:2: the id "1" is that of line 1 too'),
        ([{P: "a", "id": 1}], [{R: "a", "id": 1}, {R: "b", "id": 2}], 'r.jsonl:2: its id "2" is not in'),
        ([{P: "a", "id": 1}, {P: "a", "id": 3}], [{R: "a", "id": 1}], 'p.jsonl:2: its id "3" is not in'),
        ([{P: "a"}], [{R: "a"}, "", {R: "b"}], "r.jsonl:3: row 2 has no partner"),
        ([{P: "a"}, {P: "b"}, {P: "c"}], [{R: "a"}, {R: "b"}], "p.jsonl:3: row 3 has no partner"),
        ([], [{R: "a"}], "p.jsonl: has no rows"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, predictions: list[Any], references: list[Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not said:
        (tmp_path / "p.jsonl").write_bytes(b'{"prediction": "a"}\n{"prediction": "\x80"}\n')
        said = "p.jsonl:2: this is not UTF-8"
    else:
        write(tmp_path / "p.jsonl", predictions)
    write(tmp_path / "r.jsonl", references)
    found = told(capsys, "--predictions", str(tmp_path / "p.jsonl"), "--references", str(tmp_path / "r.jsonl"),
                 "--metric", "exact_match")  # fmt: skip
    assert said in found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metric", "blue"], "`blue` is no metric; is it bleu?"),
        (["--metric", "loss"], "loss needs the model's own probabilities"),
        (["--metric", "regex:("], "is no regular expression"),
        (["--metric", "length:9"], "is no length"),
        (["--metric", "nowhere.py"], "nowhere.py: there is no such file"),
        (["--metric", ","], "--metric names no metric"),
        (["--metric", "bleu", "--primary", "chrf"], "`chrf` is not among those measured"),
        (["--metric", "bleu", "--export", "x.pdf"], "is exported as .csv, .json or .md"),
    ],
)
def test_a_wrong_wish_is_told(
    files: tuple[Path, Path], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in told(capsys, "--predictions", str(files[0]), "--references", str(files[1]), *arguments)


def test_without_references_only_checks_can_be_made(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "bleu needs references" in told(capsys, "--predictions", str(files[0]), "--metric", "json,bleu")
    assert "there is nothing to score" in told(capsys, "--references", str(files[1]))
    assert "is named twice" in told(capsys, "--predictions", str(files[0]), str(files[0]), "--metric", "json")
    assert "cannot be read" in told(capsys, "--predictions", str(tmp_path / "no.jsonl"), "--metric", "json")
    assert run(["metrics", "--predictions", str(files[0]), "--metric", "json,length:1-2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["references"] is None and document["arms"][0]["metrics"]["length:1-2"]["value"] == 0.5


def test_some_ids_join_by_line_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = write(tmp_path / "p.jsonl", [{P: "a", "id": 2}, {P: "b"}])
    wanted = write(tmp_path / "r.jsonl", [{R: "a", "id": 1}, {R: "b", "id": 2}])
    assert run(["metrics", "--predictions", str(said), "--references", str(wanted), "--metric", "em", "--json"]) == 0
    captured = capsys.readouterr()
    assert "joined by line, not by id" in captured.err and "p.jsonl:2 has no id" in captured.err
    assert json.loads(captured.out)["arms"][0]["metrics"]["exact_match"]["value"] == 1
