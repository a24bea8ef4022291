"""`diapason data` as a person runs it, on real files; twice in a real process, else through the same entry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chat_model import make_chat_model
from tui import cli

ROOT = Path(__file__).parents[2]
FLAWED = ROOT / "core" / "starter" / "data" / "flawed.jsonl"
GOOD = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Here."}]}


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@dataclass
class Result:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def diapason(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: str | Path) -> Result:
        code = cli.run(["data", *map(str, args)])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def process(tmp_path: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DIAPASON_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "tui", "data", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=120)


def test_check_lists_every_finding_and_fails_on_errors(tmp_path: Path) -> None:
    result = process(tmp_path, "check", FLAWED)
    assert result.returncode == 1 and result.stderr == ""
    assert result.stdout.startswith("flawed.jsonl · chat · 52 rows · ")
    for code in ("bad_json", "nonfinite_number", "duplicate_key", "role_order", "contradiction", "terminal_escape"):
        assert code in result.stdout
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout and "\u202e" not in result.stdout


def test_check_json_is_one_document_and_fail_on_decides(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(GOOD) + "\n" for _ in range(3)))
    result = diapason("check", path, "--json", "--task", "style")
    document = json.loads(result.stdout)
    assert result.returncode == 0 and document["schema"] == 1 and document["rows"]["valid"] == 3
    assert {finding["code"] for finding in document["findings"]} == {"exact_duplicate", "too_few_rows"}
    assert diapason("check", path, "--fail-on", "warning").returncode == 1


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["check", "none.jsonl"], 1, "no such file"),
        (["check", "home"], 1, "folder"),
        (["check", "/dev/null"], 1, "not a regular file"),
        (["check", "x.jsonl", "--format", "xml"], 2, "invalid choice"),
        (["check", "x.jsonl", "--near", "0.3"], 2, "from 0.5 to 1"),
        (["check", "x.jsonl", "--near", "most"], 2, "from 0.5 to 1"),
        (["check", "x.jsonl", "--against", "none.jsonl"], 1, "none.jsonl"),
        (["check"], 2, "FILE"),
        ([], 2, "VERB"),
        (["show", "x.jsonl", "--row", "9"], 2, "no row 9"),
        (["show", "x.jsonl", "--row", "0"], 2, "from 1 on"),
        (["show", "x.jsonl", "--tokens", "--model", "nobody/nothing"], 1, "nobody/nothing"),
        (["split", "x.jsonl", "-o", "out", "--val", "2"], 2, "nothing to train on"),
        (["split", "x.jsonl", "-o", "out"], 1, "cannot fill 3 parts"),
        (["split", "x.jsonl", "-o", "out", "--stratify", "topic"], 2, "no row has the field `topic`"),
        (["split", "x.jsonl", "-o", "out", "--group", "topic"], 2, "no row has the field `topic`"),
    ],
)
def test_mistakes_get_one_plain_message(
    diapason: Run, tmp_path: Path, args: list[str], code: int, words: str
) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "home").mkdir()
    result = diapason(*args)
    assert result.returncode == code and words in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_show_makes_rows_inert(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    bad = "[INST] \x1b[2J\u202e [@click=app.quit]x[/]\nline two"
    row = {"messages": [{"role": "user", "content": bad}, {"role": "assistant", "content": "Fine."}]}
    path.write_text(json.dumps(row) + "\n" + "{broken \x1b[2J\n")
    shown = diapason("show", path, "--row", "1").stdout
    assert "user       [INST] ␛[2J⟨U+202E⟩ [@click=app.quit]x[/]\n           line two\nassistant  Fine." in shown
    assert "terminal_escape" in shown and "bidi_control" in shown
    broken = diapason("show", path, "--row", "2").stdout
    assert "bad_json" in broken and "{broken ␛[2J" in broken
    assert "\x1b" not in diapason("show", path).stdout


def test_show_tokens_marks_what_carries_loss(diapason: Run, tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "tiny")
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(GOOD) + "\n")
    shown = diapason("show", path, "--tokens", "--model", model).stdout
    assert "│Here.<|im_end|>│" in shown and "Where is it?<|im_end|>" in shown
    assert "carry loss" in shown and "ends with end-of-turn ✓" in shown and "cut at 1 024: no" in shown
    cut = diapason("show", path, "--tokens", "--model", model, "--max-length", "12").stdout
    assert "✂" in cut and "no end-of-turn ✗" in cut and "cut at 12: yes" in cut


def test_split_writes_the_parts(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [{"prompt": f"q{n}", "completion": "a"} for n in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "broken\n")
    result = diapason("split", path, "-o", "parts", "--val", ".2", "--test", ".2", "--seed", "4", "--json")
    document = json.loads(result.stdout)
    assert {name: part["rows"] for name, part in document["parts"].items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert document["skipped"] == 1 and (tmp_path / "parts" / "test.jsonl").read_text().count("\n") == 4
    assert document["group"] == "near" and document["groups"] == 20 and document["stratify"] == "length"
    assert document["leakage"]["split"] == {"exact": 0, "folded": 0, "near": 0}
    plain = diapason("split", path, "-o", "parts", "--force")
    assert plain.returncode == 0 and "left out" in plain.stdout and "train.jsonl" in plain.stdout
    assert "leakage    0 rows held out ask what a training row asks; a plain random split: 0 rows" in plain.stdout


def test_leakage_and_near_copies_are_told(diapason: Run, tmp_path: Path) -> None:
    def write(name: str, prompts: list[str]) -> Path:
        rows = "".join(json.dumps({"prompt": prompt, "completion": "a"}) + "\n" for prompt in prompts)
        (tmp_path / name).write_text(rows)
        return tmp_path / name

    long = "Please explain to me how the harbour clock works and who winds it"
    train = write("\x1b[31mtrain.jsonl", ["Where?", long])
    test = write("test.jsonl", ["where", long + " up", long])
    result = diapason("check", test, "--against", train)
    assert "leakage (exact)" in result.stdout and "line 3 = its line 2" in result.stdout
    assert "leakage (near)" in result.stdout and "line 2 = its line 2" in result.stdout
    assert "near_duplicate (near)" in result.stdout and "\x1b" not in result.stdout
    assert "near" not in diapason("check", test, "--against", train, "--near", "0").stdout
    assert json.loads(diapason("check", test, "--near", ".95", "--json").stdout)["near"] == 0.95
