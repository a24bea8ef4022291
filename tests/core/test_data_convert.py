"""From one format into another and back: exact, or refused with what would be lost."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.data.convert.convert import Converted, convert
from core.data.convert.targets import Target
from core.data.dataset import open_dataset
from core.errors import DiapasonError, UsageError

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def write(path: Path, *rows: Row) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def lost(done: Converted) -> dict[str, list[int]]:
    return {f"{loss.kind} {loss.name}".strip(): loss.lines for loss in done.losses}


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Words that are no marks of anything: what damages a row has tests of its own.
texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn")) | st.sampled_from("\n\t\"',;"), max_size=12
).map(lambda text: f"a{text}z")
extras = st.dictionaries(st.sampled_from(["source", "lang", "id", "topic"]), texts, max_size=2)
systems = st.dictionaries(st.just("system"), texts, max_size=1)
arguments = st.dictionaries(texts, st.integers(-5, 5) | texts | st.lists(texts, max_size=2), max_size=2)


@st.composite
def turns(draw: st.DrawFn) -> list[Row]:
    """A conversation as OpenAI writes it."""
    found: list[Row] = [{"role": "system", "content": draw(texts)}] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        found.append({"role": "user", "content": draw(texts)})
        if draw(st.integers(0, 3)) == 0:
            call = {"id": f"call{number}", "type": "function"}
            call["function"] = {"name": "look", "arguments": json.dumps(draw(arguments), ensure_ascii=False)}
            content = draw(st.just("") | texts)
            found.append({"role": "assistant", "content": content, "tool_calls": [call]})
            found.append({"role": "tool", "content": draw(texts), "tool_call_id": f"call{number}"})
        answer: Row = {"role": "assistant", "content": draw(texts)}
        if draw(st.integers(0, 4)) == 0:
            answer["weight"] = 1
        found.append(answer)
    return found


@st.composite
def rows(draw: st.DrawFn, form: str) -> Row:
    """A row in the canonical shape of a form: what converting to it writes."""
    extra = draw(extras)
    talk = draw(turns())
    tools = (
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]}
        if draw(st.booleans())
        else {}
    )
    asked, answer = talk[:-1], talk[-1:]
    other = [{"role": "assistant", "content": draw(texts) + "!"}]
    system = draw(systems)
    if form == "chat":
        return {"messages": talk, **tools, **extra}
    if form == "alpaca":
        history = draw(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=2))
        past = {"history": history} if draw(st.booleans()) else {}
        return {"instruction": draw(texts), "input": "", "output": draw(texts), **system, **past, **extra}
    if form == "pairs":
        return {"prompt": draw(texts), **system, "completion": draw(texts), **tools, **extra}
    if form == "pairs-messages":
        return {"prompt": asked, "completion": answer, **tools, **extra}
    if form == "preference":
        return {"prompt": draw(texts), **system, "chosen": draw(texts), "rejected": draw(texts) + "!", **extra}
    if form == "preference-messages":
        return {"prompt": asked, "chosen": answer, "rejected": other, **tools, **extra}
    if form == "preference-implicit":
        return {"chosen": talk, "rejected": asked + other, **tools, **extra}
    if form == "kto":
        return {"prompt": draw(texts), **system, "completion": draw(texts), "label": draw(st.booleans()), **extra}
    if form == "kto-messages":
        return {"prompt": asked, "completion": answer, **tools, "label": draw(st.booleans()), **extra}
    if form == "classification":
        return {"text": draw(texts), "label": draw(texts), **extra}
    return {"text": draw(texts), **extra}


TARGETS = {
    "chat": Target("chat"), "alpaca": Target("alpaca"), "pairs": Target("prompt-completion"),
    "pairs-messages": Target("prompt-completion", messages=True), "preference": Target("preference"),
    "preference-messages": Target("preference", messages=True),
    "preference-implicit": Target("preference", implicit=True),
    "kto": Target("kto"), "kto-messages": Target("kto", messages=True), "classification": Target("classification"),
    "text": Target("text"), "sharegpt": Target("sharegpt"),
}  # fmt: skip
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".json.zst")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), form=st.sampled_from([form for form in TARGETS if form != "sharegpt"]),
       other=st.sampled_from(list(TARGETS)), suffix=st.sampled_from(SUFFIXES))  # fmt: skip
def test_there_and_back_gives_the_same_bytes(data: st.DataObject, form: str, other: str, suffix: str) -> None:
    given_rows = data.draw(st.lists(rows(form), min_size=1, max_size=4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write(folder / "in.jsonl", *given_rows)
        try:
            there = convert(source, folder / f"there{suffix}", TARGETS[other])
        except UsageError as error:
            assert suffix in (".csv", ".tsv") and "a table of texts" in error.message
            return
        event(f"{form} → {other}: " + ("refused " + ",".join(lost(there)) if there.path is None else "written"))
        if there.path is None:
            assert there.losses and not (folder / f"there{suffix}").exists()
            return
        assert there.written == there.rows == len(given_rows)
        back = convert(there.path, folder / "back.jsonl", TARGETS[form])
        assert back.path is not None, lost(back)
        same = read(back.path)
        if suffix in (".csv", ".tsv", ".parquet"):
            # A table has every column in every row.
            same = [
                {key: item for key, item in row.items() if item not in ("", None) or key == "input"} for row in same
            ]
        assert same == given_rows
        if suffix not in (".csv", ".tsv", ".parquet") and not any(
            {"system", "tools"} & row.keys() for row in given_rows
        ):
            assert back.path.read_bytes() == source.read_bytes()


TALK: Row = {"messages": [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello", "weight": 0}, {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you"}], "source": "mail", "stars": 5}  # fmt: skip
PLAIN: Row = {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
PAIR: Row = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}


def test_what_would_be_lost_is_named_with_its_lines_and_nothing_is_written(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", PLAIN, TALK, {"messages": "no list"}, TALK)
    done = convert(source, tmp_path / "out.csv", Target("classification"))
    assert done.path is None and [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.jsonl"]
    assert lost(done) == {
        "unusable": [3],
        "system": [2, 4],
        "turns": [2, 4],
        "weights": [2, 4],
        "fields stars": [2, 4],
    }
    done = convert(source, tmp_path / "out.csv", Target("classification"), lossy=True)
    assert (done.rows, done.written) == (4, 3) and len(done.losses) == 5
    assert [row.value for row in open_dataset(tmp_path / "out.csv")] == [
        {"text": "2 + 2?", "label": "4", "source": ""},
        {"text": "user: Hi\n\nassistant: Hello\n\nuser: Bye", "label": "See you", "source": "mail"},
        {"text": "user: Hi\n\nassistant: Hello\n\nuser: Bye", "label": "See you", "source": "mail"},
    ]


def test_a_pair_becomes_two_verdicts_and_bad_answers_are_never_taught(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", PAIR)
    done = convert(source, tmp_path / "kto.jsonl", Target("kto"), lossy=True)
    assert lost(done) == {"pairs": [1]}
    good, bad = (
        {"prompt": "2 + 2?", "completion": "4", "label": True},
        {"prompt": "2 + 2?", "completion": "5", "label": False},
    )
    assert read(tmp_path / "kto.jsonl") == [good, bad]
    for form in ("chat", "alpaca", "prompt-completion", "text", "classification"):
        out = tmp_path / f"{form}.jsonl"
        done = convert(tmp_path / "kto.jsonl", out, Target(form), lossy=True)
        assert "bad_answers" in lost(done) and done.written == 1 and "5" not in out.read_text()


def test_reasoning_and_what_a_map_leaves_out_count_as_lost(tmp_path: Path) -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}]
    thinking = {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": parts}]}
    assert lost(convert(write(tmp_path / "a.jsonl", thinking), tmp_path / "o.jsonl", Target("alpaca"))) == {
        "parts thinking": [1]
    }
    mapped = write(tmp_path / "b.jsonl", {"premise": "a", "target": "b", "completion": "c", "kept": "d"})
    done = convert(mapped, tmp_path / "o.jsonl", Target("chat"), map="prompt=premise,completion=target")
    assert lost(done) == {"fields completion": [1]}


def test_fields_that_would_change_how_a_row_reads_are_lost(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl", {**PLAIN, "instruction": "x", "output": "y", "chosen": "1", "rejected": "2"} | PLAIN
    )
    done = convert(source, tmp_path / "o.jsonl", Target("chat"), format="chat", lossy=True)
    assert set(lost(done)) == {"fields rejected"} or set(lost(done)) == {"fields chosen"}
    assert open_dataset(tmp_path / "o.jsonl").format == "chat"


def test_long_numbers_keep_their_digits(tmp_path: Path) -> None:
    row = {**PLAIN, "number": 123456789012345678901234567890}
    source = write(tmp_path / "in.jsonl", row)
    assert convert(source, tmp_path / "o.jsonl", Target("chat")).path
    assert (tmp_path / "o.jsonl").read_bytes() == source.read_bytes()
    assert lost(convert(source, tmp_path / "o.parquet", Target("chat"))) == {"fields number": [1]}


def test_a_column_of_two_types_keeps_the_first(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl", {**PLAIN, "n": 1}, {**PLAIN, "n": "one"}, {**PLAIN, "n": {"a": 1}}, {**PLAIN, "n": 2}
    )
    done = convert(source, tmp_path / "o.parquet", Target("chat"), lossy=True)
    assert lost(done) == {"fields n": [2, 3]}
    assert [row.value.get("n") for row in open_dataset(tmp_path / "o.parquet")] == [1, None, None, 2]


def test_neither_the_source_nor_another_file_is_overwritten(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", PLAIN)
    before = source.read_bytes()
    for force in (False, True):
        with pytest.raises(UsageError, match="source itself"):
            convert(source, source, Target("alpaca"), force=force)
    with pytest.raises(UsageError, match="there already"):
        convert(source, write(tmp_path / "o.jsonl", PAIR), Target("alpaca"))
    assert source.read_bytes() == before and read(tmp_path / "o.jsonl") == [PAIR]
    assert convert(source, tmp_path / "o.jsonl", Target("alpaca"), force=True).path
    assert read(tmp_path / "o.jsonl") == [{"instruction": "2 + 2?", "input": "", "output": "4"}]


@pytest.mark.parametrize(
    ("target", "name", "says"),
    [
        (Target("chat"), "o.csv", "a table of texts"),
        (Target("kto"), "o.tsv", "a table of texts"),
        (Target("chat"), "o.xlsx", "the ending"),
        (Target("chat"), "o.parquet.gz", "the ending"),
        (Target("chat", messages=True), "o.jsonl", "one form only"),
        (Target("kto", implicit=True), "o.jsonl", "no pairs"),
        (Target("chat", template="x"), "o.jsonl", "no template"),
        (Target("chat"), "none/o.jsonl", "folder does not exist"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path: Path, target: Target, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        convert(write(tmp_path / "in.jsonl", PLAIN), tmp_path / name, target)


def test_rows_of_no_known_format_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(DiapasonError, match="no known format"):
        convert(write(tmp_path / "in.jsonl", {"a": "b"}), tmp_path / "o.jsonl", Target("chat"))


def test_a_template_and_packing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", {"prompt": "{answer} {x}", "completion": "4"})
    target = Target("text", template="Q: {prompt}\nA: {answer} {{}}")
    for _ in range(2):
        done = convert(source, tmp_path / "o.jsonl.gz", target, lossy=True, force=True)
    assert lost(done) == {"roles": [1]}
    packed = (tmp_path / "o.jsonl.gz").read_bytes()
    assert json.loads(gzip.decompress(packed)) == {"text": "Q: {answer} {x}\nA: 4 {}"}
    assert packed[4:8] == b"\0\0\0\0", "the time is not in it"


def test_a_damaged_source_is_refused_unless_told(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"prompt": f"Question {n}?", "completion": f"Answer {n}."}) + "\n" for n in range(5000))
    source, out = tmp_path / "rows.jsonl.gz", tmp_path / "out.jsonl"
    source.write_bytes(gzip.compress(rows.encode())[:9000])
    refused = convert(source, out, Target("chat"))
    assert refused.path is None and [loss.kind for loss in refused.losses] == ["damaged"] and not out.exists()
    convert(source, out, Target("chat"), lossy=True)
    assert 10 < len(out.read_text().splitlines()) < 5000


ARGUMENTS = ['{ "x": 12345678901234567890123 }', '{"x":1e5}', '{"x":1.50}', '{"x":1}', "", '{"b": "é", "b": 2}']


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("through", ["chat", "sharegpt"])
def test_arguments_of_calls_stay_as_they_are_written(tmp_path: Path, arguments: str, through: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    turns = [
        {"role": "user", "content": "Add"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It is 3."},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    source, there, back = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl"))
    source.write_text(json.dumps({"messages": turns, "tools": tools}) + "\n")
    assert convert(source, there, Target(through)).path and convert(there, back, Target("chat")).path
    (again,) = [json.loads(line) for line in back.read_text().splitlines()]
    assert again["messages"][1]["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize("target", ["chat", "sharegpt", "prompt-completion", "kto", "classification"])
def test_where_the_input_begins_is_lost_only_when_told(tmp_path: Path, target: str) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    rows = [{"instruction": "Add", "input": "2 2", "output": "4"}, {"instruction": "Hi", "input": "", "output": "Ho"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = convert(source, out, Target(target))
    assert done.path is None and [(loss.kind, loss.rows) for loss in done.losses] == [("input", 1)]
    assert convert(source, tmp_path / "c.jsonl", Target("alpaca")).losses == []
