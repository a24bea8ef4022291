"""Mending: what a fix changes, what it leaves, and that wild files obey the same rules."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.findings import CODES
from core.data.mend.apply import Result, mend
from core.data.mend.catalogue import FIXES, ORDER, all_safe, parse_only
from core.data.mend.log import log_path
from core.data.mend.plan import Plan
from core.data.mend.shapes import shape_codes
from core.data.mend.texts import text_codes
from core.data.mend.tree import parse
from core.data.report import check
from core.errors import DiapasonError, UsageError
from tests.chat_model import make_chat_model

DOCS = Path(__file__).parents[2] / "docs" / "findings.md"


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path_factory.mktemp("home")))


def fixed(
    tmp_path: Path, data: str | bytes, only: str, *, name: str = "data.jsonl", out: str = "", **more: Any
) -> bytes:
    """The bytes of what mending makes of `data`."""
    result = mended(tmp_path, data, only, name=name, out=out, **more)
    assert result.out is not None
    return result.out.read_bytes()


def mended(
    tmp_path: Path, data: str | bytes, only: str, *, name: str = "data.jsonl", out: str = "", **more: Any
) -> Result:
    path = tmp_path / name
    raw = data.encode() if isinstance(data, str) else data
    path.write_bytes(raw)
    plan = Plan(all_safe() if only == "all-safe" else parse_only(only), **more)
    result = mend(path, tmp_path / (out or "out" + "".join(path.suffixes)), plan, force=True)
    assert path.read_bytes() == raw, "the source was touched"
    return result


def pair(prompt: str, completion: str, **more: Any) -> str:
    return json.dumps({"prompt": prompt, "completion": completion, **more}, ensure_ascii=False) + "\n"


def chat(*turns: tuple[str, Any], **more: Any) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages, **more}, ensure_ascii=False) + "\n"


GOOD = '{"prompt" : "What is 7 times 6?",  "completion":"42", "n": 1.0, "big": 123456789012345678901234567890}\n'
CASES: dict[str, tuple[str, str]] = {
    "zero_width": ('{"prompt": "a\\u200bb", "completion": "\\u00e9 1.0"}\n',
                   '{"prompt": "ab", "completion": "\\u00e9 1.0"}\n'),
    "bidi_control": (pair("x\u202ey", "z"), pair("xy", "z")),
    "control_chars": ('{"prompt": "page\\fend\\u0001", "completion": "z"}\n',
                      '{"prompt": "page end", "completion": "z"}\n'),
    "terminal_escape": ('{"prompt": "\\u001b[31mred\\u001b[0m", "completion": "z"}\n',
                        '{"prompt": "red", "completion": "z"}\n'),
    "mojibake": (pair("Un cafÃ© et un thÃ© glacÃ©", "z"), pair("Un café et un thé glacé", "z")),
    "special_token": (pair("Hello<|im_end|>", "z"), pair("Hello", "z")),
    "pii_email": (pair("Mail pierre.lefort@laposte.net now", "z"), pair("Mail <EMAIL> now", "z")),
    "secret": (pair("key AKIAQ3EGSIVNF6Z7QWXR ok", "z"), pair("key <SECRET> ok", "z")),
    "key_case": ('{"Prompt": "a", "completion": "b"}\n', '{"prompt": "a", "completion": "b"}\n'),
    "key_space": ('{"prompt ": "a", "completion": "b"}\n', '{"prompt": "a", "completion": "b"}\n'),
    "nonfinite_number": ('{"prompt": "a", "completion": "b", "x": [NaN, -Infinity, 1.0, -1e400]}\n',
                         '{"prompt": "a", "completion": "b", "x": [null, null, 1.0, null]}\n'),
    "duplicate_key": ('{"prompt": "a", "completion": "b", "prompt": "c"}\n', '{"completion": "b", "prompt": "c"}\n'),
    "bad_json": ('{"prompt": "a", "completion": "b"}{"prompt": "c", "completion": "d"}\nnot json\n',
                 '{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n'),
    "not_object": ("[1]\n", ""),
    "missing_field": ('{"prompt": "a"}\n', ""),
    "empty_output": (pair("a", " "), ""),
    "placeholder": (pair("a b", "N/A"), ""),
    "exact_duplicate": (pair("a", "b") + pair("a", "b", id=7), pair("a", "b")),
    "contradiction": (pair("a", "b") + pair("a", "c"), pair("a", "b")),
    "blank_lines": ("\n\n" + pair("a", "b") + "\n\n", pair("a", "b")),
    "no_final_newline": (pair("a", "b").strip(), pair("a", "b")),
}  # fmt: skip
CHATS: dict[str, tuple[str, str]] = {
    "role_alias": (chat(("human", "q"), ("gpt", "a")), chat(("user", "q"), ("assistant", "a"))),
    "bad_role": (chat(("visitor", "q"), ("assistant", "a")), ""),
    "content_parts": (chat(("user", [{"type": "text", "text": "one"}, {"text": "two"}]), ("assistant", "a")),
                      chat(("user", "one\ntwo"), ("assistant", "a"))),
    "last_not_assistant": (chat(("user", "q"), ("assistant", "a"), ("user", "bye")),
                           chat(("user", "q"), ("assistant", "a"))),
    "role_order": (chat(("user", "q"), ("user", "r"), ("assistant", "a")), ""),
}  # fmt: skip


@pytest.mark.parametrize("code", CASES)
def test_each_fix_changes_its_rows_and_no_other(tmp_path: Path, code: str) -> None:
    bad, good = CASES[code]
    # A file that ends without a line feed can have nothing behind it.
    data, wanted = (GOOD + bad, GOOD + good) if code == "no_final_newline" else (bad + GOOD, good + GOOD)
    assert any(item.code == code for item in report_on(tmp_path, data)), "the case has no such finding"
    assert fixed(tmp_path, data, code).decode() == wanted
    assert not [item for item in report_on(tmp_path, wanted) if item.code == code]


@pytest.mark.parametrize("code", CHATS)
def test_each_fix_of_a_conversation(tmp_path: Path, code: str) -> None:
    bad, good = CHATS[code]
    rest = "".join(chat(("user", f"question {n}"), ("assistant", f"answer {n}")) for n in range(3))
    assert any(item.code == code for item in report_on(tmp_path, bad + rest)), "the case has no such finding"
    assert fixed(tmp_path, bad + rest, code).decode() == good + rest


def report_on(tmp_path: Path, data: str) -> list[Any]:
    path = tmp_path / "seen.jsonl"
    path.write_bytes(data.encode())
    return check(path).findings


def test_older_calls_become_tool_calls_that_the_checker_accepts(tmp_path: Path) -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Weather in Nice?"},
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"n": 1}'}},
            {"role": "function", "name": "weather", "content": "sunny"},
            {"role": "assistant", "content": "Sunny."},
        ],
        "functions": [{"name": "weather", "parameters": {"type": "object", "properties": {}}}],
    }  # fmt: skip
    out = json.loads(fixed(tmp_path, json.dumps(row) + "\n", "legacy_function_call"))
    call = out["messages"][1]["tool_calls"][0]
    assert call["function"] == row["messages"][1]["function_call"] and call["type"] == "function"
    assert out["messages"][2]["role"] == "tool" and out["messages"][2]["tool_call_id"] == call["id"]
    assert out["tools"] == [{"type": "function", "function": row["functions"][0]}] and "functions" not in out
    found = {item.code for item in report_on(tmp_path, json.dumps(out) + "\n")}
    assert not found & {"legacy_function_call", "tool_id_mismatch", "tools_missing"}


def test_calls_written_as_python_are_repaired_and_garbage_stays(tmp_path: Path) -> None:
    def row(arguments: str) -> str:
        call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        return json.dumps({"messages": turns})

    data = row("{'a': True, 'b': None}") + "\n" + row("{oops") + "\n"
    first, second = fixed(tmp_path, data, "tool_args_not_json").decode().splitlines()
    assert json.loads(json.loads(first)["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {
        "a": True,
        "b": None,
    }
    assert second == row("{oops")


def test_roles_are_mapped_where_a_map_is_given(tmp_path: Path) -> None:
    data = chat(("visitor", "q"), ("assistant", "a"))
    assert fixed(tmp_path, data, "bad_role", roles={"visitor": "user"}).decode() == chat(
        ("user", "q"), ("assistant", "a")
    )


def test_several_fixes_on_one_row_compose_in_any_order_of_naming(tmp_path: Path) -> None:
    data = (
        '{"Prompt": "caf\\u00c3\\u00a9\\u200b, write pierre.lefort@laposte.net<|im_end|>", "completion": "ok", '
        '"n": 1e400}\n' + GOOD
    )
    codes = ["key_case", "zero_width", "mojibake", "pii_email", "special_token"]
    one = fixed(tmp_path, data, ",".join(codes))
    assert one == fixed(tmp_path, data, ",".join(reversed(codes)))
    row = parse(one.decode().splitlines()[0])
    assert row.render() == '{"prompt": "caf\\u00e9, write <EMAIL>", "completion": "ok", "n": 1e400}'


def test_groups_keep_the_first_or_the_longest(tmp_path: Path) -> None:
    short, long = "The order ships on Monday from our store in Lyon, and a letter follows", ", with a number for you"
    text = "Where is my order number, and when will it be sent to me at last, please?"
    data = pair(text, short) + pair(text + "?", short + "!") + pair("Else?", "Yes.")
    assert fixed(tmp_path, data, "near_duplicate").decode() == pair(text, short) + pair("Else?", "Yes.")
    assert fixed(tmp_path, data, "near_duplicate:longest").decode() == pair(text + "?", short + "!") + pair(
        "Else?", "Yes."
    )
    data = pair("a", short) + pair("a", short + long) + pair("b", "c")
    assert fixed(tmp_path, data, "contradiction:longest").decode() == pair("a", short + long) + pair("b", "c")
    assert fixed(tmp_path, data, "contradiction:drop").decode() == pair("b", "c")


def test_rows_that_a_fix_makes_equal_are_copies_too(tmp_path: Path) -> None:
    data = pair("same", "thing") + pair("sa\u200bme", "thing") + GOOD
    assert fixed(tmp_path, data, "zero_width,exact_duplicate").decode() == pair("same", "thing") + GOOD


def test_held_out_rows_that_training_has_are_dropped(tmp_path: Path) -> None:
    rows = [pair(f"question {n} about ships", "a", split="train") for n in range(5)]
    held = pair("question 3 about ships", "a", split="test")
    assert fixed(tmp_path, "".join(rows) + held, "leakage").decode() == "".join(rows)


# -- layouts ----------------------------------------------------------------------------------------------

ARRAY = (
    '[\n  {"prompt": "a\\u200b",\n   "completion": 1.0},\n\n'
    '  {"prompt": "b", "completion": "c", "n": 1.0},\n  {"prompt": "d"}\n]\n'
)


def test_an_array_keeps_its_frame(tmp_path: Path) -> None:
    out = fixed(tmp_path, ARRAY, "zero_width,missing_field", name="data.json")
    assert out.decode() == ARRAY.replace("\\u200b", "").replace(',\n  {"prompt": "d"}', "")
    assert [row["prompt"] for row in json.loads(out)] == ["a", "b"]
    assert json.loads(fixed(tmp_path, ARRAY, "wrong_type", name="data.json")) == json.loads(ARRAY)[1:]
    everything = fixed(tmp_path, ARRAY, "wrong_type,missing_field", name="data.json")
    assert json.loads(everything) == json.loads(ARRAY)[1:2]


def test_an_array_becomes_lines_where_the_new_name_says_so(tmp_path: Path) -> None:
    out = fixed(tmp_path, ARRAY, "zero_width", name="data.json", out="out.jsonl")
    assert out.decode().splitlines()[0] == '{"prompt": "a", "completion": 1.0}'
    assert [json.loads(line)["prompt"] for line in out.splitlines()] == ["a", "b", "d"]


def test_a_wrapped_list_and_pretty_objects(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "completion": "a"} for n in range(3)]
    wrapped = json.dumps({"version": 1, "data": rows}, indent=1)
    assert json.loads(fixed(tmp_path, wrapped, "wrapped_list", name="data.json")) == rows
    pretty = "\n".join(json.dumps(row, indent=2) for row in rows)
    out = fixed(tmp_path, pretty, "pretty_printed_jsonl", name="data.jsonl").decode()
    assert [json.loads(line) for line in out.splitlines()] == rows and out.endswith("}\n")


def test_csv_records_and_header(tmp_path: Path) -> None:
    data = 'Text , label,"note"\r\n"a\u200b, ""x""\nmore",b,"k"\r\n\r\nonly one\r\nplain,c,d\r\n'
    out = fixed(tmp_path, data, "zero_width,ragged_row,key_space", name="data.csv").decode()
    assert out == 'text,label,"note"\r\n"a, ""x""\nmore",b,"k"\r\n\r\nplain,c,d\r\n'


def test_plain_text_paragraphs(tmp_path: Path) -> None:
    data = "One\u200b line\nand more.\n\nWrite pierre.lefort@laposte.net.\n\nLast.\n"
    out = fixed(tmp_path, data, "zero_width,pii_email", name="data.txt").decode()
    assert out == "One line\nand more.\n\nWrite <EMAIL>.\n\nLast.\n"


def test_encodings_marks_and_line_ends(tmp_path: Path) -> None:
    text = (pair("déjà vu à Orléans", "hôtel à Nîmes") * 1 + pair("naïf garçon", "été à la forêt")).replace(
        "\n", "\r\n"
    )
    assert fixed(tmp_path, text.encode("cp1252"), "encoding,crlf") == text.replace("\r\n", "\n").encode()
    assert fixed(tmp_path, b"\xef\xbb\xbf" + text.encode(), "bom") == text.encode()
    assert (
        fixed(tmp_path, b"\xef\xbb\xbf" + text.encode(), "crlf")
        == b"\xef\xbb\xbf" + text.replace("\r\n", "\n").encode()
    )
    assert fixed(tmp_path, text.encode("utf-16"), "crlf") == text.replace("\r\n", "\n").encode()
    # A row of a legacy file that is mended stays in that encoding unless UTF-8 is asked for.
    dirty = text.replace("naïf", "naïf<|im_end|>")
    assert fixed(tmp_path, dirty.encode("cp1252"), "special_token") == text.encode("cp1252")


def test_packed_in_and_out(tmp_path: Path) -> None:
    data = pair("a\u200b", "b") + GOOD
    out = fixed(tmp_path, gzip.compress(data.encode()), "zero_width", name="data.jsonl.gz")
    assert gzip.decompress(out).decode() == pair("a", "b") + GOOD
    assert fixed(
        tmp_path, gzip.compress(data.encode()), "zero_width", name="data.jsonl.gz", out="o.jsonl"
    ).decode() == (pair("a", "b") + GOOD)


def test_one_part_of_a_file_is_mended_in_its_place(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}\u200b", "completion": "a"} for n in range(2)]
    data = json.dumps({"train": rows, "test": [*rows, rows[0]]}, indent=1)
    (tmp_path / "data.json").write_text(data)
    plan = Plan(parse_only("zero_width,exact_duplicate"))
    result = mend(f"{tmp_path / 'data.json'}#test", tmp_path / "out.json", plan)
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["train"] == rows and [row["prompt"] for row in out["test"]] == ["q0", "q1"]
    assert result.dropped == 1 and not any(item.code == "zero_width" for item in result.report.findings)
    listed = mend(f"{tmp_path / 'data.json'}#test", tmp_path / "lines.jsonl", plan)
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 2
    assert any("beside the list `test` is left out" in note for note in listed.notes)


def test_tables_and_folders_become_lines(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"prompt": ["a\u200b", "b"], "completion": ["x", "y"]})
    pq.write_table(table, tmp_path / "data.parquet")
    mend(tmp_path / "data.parquet", tmp_path / "out.jsonl", Plan(all_safe()))
    (tmp_path / "set").mkdir()
    for number in range(2):
        (tmp_path / "set" / f"train-{number:05}.jsonl").write_text(
            pair("ab"[number] + "\u200b" * (1 - number), "xy"[number])
        )
    mend(tmp_path / "set", tmp_path / "out2.jsonl", Plan(all_safe()))
    for name in ("out.jsonl", "out2.jsonl"):
        assert [json.loads(line)["prompt"] for line in (tmp_path / name).read_text().splitlines()] == ["a", "b"]
    with pytest.raises(DiapasonError, match="name says otherwise"):
        mend(tmp_path / "data.parquet", tmp_path / "out.parquet", Plan(all_safe()))


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_array_that_was_cut_off_is_closed(tmp_path: Path, wrapped: bool) -> None:
    rows = [{"prompt": f"q{n} [x] {{y}}", "completion": "a"} for n in range(4)]
    data = json.dumps({"data": rows} if wrapped else rows)
    codes = "bad_json,missing_field,not_object,empty_output,wrong_type"
    for length in range(data.index("q1"), len(data)):
        out = fixed(tmp_path, data[:length], codes, name="data.json")
        whole = json.loads(out)
        kept = whole["data"] if wrapped else whole
        # A bracket without a key behind it counts as part of the row before.
        assert kept == rows[: len(kept)] and len(kept) >= data[:length].count('"a"}') - 1, length
    assert json.loads(fixed(tmp_path, json.dumps(rows) + " and more", codes, name="data.json")) == rows


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_too_long_to_be_read_are_copied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    for module in ("core.data.source", "core.data.dataset", "core.data.mend.writing"):
        monkeypatch.setattr(f"{module}.LONGEST_ROW", 200)
    monkeypatch.setattr("core.data.dataset.HUGE_ROW", 100)
    monkeypatch.setattr("core.data.lane.HUGE_ROW", 100)
    long = pair("a" * 300, "b").strip()
    data = end.join([long, pair("x\u200by", "z").strip(), long, "not json", long, ""])
    out = fixed(tmp_path, data, "zero_width,bad_json").decode()
    assert out == end.join([long, pair("xy", "z").strip(), long, long, ""])
    assert fixed(tmp_path, data, "huge_line").decode() == end.join([pair("x\u200by", "z").strip(), "not json", ""])


# -- refusals, the log ------------------------------------------------------------------------------------


def test_the_source_is_never_a_target(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(GOOD)
    (tmp_path / "link.jsonl").symlink_to(path)
    os.link(path, tmp_path / "hard.jsonl")
    (tmp_path / "old.jsonl").write_text("mine")
    for name in ("data.jsonl", "link.jsonl", "hard.jsonl"):
        with pytest.raises(DiapasonError, match="source itself"):
            mend(path, tmp_path / name, Plan(all_safe()), force=True)
    with pytest.raises(DiapasonError, match="there already"):
        mend(path, tmp_path / "old.jsonl", Plan(all_safe()))
    with pytest.raises(DiapasonError, match="name says otherwise"):
        mend(path, tmp_path / "out.csv", Plan(all_safe()))
    (tmp_path / "x.jsonl.log.jsonl").symlink_to(path)
    with pytest.raises(DiapasonError, match="source itself"):
        mend(path, tmp_path / "x.jsonl", Plan(all_safe()), force=True)
    assert path.read_text() == GOOD and (tmp_path / "old.jsonl").read_text() == "mine"
    assert not [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_the_log_says_what_was_done_and_repeats_no_personal_data(tmp_path: Path) -> None:
    data = pair("Mail pierre.lefort@laposte.net now", "z") + "not json\n" + GOOD + pair("a", "b") * 2
    result = mended(tmp_path, data, "pii_email,bad_json,exact_duplicate")
    assert result.out is not None
    text = log_path(result.out).read_text()
    head, *rows = [json.loads(line) for line in text.splitlines()]
    assert head["kind"] == "head" and head["source"]["size"] == len(data.encode())
    assert head["rows"] == {"before": 5, "after": 3, "changed": 1, "dropped": 2, "added": 0}
    assert head["fixes"] == {"pii_email:redact": 1, "bad_json:drop": 1, "exact_duplicate:first": 1}
    assert [(row["row"], row["line"], row["action"], row["codes"]) for row in rows] == [
        (1, 1, "edited", ["pii_email"]), (2, 2, "dropped", ["bad_json"]), (5, 5, "dropped", ["exact_duplicate"]),
    ]  # fmt: skip
    assert "lefort" not in text
    assert {item.code for item in result.report.findings} == {"too_few_rows", "extra_field"}


def test_long_answers_are_cut_between_tokens(tmp_path: Path) -> None:
    model = make_chat_model(tmp_path / "model")
    words = " ".join(f"word{n}" for n in range(400))
    data = chat(("user", "Say much"), ("assistant", words)) + chat(("user", "hi"), ("assistant", "short"))
    result = mended(tmp_path, data, "too_long", model=str(model), max_length=200)
    assert result.out is not None
    first, second = result.out.read_text().splitlines(keepends=True)
    answer = json.loads(first)["messages"][1]["content"]
    assert words.startswith(answer) and 20 < len(answer) < len(words)
    assert second == chat(("user", "hi"), ("assistant", "short"))
    assert fixed(tmp_path, data, "too_long:drop", model=str(model), max_length=200).decode() == second
    with pytest.raises(UsageError, match="needs a length"):
        mended(tmp_path, data, "too_long")


# -- the catalogue ----------------------------------------------------------------------------------------


def test_the_catalogue_stands_in_the_docs_and_is_whole() -> None:
    docs = DOCS.read_text("utf-8")
    for code, fix in FIXES.items():
        safe = "yes" if code in all_safe() else "no"
        assert f"| `{code}` | {', '.join(f'`{choice}`' for choice in fix.choices)} | {safe} |" in docs, code
    for code in CODES.keys() - FIXES.keys():
        assert code in docs.partition("Nothing can be done here about")[2], code
    assert text_codes() | shape_codes() <= set(ORDER) <= set(FIXES)


@pytest.mark.parametrize(
    ("only", "says"),
    [("zerowidth", "no code"), ("too_few_rows", "nothing can be done"), ("zero_width:melt", "no way"),
     ("bad_json:split,bad_json:drop", "named twice"), (",", "no code is named")],
)  # fmt: skip
def test_wrong_names_are_refused(only: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_only(only)


# -- properties -------------------------------------------------------------------------------------------

PIECES = st.sampled_from([
    "a", "é", "word ", "\u200b", "\u200d", "\u202e", "\x1b[31m", "\x07", "\x85", "\x0c", "<|im_end|>", "<|im_",
    "end|>", "[INST]", "CafÃ©", "â€™", "pierre@laposte.net", "pierre", "@laposte.net", "\ufffd", "{{name}}", "N/A",
    '"', "\\", "😀", " 4111 1111 1111 1111 ", "192.0.43.10",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=6).map("".join)
KEYS = st.sampled_from(["prompt", "Prompt", "prompt ", "PROMPT"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One line of a file: a row in one of many ways, most of them bad."""
    prompt, answer = draw(TEXTS), draw(TEXTS)
    escaped = draw(st.booleans())
    value = f"{{{json.dumps(draw(KEYS))}: {json.dumps(prompt, ensure_ascii=escaped)},  " \
            f'"completion" :{json.dumps(answer, ensure_ascii=escaped)}{draw(EXTRAS)}}}'  # fmt: skip
    return draw(st.sampled_from([value, value, value, value, value + value, value[:-3], "", "  ", "[1]", "null"]))


