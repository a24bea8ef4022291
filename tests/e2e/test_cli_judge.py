"""judge, judgements and preferences as a person or a script runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import read_jsonl
from tests.judging_run import answer_rows, make_run
from tests.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {
        **keep,
        "PYTHONPATH": str(ROOT),
        "DIAPASON_HOME": str(tmp_path / "home"),
        "DIAPASON_LOCKS": str(tmp_path / "locks"),
        "LOGNAME": "ann",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "home" / "runs", answer_rows(12), name="support")


@pytest.fixture
def terminals(env: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal(args, env, tmp_path))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def diapason(env: dict[str, str], cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui", *args],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def press(terminal: Terminal, key: bytes) -> None:
    """Press a key at a person's pace: one that comes within 0.15 s of the last is taken for a held one."""
    time.sleep(0.3)
    terminal.press(key)


def votes(run: Path) -> list[dict[str, Any]]:
    return read_jsonl(run / "judging" / "votes-ann.jsonl")[0]


def test_kill_9_after_a_key_loses_nothing(run: Path, terminals: Any) -> None:
    first = terminals("judge", "last", "-n", "4")
    first.wait_for("pair 1 of 4")
    press(first, b"C")
    first.wait_for("correct")
    press(first, b"f")
    first.wait_for("flagged")
    press(first, b"1")
    first.wait_for("pair 2 of 4")
    first.kill()
    flag, vote = votes(run)
    assert (flag["event"], flag["on"]) == ("flag", True)
    assert (vote["verdict"], vote["reasons"], vote["flag"]) == ("left", ["correct"], True)
    second = terminals("judge", "supp")
    second.wait_for("pair 2 of 4")
    press(second, b"u")
    second.wait_for("pair 1 of 4")
    second.kill()
    assert [record["event"] for record in votes(run)] == ["flag", "vote", "undo"]
    third = terminals("judge", run.name)
    third.wait_for("pair 1 of 4")
    for number, key in enumerate((b"2", b"t", b"\x1b[D"), 2):
        press(third, key)
        third.wait_for(f"pair {number} of 4")
    press(third, b"b")
    third.wait_for("decisive pairs")
    press(third, b"\x11")  # ctrl+q
    assert third.wait() == 0
    assert [vote["verdict"] for vote in votes(run)[3:]] == ["right", "tie", "left", "both_bad"]


def test_a_held_key_in_a_real_terminal_judges_once(run: Path, terminals: Any) -> None:
    terminal = terminals("judge", "last", "-n", "10")
    terminal.wait_for("pair 1 of 11")
    press(terminal, b"1" * 12)
    terminal.wait_for("pair 2 of 11")
    press(terminal, b"\x11")
    assert terminal.wait() == 0
    assert [vote["verdict"] for vote in votes(run)] == ["left"]


def test_two_terminals_at_once_the_second_is_told(run: Path, terminals: Any) -> None:
    first = terminals("judge", "last")
    first.wait_for("pair 1 of 13")
    second = terminals("judge", "last")
    second.wait_for("being judged already, by ann")
    press(first, b"1")
    first.wait_for("pair 2 of 13")
    assert len(votes(run)) == 1


def test_files_of_answers_are_judged_by_two_people_and_listed(
    env: dict[str, str], tmp_path: Path, terminals: Any
) -> None:
    for name in "ab":
        rows = ({"id": n, "prompt": f"Question {n}?", "answer": f"{name} says {n}"} for n in range(3))
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "Nothing was judged yet" in diapason(env, tmp_path, "judge").stdout
    ann = terminals("judge", "--answers", "a.jsonl", "b.jsonl", "--name", "style")
    ann.wait_for("pair 1 of 3")
    bob = terminals("judge", "style", "--judge", "Bob")
    bob.wait_for("pair 1 of 3")
    press(ann, b"1")
    ann.wait_for("pair 2 of 3")
    press(bob, b"2")
    bob.wait_for("pair 2 of 3")
    ann.kill()
    bob.kill()
    (tmp_path / "a.jsonl").unlink()
    again = terminals("judge", "style")
    again.wait_for("pair 2 of 3")
    press(again, b"\x11")
    assert again.wait() == 0
    listed = diapason(env, tmp_path, "judge").stdout
    assert "style  1 of 3 pairs judged (2 left), 2 models" in listed and "by Bob, ann" in listed
    document = json.loads(diapason(env, tmp_path, "judgements", "style", "--json").stdout)
    assert {judge["name"] for judge in document["judges"]} == {"ann", "Bob"} and document["pairs"]["judged"] == 1
    (tmp_path / "b.jsonl").write_text('{"id": 9, "prompt": "x", "answer": "y"}\n')
    wrong = terminals("judge", "--answers", "b.jsonl", "missing.jsonl")
    assert wrong.wait() == 2 and "missing.jsonl: cannot be read" in wrong.text


