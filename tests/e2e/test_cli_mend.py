"""`diapason data fix` and `data review --json` as a person runs them, on real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.mend.plan import row_hash
from core.data.mend.worksheet import REVIEWS, Decision, Worksheet, read_worksheet
from core.errors import DiapasonError
from tui import cli

ROOT = Path(__file__).parents[2]
FLAWED = ROOT / "core" / "starter" / "data" / "flawed.jsonl"


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@dataclass
class Ran:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ran]


@pytest.fixture
def diapason(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: str | Path) -> Ran:
        code = cli.run(["data", *map(str, args)])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


def row(prompt: str, completion: str) -> str:
    return json.dumps({"prompt": prompt, "completion": completion}, ensure_ascii=False) + "\n"


def some(path: Path, count: int = 5) -> Path:
    path.write_text("".join(row(f"question {n}", f"answer {n}") for n in range(count)))
    return path


def decide(path: Path, *decisions: tuple[int, str], edits: dict[str, str] | None = None) -> Worksheet:
    sheet = read_worksheet(path).open()
    lines = path.read_bytes().splitlines()
    for number, review in decisions:
        sheet.decide(Decision("review", number, row_hash(lines[number]), review=review, edits=edits or {}))
    sheet.close()
    return sheet


def test_without_options_it_lists_what_there_is_to_mend(diapason: Run) -> None:
    before = FLAWED.read_bytes()
    result = diapason("fix", FLAWED)
    assert result.returncode == 0 and FLAWED.read_bytes() == before
    assert "bad_json" in result.stdout and "Nothing was written" in result.stdout and "safe" in result.stdout
    document = json.loads(diapason("fix", FLAWED, "--json").stdout)
    report = json.loads(diapason("check", FLAWED, "--json").stdout)
    counts = {item["code"]: 0 for item in report["findings"]}
    for item in report["findings"]:
        counts[item["code"]] += item["count"]
    assert document["schema"] == 1
    assert {one["code"]: one["count"] for one in document["fixes"]}.items() <= counts.items()
    assert {one["code"] for one in document["fixes"]} | set(document["without"]) == set(counts)


def test_a_file_mended_by_name_is_clean(diapason: Run) -> None:
    report = json.loads(diapason("check", FLAWED, "--json").stdout)
    errors = {item["code"] for item in report["findings"] if item["severity"] == "error"}
    result = diapason("fix", FLAWED, "-o", "clean.jsonl", "--only", ",".join(sorted(errors)), "--all-safe")
    assert result.returncode == 0, result.stdout
    assert "written: clean.jsonl" in result.stdout
    assert diapason("check", "clean.jsonl").returncode == 0
    original = set(FLAWED.read_bytes().splitlines())
    log = [json.loads(line) for line in Path("clean.jsonl.log.jsonl").read_text().splitlines()]
    edited = sum(one.get("action") == "edited" for one in log)
    written = Path("clean.jsonl").read_bytes().splitlines()
    assert sum(line not in original for line in written) == edited == log[0]["rows"]["changed"]


def test_a_dry_run_shows_a_diff_and_writes_nothing(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(row(f"zero\u200bwidth {n} \x1b[2J", "a") for n in range(30)))
    names = sorted(entry.name for entry in tmp_path.iterdir())
    result = diapason("fix", path, "--only", "zero_width", "--dry-run")
    assert result.returncode == 0
    assert "- zero[⟨U+200B⟩]width 0 ␛[2J" in result.stdout and "+ zero[]width 0 ␛[2J" in result.stdout
    assert "… and 10 more rows" in result.stdout and "Nothing was written" in result.stdout
    assert "\x1b" not in result.stdout and "\u200b" not in result.stdout
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "home") == names


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--all-safe"], 2, "no file to write is named"),
        (["-o", "out.jsonl"], 2, "nothing is named"),
        (["--all-safe", "-o", "/proc/out.jsonl"], 1, "cannot write"),
        (["--only", "nothing", "-o", "out.jsonl"], 2, "is no code"),
        (["--all-safe", "-o", "data.jsonl"], 2, "source itself"),
        (["--all-safe", "-o", "there.jsonl"], 2, "there already"),
        (["--all-safe", "-o", "no/such/out.jsonl"], 2, "folder does not exist"),
        (["--only", "bad_role", "--roles", "agent=boss", "-o", "o.jsonl"], 2, "is not NAME=ROLE"),
        (["--worksheet", "-o", "out.jsonl"], 1, "nothing was decided"),
    ],
)
def test_what_cannot_be_is_refused_in_plain_words(
    diapason: Run, tmp_path: Path, args: list[str], code: int, says: str
) -> None:
    some(tmp_path / "data.jsonl")
    (tmp_path / "there.jsonl").write_text("mine")
    result = diapason("fix", "data.jsonl", *args)
    assert result.returncode == code and says in result.stderr
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def test_decisions_of_the_worksheet_are_what_is_written_by_default(diapason: Run, tmp_path: Path) -> None:
    path = some(tmp_path / "data.jsonl")
    decide(path, (1, "drop"), (2, "keep"), (3, "flag"))
    decide(path, (4, "edit"), edits={"completion": "better \U0001f600"})
    result = diapason("fix", path, "-o", "out.jsonl")
    assert result.returncode == 0, result.stderr
    wanted = [row("question 0", "answer 0"), row("question 2", "answer 2"), row("question 3", "answer 3"),
              row("question 4", "better \U0001f600")]  # fmt: skip
    assert Path("out.jsonl").read_text() == "".join(wanted)
    assert diapason("fix", path, "-o", "all.jsonl", "--all-safe").returncode == 0
    assert Path("all.jsonl").read_bytes() == path.read_bytes()
    document = json.loads(diapason("review", path, "--json").stdout)
    assert document["reviewed"] == {"keep": 1, "drop": 1, "flag": 1, "edit": 1}


def test_a_kept_row_is_not_dropped_and_counts_in_its_group(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(row("a", "b") + row("a", "c") + row("d", ""))
    decide(path, (1, "keep"), (2, "keep"))
    result = diapason("fix", path, "-o", "out.jsonl", "--only", "contradiction,empty_output", "--worksheet")
    assert Path("out.jsonl").read_text() == row("a", "c") + row("d", "") and result.returncode == 1


def test_undo_restores_and_goes_on_after_a_restart(diapason: Run, tmp_path: Path) -> None:
    path = some(tmp_path / "data.jsonl")
    decide(path, (0, "drop"), (1, "drop"))
    sheet = read_worksheet(path).open()
    sheet.decide(Decision("all", code="zero_width", choice="strip"))
    assert sheet.plan().fixes == {"zero_width": "strip"}
    assert [one.kind for one in iter(sheet.undo, None)] == ["all", "review", "review"]
    sheet.close()
    assert read_worksheet(path).is_empty
    assert diapason("fix", path, "-o", "out.jsonl").returncode == 2


def test_a_changed_source_keeps_the_old_decisions_and_says_so(diapason: Run, tmp_path: Path) -> None:
    path = some(tmp_path / "data.jsonl")
    old = decide(path, (0, "drop"))
    path.write_text(path.read_text() + row("new", "row"))
    result = diapason("fix", path, "-o", "out.jsonl", "--worksheet")
    assert result.returncode == 1 and "has changed since 1 decision" in result.stderr
    assert json.loads(diapason("review", path, "--json").stdout)["changed"]
    assert old.path.exists()
    some(path)
    assert len(read_worksheet(path).decisions) == 1


DECISIONS = st.one_of(
    st.builds(Decision, st.just("all"), code=st.sampled_from(["zero_width", "bad_json"]), choice=st.just("drop")),
    st.builds(Decision, st.just("review"), st.integers(0, 9), st.just("x"), review=st.sampled_from(REVIEWS),
              edits=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)),
    st.builds(Decision, st.just("one"), st.integers(0, 9), st.just("x"), st.just("mojibake"), st.just("repair")),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(DECISIONS, max_size=6), then=st.lists(DECISIONS, max_size=6))
def test_undo_gives_back_what_was_decided_before(tmp_path: Path, first: list[Decision], then: list[Decision]) -> None:
    (tmp_path / "sheet.jsonl").unlink(missing_ok=True)
    sheet = Worksheet(tmp_path / "sheet.jsonl", {"path": "x", "sha256": "y"}).open()
    for decision in first:
        sheet.decide(decision)
    before = sheet.plan()
    for decision in then:
        sheet.decide(decision)
    for decision in reversed(then):
        assert sheet.undo() == decision
    assert sheet.plan() == before
    sheet.close()
    again = Worksheet(tmp_path / "sheet.jsonl", {"path": "x", "sha256": "y"})
    assert again.plan().fixes == before.fixes and again.plan().rows.keys() == before.rows.keys()


def test_long_rows_by_the_models_own_tokens(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(row("Say much", " ".join(f"word {n}" for n in range(300))) + row("hi", "there"))
    result = diapason(
        "fix", path, "-o", "out.jsonl", "--only", "too_long", "--model", "starter", "--max-length", "128"
    )
    first, second = Path("out.jsonl").read_text().splitlines(keepends=True)
    assert "too_long:truncate" in result.stdout and second == row("hi", "there")
    assert 50 < len(json.loads(first)["completion"]) < 1500
    again = diapason("fix", "out.jsonl", "-o", "o2.jsonl", "--only", "too_long", "--max-length", "128")
    assert "0 changed" in again.stdout
    refused = diapason("fix", path, "-o", "o3.jsonl", "--only", "too_long")
    assert refused.returncode == 2 and "needs a length" in refused.stderr


def test_a_killed_mending_leaves_no_new_file_and_its_remains_go_next_time(diapason: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(row(f"zero\u200bwidth {n}", "a") for n in range(30_000)))
    before = path.read_bytes()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tui", "data", "fix", str(path), "-o", "out.jsonl", "--all-safe", "--near", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.glob(".out.jsonl.*.1.jsonl")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    left = [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".out.jsonl.")]
    assert len(left) == 3 and not Path("out.jsonl").exists() and path.read_bytes() == before
    small = some(tmp_path / "small.jsonl")
    assert diapason("fix", small, "-o", "out.jsonl", "--all-safe").returncode == 0
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "home") == [
        "data.jsonl", "out.jsonl", "out.jsonl.log.jsonl", "small.jsonl",
    ]  # fmt: skip


def test_the_review_needs_a_terminal_and_a_file(diapason: Run, tmp_path: Path) -> None:
    assert "no such file" in diapason("review", "nothing.jsonl").stderr
    path = some(tmp_path / "data.jsonl")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tui", "data", "review", str(path)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=60)
    assert result.returncode == 2 and "needs a terminal" in result.stderr


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = some(tmp_path / "data.jsonl")
    sheet = read_worksheet(path).open()
    with pytest.raises(DiapasonError, match="another Diapason"):
        read_worksheet(path).open()
    sheet.close()
    read_worksheet(path).open().close()


KILLED = """
import os, sys
from pathlib import Path
from core.data.mend.plan import row_hash
from core.data.mend.worksheet import Decision, read_worksheet
path = Path(sys.argv[1])
sheet = read_worksheet(path).open()
for number, line in enumerate(path.read_bytes().splitlines()):
    sheet.decide(Decision("review", number, row_hash(line), review="drop"))
    print(number, flush=True)
"""


def test_what_was_decided_survives_a_kill(tmp_path: Path) -> None:
    path = some(tmp_path / "data.jsonl", 2000)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        last = [int(process.stdout.readline()) for _ in range(20)][-1]
        process.send_signal(signal.SIGKILL)
    sheet = read_worksheet(path)
    assert len(sheet.decisions) > last
    with sheet.path.open("ab") as file:
        file.write(b'{"kind": "review", "row": 1')
    again = read_worksheet(path).open()
    count = len(again.decisions)
    again.decide(Decision("review", 0, row_hash(path.read_bytes().splitlines()[0]), review="keep"))
    again.close()
    assert len(read_worksheet(path).decisions) == count + 1 and read_worksheet(path).plan().rows[0].keep