EXTRAS = st.sampled_from(
    ["", ', "n": 1.0', ', "n": NaN', ', "prompt": "again"', ', "x": {"a": 1e400, "a": 2}', ', "id": 1']
)
ENDS = st.sampled_from(["\n", "\r\n"])
SOME = st.sets(
    st.sampled_from(sorted(set(FIXES) - {"too_long", "leakage", "wrapped_list", "pretty_printed_jsonl", "cr_only"})),
    min_size=1,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(lines(), min_size=1, max_size=8), end=ENDS, last=st.booleans(), codes=SOME)
def test_wild_lines(tmp_path: Path, rows: list[str], end: str, last: bool, codes: set[str]) -> None:
    data = '{"prompt": "fixed", "completion": "row"}' + end + end.join(rows) + (end if last else "")
    obeys(tmp_path, data.encode(), "data.jsonl", codes, b"\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(lines(), max_size=6), gap=st.sampled_from([", ", ",", "\n ,\n", ",\r\n"]), codes=SOME)
def test_wild_arrays(tmp_path: Path, rows: list[str], gap: str, codes: set[str]) -> None:
    good = [row for row in rows if readable(row)]
    first = '{"prompt": "fixed", "completion": "row"}'
    source, out = tmp_path / "data.json", tmp_path / "out.json"
    source.write_bytes(f"[\n{gap.join([first, *good])}]\n".encode())
    mend(source, out, Plan(parse_only(",".join(sorted(codes)))), force=True)
    json.loads(out.read_bytes())
    assert not {item.code for item in check(out).findings} & codes
    touched = {json.loads(line)["row"] for line in log_path(out).read_text().splitlines()[1:]}
    place = 0
    for number, row in enumerate([first, *good], 1):
        if number not in touched:
            place = out.read_bytes().index(row.encode(), place) + len(row.encode())
    mend(out, tmp_path / "again.json", Plan(parse_only(",".join(sorted(codes)))), force=True)
    assert (tmp_path / "again.json").read_bytes() == out.read_bytes()


def readable(row: str) -> bool:
    try:
        return isinstance(json.loads(row), dict)
    except ValueError:
        return False


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), end=ENDS, codes=SOME)
def test_wild_tables(tmp_path: Path, rows: list[tuple[str, str]], end: str, codes: set[str]) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if '"' in text or len(text) % 2 else text

    data = f"text,label{end}fixed,row{end}" + "".join(f"{cell(text)},{cell(label)}{end}" for text, label in rows)
    obeys(tmp_path, data.encode(), "data.csv", codes, b"\n")


def obeys(tmp_path: Path, data: bytes, name: str, codes: set[str], end: bytes) -> None:
    """The rules that hold for every file and every choice of fixes."""
    source, out, again = tmp_path / name, tmp_path / f"out-{name}", tmp_path / f"again-{name}"
    source.write_bytes(data)
    fixes = parse_only(",".join(sorted(codes)))
    result = mend(source, out, Plan(fixes), force=True)
    assert source.read_bytes() == data
    left = {item.code for item in check(out).findings} & codes
    assert not left, f"still there: {left}"
    touched = {json.loads(line)["line"] for line in log_path(out).read_text().splitlines()[1:]}
    frame = codes & {"crlf", "blank_lines", "no_final_newline", "key_case", "key_space"}
    wanted = [line for number, line in enumerate(data.split(end), 1) if number not in touched and line.strip()]
    written: Iterator[bytes] = iter(out.read_bytes().split(end))
    for line in wanted:
        bare = line.rstrip(b"\r") if frame else line
        assert any((other.rstrip(b"\r") if frame else other) == bare for other in written), line
    second = mend(out, again, Plan(fixes), force=True)
    assert again.read_bytes() == out.read_bytes() and not second.changed and not second.dropped
    assert result.rows_after == second.rows_before
