"""The bootstrap, the arms, and what a result says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import examples
from core.errors import UsageError
from core.evaluation import metrics
from core.evaluation.arms import Arm, parse_arm, pick_shots, with_shots
from core.evaluation.bootstrap import difference, draws, interval
from core.evaluation.result import parse_result, read_result
from core.judging.used import prompt_id, unseen
from tests.training import chat_rows, write_jsonl


def test_intervals_cover_and_pairs_stay_paired() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        values = generator.normal(5, 2, 60)
        low, high = interval(draws({"x": metrics.mean_table(list(values))}, resamples=500, seed=trial)["x"])
        hits += low <= 5 <= high
    assert 180 <= hits <= 198  # 95 % less the bootstrap's known shortfall at 60 rows

    noise = generator.normal(0, 10, 100)
    tables = {"worse": metrics.mean_table(list(noise)), "better": metrics.mean_table(list(noise + 0.1))}
    drawn = draws(tables, seed=0)
    gap = difference(tables["better"].value, tables["worse"].value, drawn["better"], drawn["worse"])
    # The rows differ wildly, the pairs not at all.
    assert gap.low == pytest.approx(0.1) and gap.high == pytest.approx(0.1)
    assert gap.p == pytest.approx(2 / 10_001)
    assert difference(1, 1, drawn["worse"], drawn["worse"]).p == 1


def test_p_values_of_no_difference_are_spread_evenly() -> None:
    generator = np.random.default_rng(2)
    small = 0
    for trial in range(300):
        tables = {name: metrics.mean_table(list(generator.normal(0, 1, 50))) for name in ("a", "b")}
        drawn = draws(tables, resamples=400, seed=trial)
        small += difference(tables["a"].value, tables["b"].value, drawn["a"], drawn["b"]).p < 0.05
    assert small / 300 < 0.1


def test_large_and_small_tables_draw_the_same_kind_of_rows() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        draws({"a": metrics.mean_table([1.0]), "b": metrics.mean_table([1.0, 2.0])})
    many = metrics.mean_table([float(n % 2) for n in range(30_000)])
    scores = draws({"many": many}, resamples=200)["many"]
    assert len(scores) == 200 and scores.mean() == pytest.approx(0.5, abs=0.01)


def test_draws_without_a_number_are_passed_over() -> None:
    nan = np.full(5, np.nan)
    half = np.array([0.0, np.nan, 1.0, 1.0, np.nan])
    assert interval(half)[0] < interval(half)[1] == 1.0 and np.isnan(interval(nan)).all()
    assert difference(1.0, 0.0, half, np.zeros(5)).p == 1.0 == difference(1.0, 0.0, nan, half).p


def test_arms_are_named() -> None:
    assert parse_arm("few-shot:05") == Arm("few-shot:5", "few-shot", 5)
    assert parse_arm("tuned").tuned and not parse_arm("base").tuned
    for text in ("few-shot", "few-shot:0", "few-shot:x", "Base", ""):
        with pytest.raises(UsageError, match="is no arm"):
            parse_arm(text)


def test_rows_that_were_trained_on_are_not_counted(tmp_path: Path) -> None:
    train = list(examples(write_jsonl(tmp_path / "train.jsonl", chat_rows(10)), "chat"))
    rows = chat_rows(3) + chat_rows(2, 50)
    rows[0]["messages"][0]["content"] = rows[0]["messages"][0]["content"].upper() + "  "
    test = list(examples(write_jsonl(tmp_path / "test.jsonl", rows), "chat"))
    kept, refused = unseen(test, {prompt_id(row) for row in train})
    assert [row.row for row in kept] == [3, 4] and refused == 3


def test_examples_go_before_the_question_behind_the_system_message(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = chat_rows(6)
    for row in rows:
        row["messages"].insert(0, {"role": "system", "content": "Be kind."})
    rows.append({"messages": [{"role": "assistant", "content": "I began."}]})
    train = list(examples(write_jsonl(tmp_path / "train.jsonl", rows), "chat"))
    shots = pick_shots(train, 2, seed=3)
    assert shots == pick_shots(train, 2, seed=3) and len(pick_shots(train, 50, seed=3)) == 6
    asked = with_shots(train[0], shots)
    assert [message.role for message in asked.prompt] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert asked.prompt[-1] == train[0].prompt[-1] and asked.completion == train[0].completion


def test_a_result_reads_back(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    document = {
        "schema": 1, "rows": 3, "refused": 1, "too_long": 0, "task": "style", "weights": 7,
        "data": {"path": "t.jsonl", "sha256": "00"},
        "arms": [
            {"name": name, "metrics": {"bleu": {"value": 1, "low": 0, "high": 2},
                                       "loss": {"value": 2, "low": 1, "high": 3}},
             "seconds": 1.5, "tokens": 10, "prompt_tokens": 20}
            for name in ("base", "tuned")
        ],
        "comparisons": [{"arm": "tuned", "against": "base", "metric": "loss", "difference": -1.0, "low": -2.0,
                         "high": -0.5, "p": 0.001}],
    }  # fmt: skip
    result = parse_result(document)
    assert result.metrics == ["loss", "bleu"]
    tuned = result.arm("tuned")
    assert tuned is not None and tuned.metrics["bleu"].high == 2 and result.arm("other") is None
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "result.json").write_text(json.dumps(document))
    assert read_result(tmp_path) == result
    (tmp_path / "evaluation" / "result.json").write_text(json.dumps({**document, "arms": [{}]}))
    assert read_result(tmp_path) is None


def test_reading_a_result_imports_nothing_heavy() -> None:
    code = "import sys, core.evaluation; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
