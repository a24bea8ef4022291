"""Counts over the whole file: copies, contradictions, amounts, labels; what the JSON document says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.findings import CODES
from core.data.report import CheckCancelled, Finding, Report, check


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def pair(prompt: str, completion: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion, **more}


def report_of(tmp_path: Path, values: list[Any], **options: Any) -> Report:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return check(path, **options)


def found(report: Report, code: str, detail: str = "") -> Finding | None:
    return next((f for f in report.findings if (f.code, f.detail) == (code, detail)), None)


def test_copies_count_the_extra_ones(tmp_path: Path) -> None:
    rows = [pair("a", "b", id=n) for n in range(3)] + [pair("c", "d"), pair("A!", "b"), pair("c", "d")]
    report = report_of(tmp_path, rows)
    exact, near = found(report, "exact_duplicate"), found(report, "near_duplicate", "folded")
    assert exact is not None and exact.count == 3 and exact.lines == [2, 3, 6]
    assert exact.group(2) == [0, 1, 2] and exact.group(5) == [3, 5]
    assert near is not None and near.count == 1 and near.lines == [5]
    assert report.rows_valid == 6


def test_contradictions_count_all_rows_of_the_groups(tmp_path: Path) -> None:
    rows = [
        pair("What is it?", "One."),
        pair("Other?", "Two."),
        pair("What is it?", "Three."),
        pair("What is it?", "One."),
        pair("when is it", "Now."),
        pair("When  is it?", "Later."),
        pair("Is -3 less?", "Yes."),
        pair("Is 3 less?", "No."),
        pair("who is it", "the owner"),
        pair("Who is it?", "The owner."),
        pair("Who is it?", "the owner"),
    ]
    report = report_of(tmp_path, rows)
    exact, folded = found(report, "contradiction"), found(report, "contradiction", "folded")
    assert exact is not None and exact.count == 3 and exact.lines == [1, 3, 4] and "1 prompt " in exact.message
    assert exact.group(2) == [0, 2, 3] and exact.group(1) == []
    assert folded is not None and folded.count == 2 and folded.lines == [5, 6]


def test_a_text_under_two_labels_is_a_contradiction(tmp_path: Path) -> None:
    report = report_of(tmp_path, [{"text": "fine", "label": "a"}, {"text": "fine", "label": "b"}] * 2)
    contradiction = found(report, "contradiction")
    assert contradiction is not None and contradiction.count == 4
    copies = found(report, "exact_duplicate")
    assert copies is not None and copies.count == 2
    assert found(report, "near_duplicate", "folded") is None and found(report, "near_duplicate", "near") is None


def test_preferences_contradict_where_they_are_reversed(tmp_path: Path) -> None:
    many = [{"prompt": "q", "chosen": f"c{n}", "rejected": "r"} for n in range(3)]
    assert found(report_of(tmp_path, many), "contradiction") is None
    report = report_of(tmp_path, [*many, {"prompt": "q", "chosen": "r", "rejected": "c1"}])
    contradiction = found(report, "contradiction")
    assert contradiction is not None and contradiction.lines == [2, 4]


def test_good_and_bad_answers_of_kto_do_not_contradict(tmp_path: Path) -> None:
    def row(answer: str, good: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]
        return {"messages": messages, "label": good}

    assert found(report_of(tmp_path, [row("x", True), row("y", False)]), "contradiction") is None
    assert found(report_of(tmp_path, [row("x", True), row("y", True)]), "contradiction") is not None


def test_tools_tell_rows_apart(tmp_path: Path) -> None:
    def row(tools: list[Any]) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "tools": tools}

    report = report_of(tmp_path, [row([]), row([{"name": "f"}]), row([{"name": "f"}])])
    copies = found(report, "exact_duplicate")
    assert copies is not None and copies.lines == [3]


def test_amounts_are_held_to_the_task(tmp_path: Path) -> None:
    rows = [pair(f"q{n}", "a") for n in range(120)]
    small = found(report_of(tmp_path, rows[:20], task="style"), "too_few_rows", "style")
    assert small is not None and small.severity == "warning" and "50" in small.message
    note = found(report_of(tmp_path, rows, task="style"), "too_few_rows", "style")
    assert note is not None and note.severity == "note"
    assert found(report_of(tmp_path, rows, task="complex"), "too_few_rows", "complex") is not None
    assert found(report_of(tmp_path, rows, task="code"), "too_few_rows", "code") is None
    assert report_of(tmp_path, rows).findings == []


def test_labels_out_of_balance(tmp_path: Path) -> None:
    def rows(**counts: int) -> list[Any]:
        return [{"text": f"{name} {n}", "label": name} for name, count in counts.items() for n in range(count)]

    even = report_of(tmp_path, rows(a=60, b=50))
    assert found(even, "label_imbalance") is None and even.labels == {"a": 60, "b": 50}
    mild, high = (found(report_of(tmp_path, rows(a=200, b=b)), "label_imbalance") for b in (50, 10))
    assert mild is not None and mild.severity == "note" and high is not None and high.severity == "warning"
    assert found(report_of(tmp_path, rows(a=200)), "single_label") is not None


def test_lists_are_capped_and_counts_exact(tmp_path: Path) -> None:
    report = report_of(tmp_path, [pair("a", "b")] + [{"prompt": ""}] * 20_000)
    document = report.to_json()
    assert document["rows"] == {"total": 20_001, "valid": 1, "invalid": 20_000}
    missing = next(f for f in document["findings"] if f["code"] == "missing_field")
    assert missing["count"] == 20_000 and missing["lines"] == list(range(2, 102))
    assert len(document["invalid_lines"]) == 20_000


def test_the_document_is_what_the_issue_says(tmp_path: Path) -> None:
    document = report_of(tmp_path, [pair("a", "b"), pair("a", "c"), {"prompt": 1, "completion": "x"}]).to_json()
    assert document["schema"] == 1 and document["format"] == "prompt-completion"
    assert document["invalid_lines"] == [3]
    for finding in document["findings"]:
        assert set(finding) == {"code", "detail", "severity", "count", "lines", "message", "why", "hint"}
        assert finding["severity"] == CODES[finding["code"]].severity or finding["code"] == "too_few_rows"
    assert json.loads(json.dumps(document)) == document


def test_unknown_columns_are_an_error_of_the_file(tmp_path: Path) -> None:
    report = report_of(tmp_path, [{"premise": "a", "target": "b"}] * 3)
    assert report.format is None and report.rows_valid == 0
    unknown = found(report, "unknown_format")
    assert unknown is not None and unknown.count == 3 and "`premise`" in unknown.message


def test_most_rows_decide_the_format(tmp_path: Path) -> None:
    report = report_of(tmp_path, [pair("a", "b")] + [{"text": f"t{n}", "label": "x"} for n in range(9)])
    assert report.format == "classification" and list(report.invalid_lines) == [1]
    mixed = found(report, "mixed_formats", "prompt-completion")
    assert mixed is not None and mixed.severity == "error"


def test_progress_is_told_and_stops_the_check(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def watch(rows: int, size: int) -> bool:
        seen.append((rows, size))
        return rows < 1000

    with pytest.raises(CheckCancelled):
        report_of(tmp_path, [pair(f"q{n}", "a") for n in range(5000)], progress=watch)
    assert seen[-1][0] == 1000 and seen[0][0] == 0


def test_every_code_is_in_the_catalogue() -> None:
    catalogue = (Path(__file__).parents[2] / "docs" / "findings.md").read_text("utf-8")
    for code, entry in CODES.items():
        assert f"| `{code}` | {entry.severity} |" in catalogue, code
