"""The evaluation screen: the verdict, the table, the rows, and what it says where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from core.data.dataset import fingerprint
from core.evaluation.classes import confusion
from core.evaluation.general import summarise_general
from core.evaluation.result import parse_result
from core.evaluation.verdict import answer, headline, p_words
from core.files import JsonlWriter, Lock, write_json
from core.runs.folder import RunFolder
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import ARMS, fake_answers, fake_result
from tests.tui.screen_text import sees, shown, until
from tui.app import DiapasonApp
from tui.screens.arms import ArmsScreen
from tui.screens.evaluation_state import read_cases
from tui.widgets.dialogs import AskDialog, ConfirmDialog


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


@pytest.fixture
def evaluated() -> RunFolder:
    run = make_run(name="support-fr")
    add_result(run, fake_result(), fake_answers(60))
    return run


def changed(against: str, **changes: Any) -> dict[str, Any]:
    document = fake_result()
    for item in document["comparisons"]:
        if (item["metric"], item["arm"], item["against"]) == ("bleu", "tuned", against):
            item.update(changes)
    return document


def of_old() -> dict[str, Any]:
    """A result from before there was a primary metric."""
    document = fake_result()
    for item in document["comparisons"]:
        for name in ("p_corrected", "method", "family"):
            del item[name]
    for arm in document["arms"]:
        for name in ("kind", "cut", "peak_memory_bytes", "price", "per_1000"):
            del arm[name]
    del document["primary_metric"], document["measured"]
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (fake_result(), "tuned is better than few-shot:5: +31.6 BLEU, p < .0001"),
        (changed("few-shot:5", p_corrected=0.4), "tuned is not shown to differ from few-shot:5: +31.6 BLEU, p = .40"),
        (changed("few-shot:5", difference=-3.0), "tuned is worse than few-shot:5: −3.0 BLEU"),
        (of_old(), "tuned is better than few-shot:5: −1.032 answer loss, p < .0001"),
        ({**fake_result(), "comparisons": []}, "3 arms on 120 rows"),
    ],
)
def test_the_verdict_is_one_sentence(document: dict[str, Any], said: str) -> None:
    assert said in headline(parse_result(document))


def test_the_answer_says_that_the_rival_was_picked() -> None:
    found = answer(parse_result(fake_result()))
    assert found is not None
    text = " ".join(found.lines)
    assert "Yes: on BLEU tuned reaches 41.3 [38.8, 43.4], few-shot:5, the best of 2 arms without tuning" in text
    assert "corrected by Holm" in text and "which favours it" in text


def test_p_is_written_as_in_papers() -> None:
    assert [p_words(p) for p in (0.00003, 0.003, 0.21)] == ["p < .0001", "p = .003", "p = .21"]


def test_broken_answers_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    good = {"row": 3, "arm": "base", "answer": "a", "prompt": "no list", "reference": None, "nll": None}
    rows = ["{", "[]", '{"row": "x"}', '{"row": 1, "arm": 2}', json.dumps(good)]
    path.write_text("\n".join(rows) + "\n")
    assert [case.row for case in read_cases(path)] == [3]
    assert read_cases(tmp_path / "missing.jsonl") == ()


def test_a_row_says_what_an_arm_had_beside_the_question(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    plain, *_ = fake_answers(1)
    pieces = [{"source": "a [b].md", "start": 0, "text": "A"}, {"source": "a [b].md", "start": 9, "text": "B"}]
    records = [plain, {**plain, "arm": "rag:docs", "sources": pieces}, {**plain, "arm": "bm25:2", "examples": [7, 3]}]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    (case,) = read_cases(path)
    assert case.given == {plain["arm"]: "", "rag:docs": "from a [b].md", "bm25:2": "training lines 7, 3"}


async def test_table_rows_and_filters(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned is better than few-shot:5: +31.6 BLEU" in shown(app))
        parts = ("0.871 ▲ 0.819–0.915", "+31.6", "p < .0001", "better", "48 rows that differ most")
        await until(pilot, lambda: all(part in shown(app) for part in parts))
        await pilot.press(*["down"] * 4)
        await until(pilot, lambda: "exact match: share of answers" in shown(app) and "not shown" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "48 rows: tuned better" in shown(app) or "rows: tuned better" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "0 rows: tuned worse" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "60 rows ─" in shown(app))
        await pilot.press(*["down"] * 4, "enter")
        await until(pilot, lambda: "Parcel 4 leaves tomorrow." in shown(app) and "It is on its way." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "60 rows ─" in shown(app))


async def test_any_two_arms_stand_side_by_side(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned − few-shot:5, nats" in shown(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "tuned − base, nats" in shown(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "few-shot:5 − base, nats" in shown(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "Answer 0 of base." in shown(app) and "Answer 0 of few-shot:5." in shown(app))
        marked = [
            segment.text
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style and segment.style.underline
        ]
        assert "base" in " ".join(marked) and "Answer" not in " ".join(marked)


async def test_the_other_views(evaluated: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    rows = [{"prompt": f"Question {n}", "completion": "x", "topic": "ab"[n % 2]} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = fake_result(60) | {"data": {**fingerprint(path), "format": None}}
    labels = ["card", "lost"]
    classes = confusion(["card", "lost", "lost"], ["card", "card", "lost"], labels)
    document["classes"] = {"labels": labels, "total": 2, "arms": dict.fromkeys(ARMS, classes)}
    records = {arm: [{"row": row, "answer": "Paris" if arm == "tuned" else "?", "nll": 2.0, "answer_tokens": 4}
                     for row in range(40)] for arm in ("base", "tuned")}  # fmt: skip
    document["forgetting"] = summarise_general(records)
    add_result(evaluated, document, fake_answers(60))
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned is better than" in shown(app))
        for key, texts in (
            ("2", ("├", "●", "few-shot:5 − base", "2 intervals")),
            ("3", ("BLEU ↑ by topic", "rows", " 30     0.2", "slices worse than base")),
            ("4", ("what 1,000 answers cost", "75,833", "0.76 GiB", "3 of 60")),
            ("5", ("40 general prompts", "no difference shown", "Which planet is closest")),
            ("6", ("2 classes", "0.50", "confusion matrix of tuned")),
            ("v", ("48 rows that differ most",)),
            ("v", ("2 intervals",)),
        ):
            await pilot.press(key)
            await until(pilot, lambda texts=texts: all(text in shown(app) for text in texts))
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press(*["backspace"] * 8, *"nothing", "enter")
        await until(pilot, lambda: "has the field `nothing`" in shown(app))


async def test_a_view_that_was_not_measured_says_so(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "tuned is better than" in shown(app))
        await pilot.press("6")
        await sees(pilot, "neither accuracy nor F1 was measured")
        await pilot.press("5")
        await sees(pilot, "the evaluation asked no general prompts")
        await pilot.press("3")
        await sees(pilot, "the test rows are no longer there")


async def test_export_asks_before_it_replaces(evaluated: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await until(pilot, lambda: "tuned is better than" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = str(out)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Replace out.csv?" in shown(app))
        assert out.read_text() == "mine"
        await pilot.press("right", "enter")
        await sees(pilot, "wrote")
        assert out.read_text().startswith("arm,against,metric") and "few-shot:5,base,bleu,yes" in out.read_text()
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        app.screen.query_one(Input).value = str(tmp_path / "out.xlsx")
        await pilot.press("enter")
        await sees(pilot, "exported as .csv, .json or .md")


async def test_without_a_result_it_says_what_to_do() -> None:
    run = make_run(name="fresh", status="stopped", steps=20)
    app = DiapasonApp("evaluation", run=run)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: "Not evaluated yet: fresh is not trained to its end" in shown(app))
        await pilot.press("j")
        await until(pilot, lambda: "fresh is not evaluated yet" in " ".join(shown(app).split()))


async def test_an_evaluation_at_work_and_its_result() -> None:
    run = make_run(name="support-fr")
    job = make_run(name="evaluate", parent=run.jobs_folder, status="running", steps=0)
    write_json(job.spec_file, {**json.loads(job.spec_file.read_text()), "kind": "evaluate"})
    writer = JsonlWriter(job.events)
    writer.write({"t": 0.0, "m": 0.0, "event": "progress", "phase": "base", "done": 7, "total": 120})
    writer.close()
    lock = Lock(job.lock_file)
    assert lock.acquire()
    app = DiapasonApp("evaluation", run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "evaluating: base 7 / 120" in shown(app))
        add_result(run, fake_result(), fake_answers(10))
        write_json(job.state_file, {**json.loads(job.state_file.read_text()), "status": "completed"})
        lock.release()
        await until(pilot, lambda: "tuned is better than" in shown(app) and "evaluating" not in shown(app))


async def test_a_failed_evaluation_says_why() -> None:
    run = make_run(name="support-fr")
    job = make_run(name="evaluate", parent=run.jobs_folder, status="failed", steps=0, reason="out of memory")
    write_json(job.spec_file, {**json.loads(job.spec_file.read_text()), "kind": "evaluate"})
    app = DiapasonApp("evaluation", run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "the evaluation failed: out of memory" in shown(app))


async def test_evaluating_asks_for_the_arms_first(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned is better than" in shown(app))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ArmsScreen) and "[x] base" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ArmsScreen))
        assert not list(evaluated.jobs_folder.glob("*"))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_looks(snap_compare: Any, evaluated: RunFolder, size: tuple[int, int]) -> None:
    async def settled(pilot: Any) -> None:
        await until(pilot, lambda: "ROUGE-L" in shown(pilot.app) and "Question 0" in shown(pilot.app))

    assert snap_compare(DiapasonApp("evaluation", run=evaluated), terminal_size=size, run_before=settled)
