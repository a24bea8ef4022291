"""Metrics against their reference implementations, the bootstrap, the arms, and what a result says."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.dataset import examples
from core.errors import UsageError
from core.evaluation import metrics
from core.evaluation.arms import Arm, parse_arm, pick_shots, unseen, with_shots
from core.evaluation.bootstrap import difference, draws, interval
from core.evaluation.result import METRICS, parse_result, read_result
from tests.training import chat_rows, write_jsonl

SAID = [
    "Your lamp is in Paris.",
    "The chair is in the garden. Thank you!",
    "I do not know",
    "",
    "Elle est partie ce matin, à l'été .",
]
WANTED = [
    "Your lamp is in Paris.",
    "Your chair is in the garden. Thank you!",
    "The clock is in our depot.",
    "Yes.",
    "Elle est partie hier matin, à l'été.",
]
TEXTS = st.lists(st.text(st.sampled_from("abc éÀ.\n '-1"), max_size=20), min_size=1, max_size=6)


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    import sacrebleu

    assert metrics.bleu(SAID, WANTED) == pytest.approx(sacrebleu.corpus_bleu(SAID, [WANTED]).score, abs=1e-6)
    assert metrics.chrf(SAID, WANTED) == pytest.approx(sacrebleu.corpus_chrf(SAID, [WANTED]).score, abs=1e-6)
    assert metrics.bleu(WANTED, WANTED) == pytest.approx(100)


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS)
def test_bleu_and_chrf_hold_for_any_text(said: list[str], wanted: list[str]) -> None:
    import sacrebleu

    size = min(len(said), len(wanted))
    said, wanted = said[:size], wanted[:size]
    assert metrics.bleu(said, wanted) == pytest.approx(sacrebleu.corpus_bleu(said, [wanted]).score, abs=1e-6)
    assert metrics.chrf(said, wanted) == pytest.approx(sacrebleu.corpus_chrf(said, [wanted]).score, abs=1e-6)


def test_rouge_is_that_of_rouge_score_for_english() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    theirs = [scorer.score(wanted, said) for said, wanted in zip(SAID[:4], WANTED[:4], strict=True)]
    ours = metrics.rouge(SAID[:4], WANTED[:4])
    for name in ("rouge1", "rouge2", "rougeL"):
        assert ours[name] == pytest.approx(np.mean([score[name].fmeasure for score in theirs]), abs=1e-6)


def test_rouge_reads_words_of_any_script() -> None:
    # rouge-score's own tokenizer keeps ASCII only: "été" becomes "t", equal to "âtâ".
    assert metrics.rouge(["été"], ["âtâ"])["rouge1"] == 0
    assert metrics.rouge(["Été là"], ["été là"])["rouge1"] == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcx"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_macro_f1_and_accuracy_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    said, wanted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted(set(wanted))
    theirs = f1_score(wanted, said, labels=labels, average="macro", zero_division=0)
    assert metrics.macro_f1(said, wanted) == pytest.approx(theirs, abs=1e-9)
    assert metrics.accuracy(said, wanted) == pytest.approx(accuracy_score(wanted, said))


def test_answers_are_compared_as_a_person_would() -> None:
    assert metrics.exact_match(["In  Paris.\n", "in Paris."], ["In Paris.", "In Paris."]) == 0.5
    assert metrics.accuracy(["Positive.\nBecause it is", " negative"], ["positive", "Negative"]) == 1
    assert metrics.label_of("") == ""


def test_loss_is_a_mean_over_tokens_not_rows() -> None:
    assert metrics.loss_table([2.0, 30.0], [1, 9]).value == pytest.approx(3.2)
    assert metrics.perplexity_table([2.0, 30.0], [1, 9]).value == pytest.approx(math.exp(3.2))


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
    assert gap.p == pytest.approx(2 / 2001)
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


MODULES = """
import json, sys
from pathlib import Path
import evaluate
from core.evaluation import metrics
said, wanted = json.loads(sys.argv[1])
found = {}
for path in sorted((Path(metrics.__file__).parent / "modules").glob("[a-z]*.py")):
    if path.stem != "style_and_fact":
        found.update(evaluate.load(str(path), keep_in_memory=True).compute(predictions=said, references=wanted))
print(json.dumps(found))
"""


def test_the_modules_load_by_path_without_a_hub(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MODULES, json.dumps([SAID, WANTED])],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    expected = {
        "bleu": metrics.bleu(SAID, WANTED),
        "chrf": metrics.chrf(SAID, WANTED),
        **metrics.rouge(SAID, WANTED),
        "exact_match": 0.2,
        "accuracy": metrics.accuracy(SAID, WANTED),
        "macro_f1": metrics.macro_f1(SAID, WANTED),
    }
    assert found == pytest.approx(expected)
    assert set(found) < set(METRICS)


def test_arms_are_named() -> None:
    assert parse_arm("few-shot:05") == Arm("few-shot:5", False, 5)
    assert parse_arm("tuned").tuned and not parse_arm("base").tuned
    for text in ("few-shot", "few-shot:0", "few-shot:x", "Base", ""):
        with pytest.raises(UsageError, match="is no arm"):
            parse_arm(text)


def test_rows_that_were_trained_on_are_not_counted(tmp_path: Path) -> None:
    train = list(examples(write_jsonl(tmp_path / "train.jsonl", chat_rows(10)), "chat"))
    rows = chat_rows(3) + chat_rows(2, 50)
    rows[0]["messages"][0]["content"] = rows[0]["messages"][0]["content"].upper() + "  "
    test = list(examples(write_jsonl(tmp_path / "test.jsonl", rows), "chat"))
    kept, refused = unseen(test, train)
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
