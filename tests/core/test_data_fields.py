"""Names of fields, tool calls, weights and prompts of pairs; and a map for what has names of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Row, examples, open_dataset
from core.data.mapping import parse_map, suggest
from core.data.report import check
from core.errors import UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def read(tmp_path: Path, *values: Any, name: str = "data.jsonl", **options: Any) -> list[Row]:
    path = tmp_path / name
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return list(open_dataset(path, **options))


def codes(row: Row) -> list[tuple[str, str]]:
    return [(finding.code, finding.detail) for finding in row.findings]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


# -- names ------------------------------------------------------------------------------------------------


def test_names_in_other_letters_and_among_spaces_are_read(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        {"Prompt": "q", "COMPLETION": "a"},
        {"prompt ": "q", " completion": "a"},
        {"messages": [{"Role": "user", "content": "q"}, {"role": "assistant", "content ": "a"}]},
        {"prompt": "q", "completion": "a"},
    )
    assert [row.usable for row in rows] == [True] * 4
    assert codes(rows[0]) == [("key_case", "prompt"), ("key_case", "completion")]
    assert codes(rows[1]) == [("key_space", "prompt"), ("key_space", "completion")]
    assert [code for code in codes(rows[2]) if code[0].startswith("key")] == [
        ("key_case", "messages[].role"), ("key_space", "messages[].content"),
    ]  # fmt: skip
    assert codes(rows[3]) == []


def test_the_right_name_wins_over_its_double(tmp_path: Path) -> None:
    [row] = read(tmp_path, {"prompt": "q", "completion": "a", "Prompt": "other"})
    assert row.example is not None and row.example.prompt_text == "q"
    assert codes(row) == [("extra_field", "Prompt")]


def test_headers_with_odd_names_are_said_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Text, label \nfine,good\nbad,poor\n")
    found = {finding.code: finding for finding in check(path).findings}
    assert found["key_case"].count == 1 and "`Text`" in found["key_case"].message
    assert found["key_space"].count == 1 and "` label `" in found["key_space"].message
    path.write_text("text,label,Score\nfine,good,1\nbad,poor,2\n")
    assert not {"key_case", "key_space"} & {finding.code for finding in check(path).findings}


@pytest.mark.parametrize(
    ("row", "extra"),
    [
        ({"prompt": "q", "completion": "a", "source": "web"}, ["source"]),
        ({"instruction": "q", "input": "", "output": "a", "text": "whole"}, ["text"]),
        ({"messages": [user("q"), said("a", reasoning="hm")]}, ["messages[].reasoning"]),
        ({"text": "a", "label": "b", "completion": "c"}, ["completion"]),
        ({"prompt": "q", "completion": "a", "id": 3}, []),
        ({"prompt": "q", "completion": "a", "note": None}, []),
        ({"instruction": "q", "input": "", "output": "a", "history": [], "system": "s"}, []),
        ({"messages": [user("q"), said("a")], "tools": [], "label": True}, []),
        ({"prompt": "q", "completion": "a", "label": False}, []),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, []),
    ],
)
def test_fields_that_are_not_read_are_noted(tmp_path: Path, row: dict[str, Any], extra: list[str]) -> None:
    [made] = read(tmp_path, row)
    assert [detail for code, detail in codes(made) if code == "extra_field"] == extra and made.usable
    assert all(finding.severity == "note" for finding in made.findings if finding.code == "extra_field")


def test_a_million_names_do_not_make_a_million_findings(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"text": f"t{n}", f"key{n}": n}) + "\n" for n in range(300)))
    report = check(path)
    extras = [finding for finding in report.findings if finding.code == "extra_field"]
    assert len(extras) == 101 and sum(finding.count for finding in extras) == 300
    assert next(finding for finding in extras if finding.detail == "other").count == 200


# -- calls ------------------------------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def call(name: str = "look_up", id: str | None = "c1") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": "{}"}}
    return made if id is None else {**made, "id": id}


def result(id: str | None = "c1", role: str = "tool") -> dict[str, Any]:
    return {"role": role, "content": "42"} | ({} if id is None else {"tool_call_id": id})


def talk(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [user("q"), *turns, said("a")], "tools": [TOOL], **more}


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (talk(said("", tool_calls=[call()]), result()), []),
        (talk(said("", tool_calls=[call(id=None)]), result(None)), []),
        (talk(said("", tool_calls=[call(), call(id="c2")]), result("c2"), result("c1")), []),
        (talk(said("", tool_calls=[call()]), result("c9")), [("tool_id_mismatch", "unknown_id")]),
        (talk(said("", tool_calls=[call()]), result(None)), [("tool_id_mismatch", "no_id")]),
        (talk(said("", tool_calls=[call()]), result(), result()), [("tool_id_mismatch", "answered_twice")]),
        (talk(said("", tool_calls=[call(), call(id="c2")]), result()), [("tool_id_mismatch", "unanswered")]),
        (talk(said("", tool_calls=[call(), call()]), result()), [("tool_id_mismatch", "repeated_id")]),
        (talk(said("", tool_calls=[call()]), result(), tools=None), [("tools_missing", "none")]),
        (talk(said("", tool_calls=[call("other")]), result()), [("tools_missing", "undeclared")]),
        (talk(said("a"), user("again")), []),
    ],
)
def test_calls_results_and_tools_belong_together(
    tmp_path: Path, row: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    [made] = read(tmp_path, row)
    assert codes(made) == wanted and made.usable


def test_a_tool_told_in_the_system_message_is_offered(tmp_path: Path) -> None:
    row = talk(said("", tool_calls=[call()]), result(), tools=None)
    row["messages"].insert(0, {"role": "system", "content": "You may call look_up(query)."})
    [made] = read(tmp_path, row)
    assert codes(made) == []


def test_calls_in_the_older_form_are_read_and_noted(tmp_path: Path) -> None:
    old = said("", function_call={"name": "look_up", "arguments": "{}"})
    answer = {"role": "function", "name": "look_up", "content": "42"}
    row = {"messages": [user("q"), old, answer, said("a")], "functions": [TOOL["function"]]}
    [made] = read(tmp_path, row)
    assert codes(made) == [("legacy_function_call", "functions"), ("legacy_function_call", "function_call")]
    assert made.example is not None and made.example.tools and made.example.messages[1].tool_calls


def test_weights_that_leave_no_loss(tmp_path: Path) -> None:
    none, some, all_of_them = read(
        tmp_path,
        {"messages": [user("q"), said("a", weight=0), user("q"), said("b", weight=0)]},
        {"messages": [user("q"), said("a", weight=0), user("q"), said("b", weight=1)]},
        {"messages": [user("q"), said("a")]},
    )
    assert codes(none) == [("weight_all_zero", "")] and not none.usable
    assert codes(some) == codes(all_of_them) == []


# -- pairs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"chosen": [user("q"), said("a")], "rejected": [user("q"), said("b")]}, []),
        ({"chosen": [user("q"), said("a")], "rejected": [user("p"), said("b")]}, ["chosen_rejected"]),
        ({"chosen": [user("q"), said("a")], "rejected": [said("b")]}, ["one_side"]),
        ({"prompt": "q", "chosen": [user("q"), said("a")], "rejected": [user("q"), said("b")]}, []),
        ({"prompt": "other", "chosen": [user("q"), said("a")], "rejected": [user("q"), said("b")]}, ["prompt"]),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, []),
        ({"prompt": [user("q")], "chosen": [said("a")], "rejected": [said("b")]}, []),
        (
            {"prompt": "q", "chosen": [user("q"), said("x"), user("r"), said("a")],
             "rejected": [user("q"), said("x"), user("r"), said("b")]},
            [],
        ),
        (
            {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: p\n\nAssistant: b"},
            ["chosen_rejected"],
        ),
    ],
)  # fmt: skip
def test_pairs_answer_one_prompt(tmp_path: Path, row: dict[str, Any], wanted: list[str]) -> None:
    [made] = read(tmp_path, row)
    assert codes(made) == [("prompt_mismatch", detail) for detail in wanted] and made.usable == (not wanted)


def test_dialogues_in_one_string_and_shared_beginnings(tmp_path: Path) -> None:
    dialogue = "\n\nHuman: Hello\n\nAssistant: Hi!\n\nHuman: Where is it?\n\nAssistant:"
    first, second = read(
        tmp_path,
        {"chosen": f"{dialogue} Here.", "rejected": f"{dialogue} No idea."},
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    )
    assert first.example is not None and second.example is not None
    assert [message.role for message in first.example.prompt] == ["user", "assistant", "user"]
    assert (first.example.answer, first.example.rejected_answer) == ("Here.", "No idea.")
    assert (second.example.prompt_text, second.example.answer) == ("The sky is", "blue.")
    [nothing] = read(tmp_path, {"chosen": "Blue.", "rejected": "Green."})
    assert codes(nothing) == [("missing_field", "prompt")]


# -- maps -------------------------------------------------------------------------------------------------

OWN = [{"premise": f"It is {n}.", "target": n, "meta": {"lang": "en"}, "text": "other"} for n in range(20)]


def test_a_map_names_the_fields(tmp_path: Path) -> None:
    rows = read(tmp_path, *OWN, map="prompt=premise,completion=target")
    assert all(row.usable and not row.findings for row in rows)
    example = rows[3].example
    assert example is not None and (example.kind, example.prompt_text, example.answer) == (
        "completion",
        "It is 3.",
        "3",
    )
    rows = read(tmp_path, *OWN, map="text=Premise,label=meta.lang")
    assert {row.example.label for row in rows if row.example} == {"en"}
    [row] = read(tmp_path, {"talk": [user("q"), said("a")]}, map="messages=talk")
    assert row.example is not None and row.example.answer == "a"


def test_a_map_names_the_columns_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Premise,target,note\n" + "".join(f"It is {n}.,{n},x\n" for n in range(5)))
    assert [item.answer for item in examples(path, map="prompt=premise,completion=target")] == list("01234")
    path.write_text("".join(f"It is {n};yes {n}\n" for n in range(5)))
    assert [item.answer for item in examples(path, map="prompt=column_1,completion=column_2")][0] == "yes 0"


def test_a_field_that_the_map_names_and_the_row_lacks(tmp_path: Path) -> None:
    rows = read(tmp_path, *OWN, {"premise": "alone"}, map="prompt=premise,completion=target")
    assert codes(rows[-1]) == [("missing_field", "completion")] and not rows[-1].usable


@pytest.mark.parametrize(
    "text", ["", "prompt", "prompt=", "=a", "colour=a,prompt=b", "prompt=a", "prompt=a,prompt=b"]
)
def test_a_wrong_map_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_map(text)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([{"premise": "a b", "hypothesis": "c", "label": 0}], "prompt=premise,completion=hypothesis"),
        ([{"src": "a", "tgt": "b"}], "prompt=src,completion=tgt"),
        ([{"utt": f"text {n} here", "kind": "ab"[n % 2]} for n in range(10)], "text=utt,label=kind"),
        ([{"turns": [user("q"), said("a")]}], "messages=turns"),
        ([{"body_html": "a"}], "text=body_html"),
        ([{"a": 1, "b": 2}], None),
        ([], None),
    ],
)
def test_a_map_is_suggested(rows: list[Any], wanted: str | None) -> None:
    assert suggest(rows) == wanted


def test_an_unknown_layout_names_its_fields_and_a_map(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"premise": f"p{n}", "target": f"t{n}"}) + "\n" for n in range(60)))
    unknown = next(finding for finding in check(path).findings if finding.code == "unknown_format")
    assert "`premise`, `target`" in unknown.message and "--map prompt=premise,completion=target" in unknown.message
    report = check(path, map="prompt=premise,completion=target")
    assert report.rows_valid == 60 and report.format == "prompt-completion" and report.map is not None
    table = tmp_path / "data.csv"
    table.write_text("premise,target\n" + "".join(f"p{n} is long,t{n} too\n" for n in range(9)))
    unknown = next(finding for finding in check(table).findings if finding.code == "unknown_format")
    assert "--map prompt=premise,completion=target" in unknown.message
