"""Tests of differences against their sources, Holm, the result document, the answer, slices, general prompts."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import fingerprint, open_dataset
from core.engine.scoring import rows_of
from core.evaluation import overlap
from core.evaluation.catalog import Rows, measure
from core.evaluation.document import Arm, document
from core.evaluation.general import general_prompts, prompts, summarise_general
from core.evaluation.records import references_of
from core.evaluation.result import parse_result
from core.evaluation.significance import holm, mcnemar, randomisation
from core.evaluation.slices import slice_scores, slices_of_run
from core.evaluation.verdict import answer
from core.report.evaluation import as_csv, evaluation_blocks
from core.report.write import as_html, as_markdown, as_text
from tests.fake_run import add_result, make_run

WORDS = ["the", "a", "lamp", "chair", "is", "in", "garden", "house", "Paris", "red", "blue", "small", "big", "old"]


def test_holm_is_that_of_the_textbook() -> None:
    # R's p.adjust(c(.01, .04, .03, .005), "holm") gives .03 .06 .06 .02.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_rows() -> None:
    from scipy.stats import binomtest

    ours = np.array([1.0] * 12 + [0.0] * 3 + [1.0] * 40 + [0.0] * 5)
    theirs = np.array([0.0] * 12 + [1.0] * 3 + [1.0] * 40 + [0.0] * 5)
    assert mcnemar(ours, theirs) == pytest.approx(binomtest(12, 15).pvalue)
    assert mcnemar(ours, theirs) == mcnemar(theirs, ours) and mcnemar(ours, ours) == 1


def test_bleu_and_chrf_are_tested_by_sacrebleus_own_test() -> None:
    from sacrebleu.significance import PairedTest

    wanted = [" ".join(random.Random(row).choices(WORDS, k=8)) for row in range(40)]
    said = {arm: [_noisy(text, share, row) for row, text in enumerate(wanted)] for arm, share in
            (("base", 0.5), ("a", 0.45), ("b", 0.1))}  # fmt: skip
    ours = randomisation(said, [[text] for text in wanted], overlap.chrf(), "base")
    _, theirs = PairedTest(list(said.items()), {"chrF": overlap.chrf()}, [wanted], test_type="ar", n_samples=10_000)()
    assert [ours["a"], ours["b"]] == [result.p_value for result in theirs["chrF2"][1:]]
    assert ours["b"] < 0.001 < ours["a"]


def test_a_handful_of_rows_that_differ_shows_nothing() -> None:
    wanted = [[" ".join(random.Random(row).choices(WORDS, k=8))] for row in range(40)]
    bad, good = ["nothing of it"] * 40, [texts[0] for texts in wanted]
    said = {"base": bad, "same": bad, "two": [*good[:2], *bad[2:]], "tuned": good}
    arms = [Arm(name, {"kind": "run"}, [], Rows(answers, wanted)) for name, answers in said.items()]
    found = document(arms, [measure("bleu"), measure("rouge")], "chat", None)
    p = {(item["arm"], item["metric"]): item["p"] for item in found["comparisons"]}
    # Of rows that differ in nothing, or in two of 40, no arrangement is rarer than all of them, or half of them.
    assert p["same", "bleu"] == p["same", "rougeL"] == 1
    assert p["two", "bleu"] >= 0.5 and p["two", "rougeL"] >= 0.5
    assert p["tuned", "bleu"] < 0.001 and p["tuned", "rougeL"] < 0.001


def _noisy(text: str, share: float, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) if draw.random() < share else word for word in text.split())


def records(arm: str, right: float, rows: int = 60, *, losses: bool = True) -> list[dict[str, Any]]:
    """Answers that name the right one of three classes in about `right` of all rows."""
    draw, found = random.Random(arm), []
    for row in range(rows):
        wanted = ("spam", "ham", "other")[row % 3]
        said = wanted if draw.random() < right else "Spam?"
        found.append({
            "row": row, "line": row + 1, "arm": arm, "prompt": [], "reference": wanted, "references": [wanted],
            "answer": said, "prompt_tokens": 10, "generated_tokens": 2, "ended": row > 0, "seconds": 0.5,
            "nll": 2.0 if losses else None, "answer_tokens": 2 if losses else None, "answer_bytes": len(wanted),
        })  # fmt: skip
    return found


def whole(**shares: float) -> dict[str, Any]:
    kinds = {"few_shot": "few-shot", "far": "endpoint"}
    arms = [
        Arm(name, {"kind": kinds.get(name, name), "price": {"given": 1.0, "made": 4.0, "currency": "EUR"}
                   if name == "far" else None}, found, rows_of(found))
        for name, share in shares.items()
        for found in [records(name, share, losses=name != "far")]
    ]  # fmt: skip
    measures = [measure(name) for name in ("loss", "accuracy", "f1", "exact_match", "chrf")]
    return {"schema": 1, "task": "classification", **document(arms, measures, "classification", None, seed=1)}


def test_the_document_keeps_raw_and_corrected_p_and_the_method() -> None:
    found = whole(base=0.3, few_shot=0.6, far=0.5, tuned=0.95)
    assert found["primary_metric"] == {"name": "accuracy", "why": "the default for classification"}
    assert next(iter(found["measured"])) == "accuracy" and "nrefs:1" in found["measured"]["chrf"]["signature"]
    comparisons = found["comparisons"]
    pairs = list(dict.fromkeys((item["arm"], item["against"]) for item in comparisons))
    assert pairs == [
        ("tuned", "base"),
        ("tuned", "few_shot"),
        ("tuned", "far"),
        ("few_shot", "base"),
        ("far", "base"),
    ]
    methods = {item["metric"]: item["method"] for item in comparisons}
    assert methods["accuracy"] == "exact McNemar" and methods["macro_f1"] == "paired bootstrap"
    assert methods["chrf"] == "sacrebleu approximate randomisation"
    for family in ("primary", "other"):
        members = [item for item in comparisons if item["family"] == family]
        assert {item["metric"] == "accuracy" for item in members} == {family == "primary"}
        assert [item["p_corrected"] for item in members] == holm([item["p"] for item in members])
    # An endpoint gives no loss: its arm has none, the others keep theirs.
    losses = {arm["name"]: "loss" in arm["metrics"] for arm in found["arms"]}
    assert losses == {"base": True, "few_shot": True, "far": False, "tuned": True}
    far = next(arm for arm in found["arms"] if arm["name"] == "far")
    costs = {"prompt_tokens": 10_000, "tokens": 2_000, "seconds": 500.0, "money": 0.018}
    assert far["per_1000"] == pytest.approx(costs) and far["cut"] == 1
    assert found["classes"]["labels"] == ["ham", "other", "spam"]
    assert sum(map(sum, found["classes"]["arms"]["tuned"]["matrix"])) == 60


def test_an_interval_of_a_share_does_not_vanish_at_one() -> None:
    found = whole(base=0.0, tuned=1.0)
    accuracy = found["arms"][1]["metrics"]["accuracy"]
    assert accuracy["value"] == accuracy["high"] == 1 and accuracy["low"] == pytest.approx(0.9398, abs=1e-3)


def test_the_answer_names_the_best_rival_and_is_told_everywhere() -> None:
    result = parse_result(whole(base=0.3, few_shot=0.6, tuned=0.95))
    found = answer(result)
    assert found is not None and (found.rival.name, found.rivals, found.better) == ("few_shot", 2, True)
    blocks = list(evaluation_blocks(result))
    for text in (as_text(blocks), as_html("x", blocks)):
        assert "tuned is better than few_shot" in text and "which favours it" in text
        assert "exact McNemar" in text and "written tokens" in text and "nrefs:1" in text
    assert "tuned is better than few" in as_markdown(blocks)
    lines = as_csv(result).splitlines()
    width = lines[0].count(",")
    assert all(line.count(",") == width for line in lines)
    assert any(line.startswith("tuned,few_shot,accuracy,yes,") for line in lines)


def test_older_records_are_read_with_their_defaults() -> None:
    old = {"reference": "été", "answer": "x", "nll": 3.0, "answer_tokens": 2}
    assert references_of(old) == ["été"] and references_of(old | {"references": ["a", "été"]}) == ["a", "été"]
    rows = rows_of([old])
    assert (rows.size, rows.nll, rows.references) == ([5], [3.0], [["été"]])
    assert rows_of([old, old | {"nll": None}]).nll is None


def test_slices_show_where_tuned_is_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    path = tmp_path / "test.jsonl"
    rows = [{"prompt": f"Q{row}", "completion": "x", "topic": "rare" if row < 10 else "much", "id": row}
            for row in range(60)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {name: records(name, share) for name, share in (("base", 0.5), ("tuned", 0.95))}
    for arm, said in (("base", None), ("tuned", "wrong")):
        for record in given[arm][:10]:
            record["answer"] = said or record["reference"]
    arms = [Arm(name, {"kind": name}, found, rows_of(found)) for name, found in given.items()]
    found = document(arms, [measure("loss"), measure("accuracy")], "classification", None)
    run = make_run(name="support")
    about = {"task": "x", "data": {**fingerprint(path), "format": None}, "weights": 0, "refused": 0, "too_long": 0}
    add_result(run, found | about, [record for records in given.values() for record in records])

    fields, scores = slices_of_run(run)
    assert fields == ["topic"] and scores is not None and scores.compared == "accuracy"
    rare, much = scores.slices["rare"], scores.slices["much"]
    assert rare.turned and rare.surely_turned and not much.turned
    assert rare.gap is not None and much.gap is not None
    assert [rare.gap.p_corrected, much.gap.p_corrected] == pytest.approx(holm([rare.gap.p, much.gap.p]))
    assert rare.values["accuracy"] == {"base": 1.0, "tuned": 0.0}
    low, high = rare.intervals["accuracy"]["base"]
    assert low < 0.8 and high == 1.0
    alone = slice_scores(run, open_dataset(path), "id")
    assert len(alone.slices) == 60 and alone.slices["0"].intervals == {} and alone.slices["0"].gap is None


def test_general_prompts_accept_their_references_and_nothing_else() -> None:
    assert len(prompts()) == 40 and len({item.id for item in prompts()}) == 40
    assert {"facts", "arithmetic", "instructions", "formats", "languages"} <= {item.topic for item in prompts()}
    for item, example in zip(prompts(), general_prompts(), strict=True):
        re.compile(item.accept)
        assert item.accepts(item.reference) and example.answer == item.reference
        assert not item.accepts("") and not item.accepts("I do not know.")


def test_what_was_forgotten_is_counted() -> None:
    def arm(nll: float, right: int) -> list[dict[str, Any]]:
        return [{"row": row, "answer": prompts()[row].reference if row < right else "?", "nll": nll + row / 100,
                 "answer_tokens": 2} for row in range(40)]  # fmt: skip

    found = summarise_general({"base": arm(2.0, 30), "tuned": arm(6.0, 10)})
    assert found["prompts"] == 40 and found["arms"][1]["right"]["value"] == 0.25
    gaps = {item["metric"]: item for item in found["comparisons"]}
    assert gaps["loss"]["difference"] == pytest.approx(2.0) and gaps["loss"]["p_corrected"] < 0.01
    assert gaps["right"]["difference"] == -0.5 and gaps["right"]["method"] == "exact McNemar"
    assert found["rows"][0]["right"] == {"base": True, "tuned": True}
    text = as_text(evaluation_blocks(parse_result(whole(base=0.3, tuned=0.9) | {"forgetting": found})))
    assert "tuned against base, share right: −0.50" in text and "surely worse" in text
    without = summarise_general({"base": [{"row": 0, "answer": "x", "nll": None, "answer_tokens": None}]})
    assert "loss" not in without["arms"][0] and math.isclose(without["arms"][0]["right"]["value"], 0.0)
    assert summarise_general({})["prompts"] == 0
