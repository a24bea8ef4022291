"""What single rows are made into, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Row, open_dataset
from core.data.example import Example


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def read(tmp_path: Path, *values: Any, format: str | None = None) -> list[Row]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(v + b"\n" if isinstance(v, bytes) else json.dumps(v).encode() + b"\n" for v in values))
    return list(open_dataset(path, format))


def one(tmp_path: Path, value: Any) -> Example:
    [row] = read(tmp_path, value)
    assert row.example is not None, row.findings
    return row.example


def codes(row: Row) -> list[tuple[str, str]]:
    return [(finding.code, finding.detail) for finding in row.findings]


def chat(*turns: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


GOOD = chat(("user", "How are you?"), ("assistant", "Fine."))


@pytest.mark.parametrize(
    ("value", "kind", "prompt", "answer"),
    [
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "completion", "Add.\n\n1 2", "3"),
        ({"instruction": "Add.", "input": "", "output": "3"}, "completion", "Add.", "3"),
        ({"instruction": "Add.", "response": "3"}, "completion", "Add.", "3"),
        ({"instruction": "", "input": "1 2", "output": "3"}, "completion", "1 2", "3"),
        ({"prompt": "a", "completion": "b"}, "completion", "a", "b"),
        ({"input": "a", "output": "b"}, "completion", "a", "b"),
        ({"question": "a", "answer": "b", "id": 3}, "completion", "a", "b"),
        (
            {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
            "completion",
            "a",
            "b",
        ),
        (GOOD, "chat", "How are you?", "Fine."),
        (chat(("system", "s"), ("user", "a"), ("assistant", "b")), "chat", "system: s\n\nuser: a", "b"),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, "chat", "a", "b"),
        (
            {"conversations": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            "chat",
            "a",
            "b",
        ),
        ({"text": "a", "label": "b"}, "classification", "a", "b"),
        ({"text": "a", "category": 3}, "classification", "a", "3"),
        ({"text": "Once upon a time"}, "text", "Once upon a time", ""),
    ],
)
def test_formats_become_one_shape(tmp_path: Path, value: Any, kind: str, prompt: str, answer: str) -> None:
    example = one(tmp_path, value)
    assert (example.kind, example.prompt_text, example.answer) == (kind, prompt, answer)


def test_sharegpt_tools_become_tool_calls(tmp_path: Path) -> None:
    example = one(
        tmp_path,
        {
            "system": "Be brief.",
            "tools": json.dumps([{"name": "area", "parameters": {}}]),
            "conversations": [
                {"from": "human", "value": "area of 2 by 3?"},
                {"from": "function_call", "value": json.dumps({"name": "area", "arguments": {"w": 2, "h": 3}})},
                {"from": "observation", "value": "6"},
                {"from": "gpt", "value": "It is 6."},
            ],
        },
    )
    assert [message.role for message in example.messages] == ["system", "user", "assistant", "tool", "assistant"]
    call = example.messages[2].to_dict()["tool_calls"][0]
    assert call["function"] == {"name": "area", "arguments": {"w": 2, "h": 3}}
    assert example.tools == ({"name": "area", "parameters": {}},)


def test_openai_tool_calls_weights_and_parts(tmp_path: Path) -> None:
    [row] = read(
        tmp_path,
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "weight": 0,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "ok"},
                {"role": "assistant", "content": "Done.", "loss_weight": 1.0},
            ]
        },
    )
    assert row.example is not None and codes(row) == [("content_parts", ""), ("tools_missing", "none")]
    user, call, _, answer = row.example.messages
    assert user.content == "Hi\nthere"
    assert call.tool_calls[0]["function"]["arguments"] == {"a": 1} and call.weight == 0
    assert answer.weight == 1


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "q", "chosen": "good", "rejected": "bad"},
        {
            "prompt": [{"role": "user", "content": "q"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        },
        {
            "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad"}],
        },
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
        {"instruction": "q", "chosen": "good", "rejected": "bad"},
    ],
)
def test_preference_pairs_of_every_shape(tmp_path: Path, value: Any) -> None:
    example = one(tmp_path, value)
    assert example.kind == "preference"
    assert (example.prompt_text, example.answer, example.rejected_answer) == ("q", "good", "bad")


@pytest.mark.parametrize(
    ("bad", "code", "detail"),
    [
        (b'{"messages": [', "bad_json", "cut_off"),
        (b"{'messages': 1}", "bad_json", "single_quotes"),
        (b'{"a": 1} {"b": 2}', "bad_json", "extra_data"),
        (b"\0\0\0\0", "bad_json", "nul"),
        (b"[1, 2]", "not_object", "a list"),
        (b"3", "not_object", "a number"),
        (b"null", "not_object", "null"),
        (
            b'{"messages": [{"role":"user", "content":"a"}, {"role":"assistant", "content":"b"}], "x": -Infinity}',
            "nonfinite_number",
            "-Infinity",
        ),
        (b'{"prompt": "a", "completion": "b", "x": 1e400}', "nonfinite_number", "overflow"),
        (b'{"prompt": "a", "completion": "b", "x": {"y": [1.5, -2.5E+999]}}', "nonfinite_number", "overflow"),
        (
            b'{"messages": [{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "b"}]}',
            "lone_surrogate",
            "",
        ),
        (
            b'{"messages": [{"role": "user", "content": "caf\xe9"}, {"role": "assistant", "content": "b"}]}',
            "invalid_utf8",
            "cp1252",
        ),
        (b"[" * 100_000, "too_deep", ""),
        (b'{"a": ' + b"9" * 5000 + b"}", "big_int", ""),
        ({"other": 1}, "missing_field", "messages"),
        ({"messages": "hello"}, "wrong_type", ""),
        ({"messages": ["hello"]}, "wrong_type", ""),
        ({"messages": [{"content": "a"}]}, "missing_field", "role"),
        ({"messages": [{"role": "user"}, {"role": "assistant", "content": "b"}]}, "missing_field", "content"),
        ({"messages": [{"role": "user", "content": 4}, {"role": "assistant", "content": "b"}]}, "wrong_type", ""),
        ({"messages": []}, "no_assistant", ""),
        (chat(("user", "a")), "no_assistant", ""),
        (chat(("wizard", "a"), ("assistant", "b")), "bad_role", "wizard"),
        (chat(("assistant", "b"), ("user", "a"), ("assistant", "b")), "role_order", "assistant_first"),
        (chat(("user", "a"), ("user", "a"), ("assistant", "b")), "role_order", "user_after_user"),
        (chat(("user", "a"), ("assistant", "b"), ("assistant", "b")), "role_order", "assistant_after_assistant"),
        (chat(("user", "a"), ("system", "s"), ("assistant", "b")), "role_order", "system_not_first"),
        (chat(("user", "a"), ("tool", "s"), ("assistant", "b")), "role_order", "tool_without_call"),
        (chat(("user", "a"), ("assistant", " \n")), "empty_output", ""),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
                    {"role": "assistant", "content": "b"},
                ]
            },
            "multimodal",
            "image_url",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 7}]},
            "bad_weight",
            "",
        ),
    ],
)
def test_an_error_is_named_and_leaves_the_row_out(tmp_path: Path, bad: Any, code: str, detail: str) -> None:
    before, row, after = read(tmp_path, GOOD, bad, GOOD)
    assert row.example is None and row.line == 2
    errors = [(f.code, f.detail) for f in row.findings if f.severity == "error"]
    assert errors[0] == (code, detail) and len(errors) == 1
    assert before.usable and after.usable and after.line == 3


@pytest.mark.parametrize(
    ("odd", "code", "detail"),
    [
        (chat(("human", "a"), ("assistant", "b")), "role_alias", "human"),
        (chat(("User", "a"), ("assistant", "b")), "role_alias", "User"),
        (chat(("user", "a"), ("assistant", "b"), ("user", "c")), "last_not_assistant", "user"),
        (chat(("user", ""), ("assistant", "b")), "empty_input", ""),
        ({"instruction": "a", "output": "b"}, "mixed_formats", "alpaca"),
        (
            b'{"messages": 1, "messages": [{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}',
            "duplicate_key",
            "",
        ),
        (
            b'{"messages" : [{"role":"user","role" : "user","content":"a"},{"role":"assistant","content":"b"}]}',
            "duplicate_key",
            "",
        ),
        (chat(("user", "bell \x07"), ("assistant", "b")), "control_chars", ""),
        (chat(("user", "red \x1b[31m"), ("assistant", "b")), "terminal_escape", ""),
        (chat(("user", "title \x1b]0;x\x07"), ("assistant", "b")), "terminal_escape", ""),
        (chat(("user", "fdp\u202eexe"), ("assistant", "b")), "bidi_control", ""),
        (chat(("user", "pass\u200bword"), ("assistant", "b")), "zero_width", ""),
        (chat(("user", "ze\u200dro"), ("assistant", "b")), "zero_width", ""),
    ],
)
def test_a_warning_keeps_the_row(tmp_path: Path, odd: Any, code: str, detail: str) -> None:
    _, row, _ = read(tmp_path, GOOD, odd, GOOD)
    assert row.usable and codes(row) == [(code, detail)]
    assert row.findings[0].severity == "warning"


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d💻 at work",
        "می\u200cخواهم",
        "tab\tand\r\nline",
        'a "quoted": colon',
        'back\\slash \\": x',
        "naïve – “ok”…",
    ],
)
def test_ordinary_text_is_no_finding(tmp_path: Path, text: str) -> None:
    for row in read(tmp_path, chat(("user", text), ("assistant", text)), GOOD):
        assert row.usable and row.findings == []


def test_a_bad_line_says_where(tmp_path: Path) -> None:
    [_, row] = read(tmp_path, GOOD, b'{"messages": [{"role": "user", "content": "a",}]}')
    assert row.findings[0].column in (46, 47)  # the comma, or what follows it


def test_weights_of_another_scale_and_missing_answers_name_the_field(tmp_path: Path) -> None:
    [_, row] = read(tmp_path, {"prompt": "a", "completion": "b"}, {"prompt": "a"})
    assert codes(row) == [("missing_field", "completion")]
    [_, row] = read(tmp_path, {"instruction": "a", "output": "b"}, {"instruction": 3, "output": "b"})
    assert codes(row) == [("wrong_type", "instruction")]


def test_a_given_format_is_held_to(tmp_path: Path) -> None:
    [row] = read(tmp_path, {"text": "a", "label": "b"}, format="text")
    assert row.example is not None and row.example.text == "a"
    [row] = read(tmp_path, {"prompt": "a", "completion": "b"}, format="chat")
    assert codes(row) == [("missing_field", "messages")]


def test_pairs_that_say_the_same_are_errors(tmp_path: Path) -> None:
    [row] = read(tmp_path, {"prompt": "q", "chosen": "x", "rejected": "x"})
    assert codes(row) == [("chosen_equals_rejected", "")] and not row.usable


def test_messages_name_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho", "weight": "1"}]
    path.write_text(json.dumps({"messages": turns, "split": "train"}) + "\n")
    (found,) = open_dataset(path).row(0).findings
    assert found.code == "bad_weight" and "a text for its weight ('1'), not a number" in found.message
    mapped = open_dataset(path, map="prompt=nope,completion=nada").row(0).findings
    assert {finding.message for finding in mapped} == {
        "there is no `nope`, which is mapped to `prompt`", "there is no `nada`, which is mapped to `completion`"
    }  # fmt: skip
