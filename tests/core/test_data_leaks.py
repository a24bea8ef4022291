"""Held-out prompts that are trained on: against another file, and inside a file that names its splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.leaks import leaks_between
from core.data.report import Finding, Report, check


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


LONG = "Please explain to me how the old harbour clock works and who winds it on Sundays"


def write(path: Path, prompts: list[str], **more: Any) -> Path:
    path.write_text("".join(json.dumps({"prompt": p, "completion": "a", **more}) + "\n" for p in prompts))
    return path


def found(report: Report) -> dict[str, Finding]:
    return {finding.detail: finding for finding in report.findings if finding.code == "leakage"}


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write(tmp_path / "train.jsonl", ["Unrelated.", "Where is it?", "What is the time?", LONG, "Where is it?"])


def test_against_another_file_both_lines_are_named(tmp_path: Path, train: Path) -> None:
    asked = ["New question?", "Where is it?", "what is the TIME", LONG + " now", "  ", "Where was he?"]
    report = check(write(tmp_path / "test.jsonl", asked), against=train)
    leaks = found(report)
    assert set(leaks) == {"exact", "folded", "near"}
    assert [leaks[kind].matches for kind in ("exact", "folded", "near")] == [[(2, 2)], [(3, 3)], [(4, 4)]]
    assert leaks["exact"].message.endswith("1 row asks what a row of train.jsonl asks: line 2 = its line 2")
    assert leaks["near"].lines == [4] and list(leaks["near"].rows) == [3] and leaks["near"].severity == "warning"
    assert leaks["near"].match(3) == 4 and leaks["near"].match(2) is None
    document = report.to_json()
    assert document["against"] == str(train) and document["near"] == 0.85
    listed = {finding["detail"]: finding for finding in document["findings"] if finding["code"] == "leakage"}
    assert listed["folded"]["matches"] == [[3, 3]]


def test_without_near_copies_only_the_same_prompts_count(tmp_path: Path, train: Path) -> None:
    asked = write(tmp_path / "test.jsonl", [LONG + " now", "Where is it?"])
    assert set(found(check(asked, against=train, near=None))) == {"exact"}


def test_many_are_counted_and_few_are_named(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", [f"What is number {n}?" for n in range(300)])
    leak = found(check(write(tmp_path / "test.jsonl", [f"What is number {n}?" for n in range(250)]), against=train))
    assert set(leak) == {"exact"} and leak["exact"].count == 250 and len(leak["exact"].matches) == 100
    assert leak["exact"].message.endswith("line 5 = its line 5 and 245 more")


def test_other_files_and_numbers_are_no_leak(tmp_path: Path) -> None:
    frame = f"{LONG}. Answer in two lines. The number of the clock is "
    train = write(tmp_path / "train.jsonl", [f"{frame}{n}" for n in range(40)])
    assert not found(check(write(tmp_path / "test.jsonl", [f"{frame}{n}" for n in range(40, 60)]), against=train))


def test_a_shared_system_prompt_is_no_leak(tmp_path: Path) -> None:
    def chat(path: Path, questions: list[str]) -> Path:
        rows = [
            [{"role": "system", "content": LONG * 3}, {"role": "user", "content": q},
             {"role": "assistant", "content": "a"}]
            for q in questions
        ]  # fmt: skip
        path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
        return path

    train = chat(tmp_path / "train.jsonl", ["Who are you?", "May I ask for the way to the harbour, please?"])
    asked = chat(tmp_path / "test.jsonl", ["Where are we?", "May I ask for the way to the harbour please"])
    leaks = found(check(asked, against=train))
    assert set(leaks) == {"folded"} and leaks["folded"].matches == [(2, 2)]


def test_a_file_that_names_its_splits(tmp_path: Path) -> None:
    sides = ["train", "Test", "train", "validation", "test", None]
    prompts = [LONG, LONG + " now", "Where is it?", "Where is it?", "Something else.", LONG]
    path = tmp_path / "all.jsonl"
    rows = [
        {"prompt": p, "completion": "a", "split": side} if side else {"prompt": p, "completion": "a"}
        for p, side in zip(prompts, sides, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    leaks = found(check(path))
    assert leaks["exact"].matches == [(4, 3)] and leaks["near"].matches == [(2, 1)] and len(leaks) == 2
    assert "what a training row asks: line 4 = line 3" in leaks["exact"].message
    path.write_text("".join(json.dumps({**row, "split": "train"}) + "\n" for row in rows))
    assert not found(check(path))


def test_two_layouts_are_compared(tmp_path: Path) -> None:
    train = tmp_path / "train.csv"
    train.write_text('text,label\n"Where\nis it?",a\nWho?,b\nWhen?,a\nWhy?,b\n')
    test = tmp_path / "test.json"
    test.write_text(json.dumps([{"text": "Other.", "label": "a"}, {"text": "who", "label": "b"}]))
    (leak,) = leaks_between(test, train)
    assert leak.kind == "folded" and leak.count == 1 and leak.matches[0][1] == 4
    assert leak.to_json() == {"kind": "folded", "count": 1, "matches": [list(leak.matches[0])]}
