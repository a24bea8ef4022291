"""What training will see of a file: cut rows, lost answers and ends, rows rendered twice, tokens never learnt."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.chat import load_chat
from core.data.dataset import open_dataset
from core.data.report import Finding, Report, check
from core.models import find_model
from tests.chat_folder import CHATML, MISTRAL
from tests.chat_model import make_chat_model
from tui.cli import run as main

BOS = "{{ bos_token }}" + CHATML
OPEN_END = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}" \
           "{% if add_generation_prompt %}[assistant] {% endif %}"  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def pair(prompt: str, completion: str) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion}


def report_of(tmp_path: Path, values: list[Any], template: str | None = CHATML, **options: Any) -> Report:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    model = options.pop("model", None) or make_chat_model(tmp_path / "model", template)
    return check(path, model=find_model(str(model)), **options)


def found(report: Report, code: str, detail: str = "") -> Finding | None:
    return next((f for f in report.findings if (f.code, f.detail) == (code, detail)), None)


def rows_of(report: Report, code: str, detail: str = "") -> list[int]:
    finding = found(report, code, detail)
    return list(finding.rows) if finding else []


def test_rows_cut_and_rows_that_lose_their_answer_are_told_apart(tmp_path: Path) -> None:
    rows = [pair("hello", "one"), pair("hello", "two " * 80), pair("where " * 80, "three"), pair("hello", "model")]
    report = report_of(tmp_path, rows, max_length=40)
    assert rows_of(report, "too_long", "cut") == [1] == rows_of(report, "missing_eos", "cut")
    assert rows_of(report, "too_long", "answer_lost") == [2]
    lost = found(report, "too_long", "answer_lost")
    assert lost is not None and lost.severity == "error" and lost.lines == [3] and "40 tokens" in lost.message
    assert not rows_of(report, "fully_masked")


def test_the_table_says_what_encoding_each_row_at_each_limit_says(tmp_path: Path) -> None:
    rows = [pair("hello " * (n * 37 % 200), "one two " * (n * 53 % 150 + 1)) for n in range(40)]
    report = report_of(tmp_path, rows, max_length=100)
    chat = load_chat(tmp_path / "model")
    examples = [row.example for row in open_dataset(tmp_path / "data.jsonl")]
    assert report.tokens is not None
    seen = [lost.max_length for lost in report.tokens.table()]
    assert seen == sorted(seen) and {100, 256, 512} <= set(seen)
    for lost in report.tokens.table():
        encoded = [chat.encode(example, max_length=lost.max_length) for example in examples if example]
        assert lost.tokens == sum(one.cut for one in encoded)
        assert lost.rows == sum(one.cut > 0 for one in encoded)
        assert lost.answers == sum(all(label < 0 for label in one.labels) for one in encoded)
        assert lost.share == pytest.approx(lost.tokens / report.tokens.total)


def test_a_conversation_that_keeps_one_answer_is_cut_not_lost(tmp_path: Path) -> None:
    turns = [("user", "hello"), ("assistant", "one"), ("user", "where " * 90), ("assistant", "two")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    report = report_of(tmp_path, [row], max_length=40)
    assert rows_of(report, "too_long", "cut") == [0] and not rows_of(report, "too_long", "answer_lost")


def test_rows_rendered_before_are_named_by_the_family_of_their_marks(tmp_path: Path) -> None:
    rows = [
        pair("<|im_start|>user\nhello<|im_end|>", "one"),
        pair("[INST] hello [/INST]", "two"),
        pair("a[INST", "<b>"),
        pair("what is x < y?", "three"),
    ]
    report = report_of(tmp_path, rows)
    own, other = found(report, "template_mismatch", "chatml"), found(report, "template_mismatch", "llama-2")
    assert own is not None and list(own.rows) == [0] and "write it again" in own.message
    assert other is not None and list(other.rows) == [1] and "another family" in other.message
    assert not rows_of(report, "template_mismatch", "refused")


def test_a_row_that_the_template_refuses_is_an_error_that_says_why(tmp_path: Path) -> None:
    refused = {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"},
                            {"role": "assistant", "content": "c"}]}  # fmt: skip
    fine = {"messages": refused["messages"][1:]}
    report = report_of(tmp_path, [fine, refused, fine], MISTRAL)
    finding = found(report, "template_mismatch", "refused")
    assert finding is not None and finding.severity == "error" and finding.lines == [2]
    assert "must alternate" in finding.message


def test_two_tokens_that_begin_a_sequence(tmp_path: Path) -> None:
    report = report_of(tmp_path, [pair("<bos>hello", "one"), pair("hello", "<bos>two")], BOS)
    assert rows_of(report, "double_bos", "row") == [0]
    assert found(report, "double_bos", "template") is None
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"add_bos_token": True}))
    both = found(report_of(tmp_path, [pair("a", "b")], model=tmp_path / "model"), "double_bos", "template")
    assert both is not None and both.severity == "note" and "<bos>" in both.message


def test_a_template_that_ends_no_turn(tmp_path: Path) -> None:
    report = report_of(tmp_path, [pair("hello", "one")] * 3, OPEN_END)
    ends = found(report, "missing_eos", "template")
    assert ends is not None and ends.severity == "note" and ends.count == 3 and "<eos>" in ends.message
    assert found(report_of(tmp_path, [pair("hello", "one")]), "missing_eos", "template") is None


def test_a_template_that_shows_nothing_of_the_answer(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "one"}] * 2}
    for silent in (CHATML.replace("message['content'] + '<|im_end|>' }}{% endgen", "'<|im_end|>' }}{% endgen"),
                   CHATML.replace("{{ message['content'] + '<|im_end|>' }}{% endgen", "{% endgen")):  # fmt: skip
        report = report_of(tmp_path, [pair("hello", "one"), row], silent)
        errors = [(finding.code, finding.detail, finding.lines) for finding in report.findings
                  if finding.severity == "error"]  # fmt: skip
        assert errors == [("fully_masked", "", [1, 2])]


def test_the_models_own_limit_is_said(tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    limit = found(report_of(tmp_path, [pair("a", "b")], model=model, max_length=65), "too_long", "context")
    assert limit is not None and "64" in limit.message and limit.count == 1
    assert found(report_of(tmp_path, [pair("a", "b")], model=model, max_length=64), "too_long", "context") is None


@pytest.mark.parametrize("kind", ["BF16", "F16", "F32"])
def test_template_tokens_that_were_never_learnt(tmp_path: Path, kind: str) -> None:
    model = make_chat_model(tmp_path / "model")
    tokenizer = load_chat(model).tokenizer
    used = [tokenizer.id_of("<|im_start|>"), tokenizer.id_of("<|im_end|>")]
    trained = np.random.default_rng(1).normal(size=(tokenizer.size + 100, 8)).astype(np.float32)

    def report(rows: np.ndarray[Any, Any]) -> Finding | None:
        write_embeddings(model, rows, kind)
        return found(report_of(tmp_path, [pair("a", "b")], model=model), "untrained_template_token")

    assert report(trained) is None
    same, zero = trained.copy(), trained.copy()
    same[used] = same[used[0]] * np.array([[1], [1.0002]])
    finding = report(same)
    assert finding is not None and "<|im_start|>" in finding.message and "<|im_end|>" in finding.message
    zero[used[1]] = 0
    finding = report(zero)
    assert finding is not None and "<|im_end|>" in finding.message and "<|im_start|>" not in finding.message


def write_embeddings(model: Path, rows: np.ndarray[Any, Any], kind: str) -> None:
    data = {
        "F32": lambda: rows.astype("<f4"),
        "F16": lambda: rows.astype("<f2"),
        "BF16": lambda: (rows.astype("<f4").view("<u4") >> 16).astype("<u2"),
    }[kind]().tobytes()
    before = bytes(24)
    header = {
        "a": {"dtype": "U8", "shape": [24], "data_offsets": [0, 24]},
        "model.embed_tokens.weight": {"dtype": kind, "shape": list(rows.shape), "data_offsets": [24, 24 + len(data)]},
    }
    text = json.dumps(header).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + before + data)


def test_the_bundled_model_knows_its_tokens(tmp_path: Path) -> None:
    report = report_of(tmp_path, [pair("hello", "one")], model="starter")
    assert {finding.code for finding in report.findings} == {"too_few_rows"}


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, model = tmp_path / "rows.jsonl", make_chat_model(tmp_path / "model")
    path.write_text(json.dumps(pair("where " * 80, "three")) + "\n")
    assert main(["data", "check", str(path), "--model", str(model), "--max-length", "40"]) == 1
    shown = capsys.readouterr().out
    assert "too_long (answer_lost)" in shown and "what a cut loses" in shown and "→         40" in shown
    assert main(["data", "check", str(path), "--model", str(model), "--json"]) == 0
    tokens = json.loads(capsys.readouterr().out)["tokens"]
    assert tokens["max_length"] == 1024 and tokens["lost"][0] == {
        "max_length": 256, "tokens": 0, "share": 0.0, "rows": 0, "answers": 0
    }  # fmt: skip
    assert main(["data", "check", str(path), "--max-length", "40"]) == 2
    assert "--model" in capsys.readouterr().err
    assert main(["data", "check", str(path)]) == 0
    assert "what a cut loses" not in capsys.readouterr().out
