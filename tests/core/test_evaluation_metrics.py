"""Every metric against its reference implementation, the evaluate modules, own metrics, and what is no metric."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DiapasonError, UsageError
from core.evaluation import checks, classes, metrics, overlap
from core.evaluation.catalog import Rows, check_metrics, default_names, measure, names, primary_of, split_names
from core.evaluation.result import METRICS

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
ASCII = st.lists(st.text(st.characters(max_codepoint=127), max_size=40), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.lists(st.lists(st.text(max_size=20), min_size=1, max_size=3), min_size=1, max_size=6))
def test_bleu_and_chrf_are_those_of_sacrebleu_for_any_text(said: list[str], wanted: list[list[str]]) -> None:
    import sacrebleu

    size = min(len(said), len(wanted))
    said, wanted = said[:size], wanted[:size]
    most = max(map(len, wanted))
    streams = [[row[at] if at < len(row) else None for row in wanted] for at in range(most)]
    bleu, chrf = overlap.bleu_table(said, wanted), overlap.chrf_table(said, wanted)
    assert bleu.value == pytest.approx(sacrebleu.corpus_bleu(said, streams).score, abs=1e-6)
    assert chrf.value == pytest.approx(sacrebleu.corpus_chrf(said, streams).score, abs=1e-6)


def test_sacrebleu_signatures_are_kept() -> None:
    import sacrebleu

    metric = overlap.bleu()
    metric.corpus_score(SAID, [WANTED])
    assert overlap.signature(overlap.bleu(), WANTED) == str(metric.get_signature())
    assert "nrefs:1|" in str(metric.get_signature()) and sacrebleu.__version__ in str(metric.get_signature())
    assert "nrefs:var" in overlap.signature(overlap.chrf(), [["a", "b"], ["c"]])


@settings(max_examples=40, deadline=None)
@given(ASCII, ASCII)
def test_rouge_is_that_of_rouge_score_for_english(said: list[str], wanted: list[str]) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    pairs = list(zip(said, wanted, strict=False))
    scorer = RougeScorer(list(overlap.ROUGE))
    theirs = [scorer.score(reference, text) for text, reference in pairs]
    ours = overlap.rouge_tables([text for text, _ in pairs], [reference for _, reference in pairs])
    for name in overlap.ROUGE:
        assert ours[name].value == pytest.approx(np.mean([score[name].fmeasure for score in theirs]), abs=1e-6)


def test_rouge_is_that_of_rouge_score_for_english_with_accents() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    wanted = "The café on the corner was naïve enough to sell its best coffee for the price of water all summer."
    said = "The caf on the corner of the street sold coffee for the price of water."
    theirs = RougeScorer(["rougeL"]).score(wanted, said)["rougeL"].fmeasure
    assert overlap.rouge_tables([said], [wanted])["rougeL"].value == pytest.approx(theirs, abs=1e-6)
    assert overlap.rouge_tables([said], [wanted], language="fr")["rougeL"].value != pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("L’été, aujourd'hui !", ["l", "été", "aujourd'hui"]),
        ("l'E\u0301TE\u0301", ["l", "été"]),
        ("qu’elle l’a_dit", ["qu", "elle", "l", "a", "dit"]),
        ("我爱北京ok", ["我", "爱", "北", "京", "ok"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("コーヒーを飲む", ["コ", "ー", "ヒ", "ー", "を", "飲", "む"]),
        ("이 집은", ["이", "집은"]),
    ],
)
def test_words_of_other_languages(text: str, words: list[str]) -> None:
    assert overlap.Words("fr").tokenize(text) == words


def test_of_several_references_the_best_counts() -> None:
    tables = overlap.rouge_tables(["a b c"], [["x y z", "a b c"]])
    assert tables["rouge2"].value == 1
    assert classes.exact_match_table(["a  b"], [["x", "a b"]]).value == 1
    assert classes.accuracy_table(["Spam."], [["ham", "spam"]]).value == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcx"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_classes_are_measured_as_scikit_learn_does(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    said, wanted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted(set(wanted))
    ours = classes.class_tables(said, wanted)
    macro = precision_recall_fscore_support(wanted, said, labels=labels, average="macro", zero_division=0)
    for name, theirs in zip(("macro_precision", "macro_recall", "macro_f1"), macro[:3], strict=True):
        assert ours[name].value == pytest.approx(theirs, abs=1e-9)
    assert classes.accuracy_table(said, wanted).value == pytest.approx(accuracy_score(wanted, said))

    kept, total = classes.labels_of(wanted)
    assert (kept, total) == (labels, len(labels))
    found = classes.confusion(said, wanted, labels)
    per_class = precision_recall_fscore_support(wanted, said, labels=labels, average=None, zero_division=0)
    for at, entry in enumerate(found["classes"]):
        figures = [entry[name] for name in ("precision", "recall", "f1", "support")]
        assert figures == pytest.approx([part[at] for part in per_class], abs=1e-9)
    named = [text if text in labels else "x" for text in said]
    theirs = confusion_matrix(wanted, named, labels=[*labels, "x"])
    assert found["matrix"] == theirs[: len(labels)].tolist()


def test_answers_are_compared_as_a_person_would() -> None:
    assert classes.exact_match_table(["In  Paris.\n", "in Paris."], ["In Paris.", "In Paris."]).value == 0.5
    assert classes.accuracy_table(["Positive.\nBecause it is", " negative"], ["positive", "Negative"]).value == 1
    assert classes.label_of("") == ""


def test_losses_are_means_over_tokens_and_bytes_not_rows() -> None:
    assert metrics.loss_table([2.0, 30.0], [1, 9]).value == pytest.approx(3.2)
    assert metrics.perplexity_table([2.0, 30.0], [1, 9]).value == pytest.approx(math.exp(3.2))
    # 32 nats over 16 bytes, whatever the tokens.
    assert metrics.bits_per_byte_table([2.0, 30.0], [4, 12]).value == pytest.approx(2 / math.log(2))


def test_json_patterns_and_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_SECONDS", 0.2)
    said = ['{"a": 1}', "[NaN]", "```json\n{}\n```", ' "text" ', "{", "[" * 5000]
    assert checks.json_valid_table(said).rows[:, 0].tolist() == [1, 0, 0, 1, 0, 0]
    assert checks.pattern("^a.c$")(["abc", "abcd", "a\nc"]).value == pytest.approx(1 / 3)
    with pytest.raises(DiapasonError, match="takes longer than .* on answer 2"):
        checks.pattern(r"^(\w|\w\w)+$")(["x", "a" * 4000 + "!"])
    check, told = checks.length("2-3")
    assert told == "2 to 3 words" and check(["one", "two words", " a b c ", "a b c d"]).value == 0.5
    check, told = checks.length("-3:characters")
    assert told == "0 to 3 characters" and check([" été ", "four"]).value == 0.5
    assert checks.length("5-")[1] == "5 words or more"


def test_answers_against_a_json_schema(tmp_path: Path) -> None:
    pytest.importorskip("jsonschema")
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}))
    assert checks.json_schema(path)(['{"a": 1}', '{"a": "x"}', "{}", "no"]).value == 0.25
    path.write_text('{"type": 5}')
    with pytest.raises(UsageError, match="is no JSON schema"):
        checks.json_schema(path)
    path.write_text('{"type":\n,}')
    with pytest.raises(UsageError, match="s.json:2: this is no JSON"):
        checks.json_schema(path)
    with pytest.raises(UsageError, match="cannot be read"):
        checks.json_schema(tmp_path / "missing.json")


def test_metrics_are_found_by_name(tmp_path: Path) -> None:
    assert list(measure("rouge").infos) == ["rouge1", "rouge2", "rougeL"]
    assert list(measure("rougeL").infos) == ["rougeL"] and list(measure("precision").infos) == ["macro_precision"]
    assert all(info in METRICS for name in names() for info in measure(name).infos)
    assert split_names(["bleu, f1", "regex:a,b", "chrf,regex:x{1,2}"]) == [
        "bleu", "f1", "regex:a,b", "chrf", "regex:x{1,2}",
    ]  # fmt: skip
    for name in ("blue", "regex:(", "length:x", "length:9-3", "length:1-2:lines", "length:-", "", "missing.py"):
        with pytest.raises(UsageError):
            measure(name)
    with pytest.raises(UsageError, match="`blue` is no metric; is it bleu?"):
        measure("blue")
    check_metrics(["bleu", "rouge"], "rouge")
    with pytest.raises(UsageError, match="is not among those measured"):
        check_metrics(["bleu"], "chrf")


def test_defaults_follow_the_task_and_the_rows() -> None:
    assert default_names("style", {"text"}, [[""]]) == ["loss", "perplexity", "bits_per_byte"]
    assert "f1" in default_names("classification", {"chat"}, [["a"]])
    assert "json_valid" in default_names("extraction", {"chat"}, [['{"a": 1}'], ["[]"]])
    found = [measure(name) for name in ("accuracy", "f1", "chrf")]
    assert primary_of(None, found, "classification", ["chrf", "accuracy"])[0] == "accuracy"
    assert primary_of(None, found, "style", ["loss", "chrf"])[0] == "chrf"
    assert primary_of("f1", found, "style", ["chrf"]) == ("macro_f1", "named beforehand")


EVALUATE = """
import datasets
import evaluate

