"""Rows measured word by word: the very figures that encoding them whole gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.chat import ChatModel, load_chat
from core.chat import measure as measuring
from core.chat.count import word_counter
from core.chat.measure import Measured, Measurer
from core.data.example import Example, Message
from core.errors import DiapasonError
from core.models import find_model
from tests.chat_folder import CHATML, MISTRAL, make_chat_folder, trl_template

TEMPLATES = ["chatml", "mistral", "qwen2_5", "qwen3", "llama3", "gemma", "phi3", "qwen3_training"]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
PIECES = ["hello", " ", "  ", "\n", " \n", "\n\n", "\t", "'s", " 12", "3456", ".", "…", " 日本", "é", "e\u0301", "🎉",
          "<|im_end|>", "<|im_start|>", "<eos>", "<bos>", "<|eot_id|>", "<end_of_turn>", "<think>", "</think>", "_",
          "\r\n", "\u00a0", "order?", " It's", "\u2028", "\u200b ", "x" * 250, "<|end|>", "/"]  # fmt: skip
WILD = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), min_size=1, max_size=12).map("".join)
_chats: dict[str, ChatModel] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chats")


def chat_of(folder: Path, name: str) -> ChatModel:
    """A chat with the template `name`; those whose name ends in -llama part words as Llama 3 does."""
    if name not in _chats:
        base = name.removesuffix("-llama")
        source = {"mistral": MISTRAL, "chatml": CHATML}.get(base) or trl_template(base)
        made = make_chat_folder(folder / name, source)
        if name != base:
            layout = json.loads((made / "tokenizer.json").read_text())
            split = {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False}
            level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
            layout["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, level]}
            (made / "tokenizer.json").write_text(json.dumps(layout))
        _chats[name] = load_chat(made)
    return _chats[name]


def slow(chat: ChatModel, row: Example) -> list[Measured] | str:
    """What encoding the row whole says."""
    try:
        found = chat.encode_all(row)
    except DiapasonError as error:
        return error.message
    return [
        Measured(
            len(one.input_ids),
            next((at for at, label in enumerate(one.labels) if label != -100), -1),
            one.prompt_length,
            next((at for at in range(one.prompt_length, len(one.labels)) if one.labels[at] in chat.stop_ids), -1),
            one.closed,
        )
        for one in found
    ]


@pytest.mark.parametrize("name", [*TEMPLATES, "chatml-llama", "llama3-llama"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(WILD, min_size=2, max_size=4))
def test_words_counted_are_tokens_encoded(folder: Path, name: str, texts: list[str]) -> None:
    chat = chat_of(folder, name)
    texts = texts[: len(texts) // 2 * 2]
    turns = tuple(Message(("user", "assistant")[at % 2], text) for at, text in enumerate(texts))
    row = Example("chat", 0, 1, turns[:-1], turns[-1:])
    measurer = Measurer(chat)
    measurer._proved = measuring._PROVED  # no second look that would hide a difference
    try:
        found: list[Measured] | str = measurer.measure(row)
    except DiapasonError as error:
        found = error.message
    assert found == slow(chat, row)


@pytest.mark.parametrize("name", ["chatml", "chatml-llama"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=WILD)
def test_any_text_has_the_tokens_counted(folder: Path, name: str, text: str) -> None:
    tokenizer = chat_of(folder, name).tokenizer
    counter = word_counter(tokenizer)
    assert counter is not None and counter.count(text) == len(tokenizer.ids(text))


def test_a_tokenizer_that_joins_words_is_not_cut_at_spaces(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, CHATML, sentencepiece=True))
    row = Example("completion", 0, 1, (Message("user", "hello world"),), (Message("assistant", "the answer"),))
    measurer = Measurer(chat)
    assert not measurer.fast and measurer.measure(row) == slow(chat, row)


def test_the_bundled_model_is_counted_fast() -> None:
    assert Measurer(load_chat(find_model("starter"))).fast