def test_without_a_terminal_judge_says_so(run: Path, env: dict[str, str], tmp_path: Path) -> None:
    done = diapason(env, tmp_path, "judge", "last")
    assert done.returncode == 2 and done.stdout == ""
    assert "needs a terminal" in done.stderr and "diapason judgements" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [["-n", "0"], ["-n", "many"], ["--judge", " "], ["-n"]])
def test_wrong_usage_of_judge_exits_2(env: dict[str, str], tmp_path: Path, wrong: list[str]) -> None:
    done = diapason(env, tmp_path, "judge", "last", *wrong)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.startswith("diapason judge:")


def test_a_run_that_never_trained_is_explained(env: dict[str, str], tmp_path: Path, terminals: Any) -> None:
    make_run(tmp_path / "home" / "runs", name="empty")
    terminal = terminals("judge", "empty")
    assert terminal.wait() == 1
    assert "has no tuned model yet" in terminal.text and "Traceback" not in terminal.text


def test_judgements_and_preferences_before_anything_was_judged(
    run: Path, env: dict[str, str], tmp_path: Path
) -> None:
    for command in (
        ["judgements", "last"],
        ["judgements", "last", "--json"],
        ["preferences", "last", "-o", "x.jsonl"],
    ):
        done = diapason(env, tmp_path, *command)
        assert done.returncode == 1 and done.stdout == ""
        assert "nothing was judged on this run yet" in done.stderr and "diapason judge support" in done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def test_judging_to_preferences(run: Path, env: dict[str, str], tmp_path: Path, terminals: Any) -> None:
    terminal = terminals("judge", "last", "-n", "6")
    terminal.wait_for("pair 1 of 6")
    for number, key in enumerate(b"112tb", 2):
        press(terminal, bytes([key]))
        terminal.wait_for(f"pair {number} of 6")
    press(terminal, b"\x1b[C")
    terminal.wait_for("decisive pairs")
    press(terminal, b"\x11")
    assert terminal.wait() == 0

    document = json.loads(diapason(env, tmp_path, "judgements", "last", "--json").stdout)
    assert document["schema"] == 1 and document["run"] == run.name and document["complete"] is True
    assert document["wins"] + document["losses"] == document["decisive"] == 4
    assert (document["ties"], document["both_bad"]) == (1, 1)
    assert document["names"] == {"base": "starter", "tuned": "support"}
    picked = [vote["winner"] for vote in votes(run)]
    assert document["wins"] == picked.count("tuned") and document["losses"] == picked.count("base")

    plain = diapason(env, tmp_path, "judgements", "last")
    assert plain.returncode == 0 and document["summary"] in plain.stdout
    assert "(starter)" in plain.stdout and "both bad" in plain.stdout

    done = diapason(env, tmp_path, "preferences", "last", "-o", "dpo.jsonl")
    assert done.returncode == 0 and "4 rows for DPO; left out: 1 tied, 1 both bad" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "dpo.jsonl").read_text().splitlines()]
    assert all(set(row) == {"prompt", "chosen", "rejected"} for row in rows)
    again = diapason(env, tmp_path, "preferences", "last", "-o", "dpo.jsonl")
    assert again.returncode == 2 and "is there already" in again.stderr and "--force" in again.stderr
    kto = diapason(env, tmp_path, "preferences", "last", "--format", "kto", "-o", "dpo.jsonl", "--force")
    assert kto.returncode == 0
    labels = [json.loads(line)["label"] for line in (tmp_path / "dpo.jsonl").read_text().splitlines()]
    assert (labels.count(True), labels.count(False)) == (4, 6)

    checked = diapason(env, tmp_path, "preferences", "last", "-o", "check.jsonl")
    assert checked.returncode == 0
    report = json.loads(diapason(env, tmp_path, "data", "check", "check.jsonl", "--json").stdout)
    assert report["format"] == "preference" and report["rows"] == {"total": 4, "valid": 4, "invalid": 0}


@pytest.mark.parametrize("wrong", [["--format", "ppo", "-o", "x"], [], ["-o", "no/such/folder/x.jsonl"], ["-o", "."]])
def test_wrong_usage_of_preferences_exits_2(run: Path, env: dict[str, str], tmp_path: Path, wrong: list[str]) -> None:
    from core.judging.desk import Desk

    desk = Desk(run, judge="ann")
    desk.vote(desk.session.asked[0], "left")
    desk.close()
    done = diapason(env, tmp_path, "preferences", "last", *wrong)
    assert done.returncode == 2 and done.stderr.startswith("diapason") and "Traceback" not in done.stderr
