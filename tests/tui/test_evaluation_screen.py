"""The evaluation screen: the verdict, the table, the rows, and what it says where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.evaluation.result import parse_result
from core.files import JsonlWriter, Lock, write_json
from core.runs.folder import RunFolder
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import fake_answers, fake_result
from tests.tui.screen_text import shown, until
from tui.app import DiapasonApp
from tui.screens.evaluation_state import read_cases, verdict
from tui.screens.evaluation_text import p_words
from tui.widgets.dialogs import ConfirmDialog


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
        if item["metric"] == "loss" and item["against"] == against:
            item.update(changes)
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (fake_result(), "tuned beats base and few-shot:5 on answer loss"),
        (changed("few-shot:5", p=0.4), "tuned beats base, shows no difference from few-shot:5 on answer loss"),
        (changed("base", difference=0.7, low=0.5, high=0.9), "beats few-shot:5, is worse than base on answer loss"),
        ({**fake_result(), "comparisons": []}, "3 arms on 120 rows"),
    ],
)
def test_the_verdict_is_one_sentence(document: dict[str, Any], said: str) -> None:
    assert said in verdict(parse_result(document))


def test_p_is_written_as_in_papers() -> None:
    assert [p_words(p) for p in (0.00003, 0.003, 0.21)] == ["p < .0001", "p = .003", "p = .21"]


def test_broken_answers_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    good = {"row": 3, "arm": "base", "answer": "a", "prompt": "no list", "reference": None, "nll": None}
    rows = ["{", "[]", '{"row": "x"}', '{"row": 1, "arm": 2}', json.dumps(good)]
    path.write_text("\n".join(rows) + "\n")
    assert [case.row for case in read_cases(path)] == [3]
    assert read_cases(tmp_path / "missing.jsonl") == ()


async def test_table_rows_and_filters(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned beats base and few-shot:5" in shown(app))
        parts = ("0.871 ▲ 0.819–0.915", "−1.541", "p < .0001", "better", "48 rows where answers differ")
        await until(pilot, lambda: all(part in shown(app) for part in parts))
        await pilot.press(*["down"] * 3)
        await until(pilot, lambda: "exact match: share of answers" in shown(app) and "not shown" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "rows tuned better" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "0 rows tuned worse" in shown(app))
        await pilot.press("f")
        await until(pilot, lambda: "all 60 rows" in shown(app))
        await pilot.press(*["down"] * 4, "enter")
        await until(pilot, lambda: "Parcel 4 leaves tomorrow." in shown(app) and "It is on its way." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "all 60 rows" in shown(app))


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
        await until(pilot, lambda: "tuned beats base" in shown(app) and "evaluating" not in shown(app))


async def test_a_failed_evaluation_says_why() -> None:
    run = make_run(name="support-fr")
    job = make_run(name="evaluate", parent=run.jobs_folder, status="failed", steps=0, reason="out of memory")
    write_json(job.spec_file, {**json.loads(job.spec_file.read_text()), "kind": "evaluate"})
    app = DiapasonApp("evaluation", run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "the evaluation failed: out of memory" in shown(app))


async def test_evaluating_again_asks_first(evaluated: RunFolder) -> None:
    app = DiapasonApp("evaluation", run=evaluated)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "tuned beats base" in shown(app))
        await pilot.press("e")
        await until(
            pilot, lambda: isinstance(app.screen, ConfirmDialog) and "Evaluate support-fr again?" in shown(app)
        )
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ConfirmDialog))
        assert not list(evaluated.jobs_folder.glob("*"))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_looks(snap_compare: Any, evaluated: RunFolder, size: tuple[int, int]) -> None:
    async def settled(pilot: Any) -> None:
        await until(pilot, lambda: "ROUGE-L" in shown(pilot.app) and "Question 0" in shown(pilot.app))

    assert snap_compare(DiapasonApp("evaluation", run=evaluated), terminal_size=size, run_before=settled)