class Own(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        same = [a == b for a, b in zip(predictions, references)]
        return {"share": sum(same) / len(same), "squared": (sum(same) / len(same)) ** 2, "told": "no number"}
"""

MODULES = """
import json, sys
from pathlib import Path
import evaluate
from core.evaluation import metrics
said, wanted, nats, counts = json.loads(sys.argv[1])
given = {"length": {"bounds": "3-5"}, "regex_match": {"pattern": "Paris"}}
found = {}
for path in sorted((Path(metrics.__file__).parent / "modules").glob("[a-z]*.py")):
    if path.stem in ("style_and_fact", "json_schema"):
        continue
    losses = path.stem in ("loss", "perplexity", "bits_per_byte")
    rows = (nats, counts) if losses else (said, wanted)
    module = evaluate.load(str(path), keep_in_memory=True)
    found.update(module.compute(predictions=rows[0], references=rows[1], **given.get(path.stem, {})))
    if path.stem == "bleu":
        found["bleu of two"] = module.compute(predictions=said, references=[[text, "x"] for text in wanted])["bleu"]

from core.errors import DiapasonError
from core.evaluation.catalog import Rows, measure
from core.evaluation.significance import scored
tables = measure(sys.argv[2]).tables(Rows(["a", "b", "c", "d"] * 5, [["a"], ["b"], ["x"], ["x"]] * 5))
values, drawn = scored({("a", name.partition("#")[2]): table for name, table in tables.items()})
try:
    measure(sys.argv[3]).tables(Rows(["a"], [["a"]]))
    told = ""
except DiapasonError as error:
    told = str(error)
draws = [len(scores) for scores in drawn.values()]
print(json.dumps([found, {name: list(value.values()) for (_, name), value in values.items()}, draws, told]))
"""


def test_the_modules_and_an_own_one_load_by_path_without_a_hub(tmp_path: Path) -> None:
    mine, broken = tmp_path / "mine.py", tmp_path / "broken.py"
    mine.write_text(EVALUATE)
    broken.write_text(EVALUATE.replace("same = [", "same = 1 / 0, ["))
    result = subprocess.run(
        [sys.executable, "-c", MODULES, json.dumps([SAID, WANTED, [2.0, 30.0], [1, 9]]), str(mine), str(broken)],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    rows = Rows(SAID, [[text] for text in WANTED], [2.0, 30.0], [1, 9], [1, 9])
    wanted = [name for name in names() if name != "style_and_fact"]
    expected = {key: table.value for name in wanted for key, table in measure(name).tables(rows).items()}
    expected |= {"length": 0.4, "regex_match": 0.2}
    expected["bleu of two"] = overlap.bleu_table(SAID, [[text, "x"] for text in WANTED]).value
    found, values, draws, told = json.loads(result.stdout)
    assert found == pytest.approx(expected)
    # An evaluate.Metric computes anew for each resample: fewer of them.
    assert {name: value for name, (value, _, _) in values.items()} == {"share": 0.5, "squared": 0.25}
    assert draws == [1000, 1000] and values["share"][1] < 0.4 < 0.6 < values["share"][2]
    assert f"{broken}:12: this metric fails: ZeroDivisionError" in told


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.py"
    path.write_text(text)
    return path


def test_an_own_metric_scores_each_row(tmp_path: Path) -> None:
    score = "def score(prediction, reference):\n    return abs(len(prediction) - len(reference))\n"
    path = own(tmp_path, f'"""Letters too many."""\nhigher_is_better = False\n{score}')
    found = measure(str(path))
    info = found.infos[str(path)]
    assert (info.label, info.higher_is_better, info.definition) == ("own", False, "Letters too many.")
    tables = found.tables(Rows(["abc", "a"], [["a", "ab"], ["a"]]))
    assert tables[str(path)].rows[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (\n", r"own.py:1: this metric cannot be imported"),
        ("import nothing_such\n", r"own.py:1: this metric cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", r"own.py:1: this metric cannot be imported"),
        ("x = 1\n", r"own.py: it holds no metric"),
        ("def score(one):\n    return 1\n", r"own.py:1: score does not take"),
        ("\ndef score(a, b):\n    return 1 / 0\n", r"own.py:3: this metric fails on answer 1: ZeroDivisionError"),
        ("def score(a, b):\n    return 'x'\n", r"own.py: score gave 'x' for answer 1"),
        ("def score(a, b):\n    return float('nan')\n", r"own.py: score gave nan for answer 1"),
    ],
)
def test_a_broken_own_metric_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DiapasonError, match=told) as caught:
        measure(str(own(tmp_path, text))).tables(Rows(["a"], [["b"]]))
    assert "Traceback" not in str(caught.value)
