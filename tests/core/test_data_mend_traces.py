"""What mending leaves behind: what was done to the file around its rows, and changes that can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.data.mend.apply import Result, mend
from core.data.mend.catalogue import parse_only
from core.data.mend.log import log_path
from core.data.mend.plan import Plan
from core.data.mend.row import Change
from tui.cli import run

ONE, TWO = (json.dumps({"prompt": f"Where is {n}?", "completion": "There."}) for n in (1, 2))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def done(tmp_path: Path, data: str, only: str, name: str = "data.jsonl") -> Result:
    path = tmp_path / name
    path.write_bytes(data.encode())
    return mend(path, tmp_path / f"out{path.suffix}", Plan(parse_only(only)))


@pytest.mark.parametrize(
    ("data", "only", "name", "fixes"),
    [
        (f"\ufeff{ONE}\n{TWO}\n", "bom", "data.jsonl", {"bom:strip": 1}),
        (f"{ONE}\r\n{TWO}\r\n", "crlf", "data.jsonl", {"crlf:lf": 2}),
        (f"\n{ONE}\n\n\n{TWO}\n\n", "blank_lines", "data.jsonl", {"blank_lines:remove": 4}),
        ("\nprompt,completion\n\na,b\n\nc,d\n", "blank_lines", "data.csv", {"blank_lines:remove": 3}),
        (f"{ONE}\n{TWO}", "no_final_newline", "data.jsonl", {"no_final_newline:end": 1}),
        (f'{{"n": 2, "rows": [{ONE}, {TWO}]}}', "wrapped_list", "data.json", {"wrapped_list:unwrap": 1}),
        (f"{ONE}\n{TWO}\n", "bom,crlf,blank_lines,no_final_newline,wrapped_list", "data.jsonl", {}),
    ],
)
def test_what_was_done_to_the_file_is_counted(
    tmp_path: Path, data: str, only: str, name: str, fixes: dict[str, int]
) -> None:
    result = done(tmp_path, data, only, name)
    assert dict(result.fixes) == fixes and result.out is not None
    head = json.loads(log_path(result.out).read_text().splitlines()[0])
    assert head["fixes"] == fixes and head["notes"] == result.notes


def test_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(f"\ufeff{ONE}\r\n\r\n{TWO}".encode())
    assert run(["data", "fix", str(path), "--all-safe", "--dry-run"]) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"bom:strip 1 place", "blank_lines:remove 1 place", "no_final_newline:end 1 place"} <= {*told}
    assert run(["data", "fix", str(path), "--all-safe", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fixes"]["crlf:lf"] == 1


@pytest.mark.parametrize(
    ("role", "mapped", "shown"),
    [("narrator", "user", ("narrator", "user")), ("super user", "user", ("super user", "user"))],
)
def test_a_role_is_shown_whole(tmp_path: Path, role: str, mapped: str, shown: tuple[str, str]) -> None:
    path = tmp_path / "data.jsonl"
    turns = [{"role": role, "content": "Who?"}, {"role": "assistant", "content": "I."}]
    path.write_text(json.dumps({"messages": turns}) + "\n")
    seen: list[Change] = []
    plan = Plan(parse_only("bad_role"), roles={role: mapped})
    result = mend(path, tmp_path / "out.jsonl", plan, told=lambda row, line, raw, made: seen.extend(made.changes))
    assert [(change.before, change.after) for change in seen] == [shown]
    assert result.log is not None
    [change] = json.loads(result.log.read_text().splitlines()[1])["changes"]
    assert (change["before"], change["after"]) == shown


def test_a_name_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"Prompt": "a", "completion": "b"}\n')
    seen: list[Change] = []
    plan = Plan(parse_only("key_case"))
    mend(path, tmp_path / "out.jsonl", plan, told=lambda row, line, raw, made: seen.extend(made.changes))
    assert [(change.before, change.after) for change in seen] == [("Prompt", "prompt")]
