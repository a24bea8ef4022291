"""`diapason data convert` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui.cli import run as main


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"instruction": "Add\n\n2 2", "input": "", "output": "4"},
        {"instruction": "Hi", "output": "Hello", "system": "s"},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_convert_writes_or_says_what_would_be_lost(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.with_name("chat.parquet")
    assert main(["data", "convert", str(file), "--to", "chat", "-o", str(out)]) == 0
    assert capsys.readouterr().out.endswith("chat.parquet · 2 rows · alpaca → chat\nNothing is lost.\n")
    table = file.with_name("labels.csv")
    assert main(["data", "convert", str(out), "--to", "classification", "-o", str(table)]) == 1
    said = capsys.readouterr().out
    assert "would lose something" in said and "1  the system message (line 2)" in said and not table.exists()
    assert main(["data", "convert", str(out), "--to", "classification", "-o", str(table), "--lossy"]) == 0
    assert "the system message" in capsys.readouterr().out
    assert table.read_text() == 'text,label\n"Add\n\n2 2",4\nHi,Hello\n'


def test_convert_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.with_name("o.json")
    arguments = ["data", "convert", str(file), "--to", "classification", "-o", str(out), "--json"]
    assert main(arguments) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["path"] is None and document["written"] == 0 and document["rows"] == 2
    assert document["lost"] == [
        {"kind": "system", "name": "", "title": "the system message", "rows": 1, "lines": [2]}
    ]  # fmt: skip
    assert main([*arguments, "--lossy"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 2 and len(json.loads(out.read_text())) == 2


def test_what_is_there_stays(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "convert", str(file), "--to", "chat", "-o", str(file)]) == 2
    assert "the source itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "says"),
    [("Q: {question}", "no field `{question}`"), ("{prompt} {answer", "never closed"), ("{prompt} }", "never opened"),
     ("plain", "puts nothing"), ("{{prompt}}", "puts nothing"), ("{}{prompt}", "no field `{}`")],
)  # fmt: skip
def test_a_template_that_cannot_be_is_refused(
    file: Path, template: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("not read")
    out = file.with_name("t.jsonl")
    assert main(["data", "convert", str(file), "--to", "text", "-o", str(out), "--template", template]) == 2
    told = capsys.readouterr().err
    assert says in told and "{prompt} and {answer}" in told and not out.exists()


def test_braces_of_a_template(file: Path) -> None:
    out = file.with_name("t.jsonl")
    arguments = ["--to", "text", "-o", str(out), "--lossy", "--template", '{{"a": "{answer}"}}']
    assert main(["data", "convert", str(file), *arguments]) == 0
    assert json.loads(out.read_text().splitlines()[0]) == {"text": '{"a": "4"}'}
