"""From one format into another and back: exact, or refused with what would be lost."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
    "preference-messages": Target("preference", messages=True), "preference-implicit": Target("preference", implicit=True),
    "kto": Target("kto"), "kto-messages": Target("kto", messages=True), "classification": Target("classification"),
    "text": Target("text"), "sharegpt": Target("sharegpt"),
}  # fmt: skip
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".json.zst")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
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
        if there.path is None:
            assert there.losses and not (folder / f"there{suffix}").exists()
            return
        assert there.written == there.rows == len(given_rows)
        back = convert(there.path, folder / "back.jsonl", TARGETS[form])
        assert back.path is not None, lost(back)
        same = [row for row in read(back.path)]
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
