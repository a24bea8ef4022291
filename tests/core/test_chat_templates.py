"""The templates of the common model families: the same tokens and masks as transformers, and sound loss masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.chat import NO_LOSS, ChatModel, Encoded, load_chat
from core.data.example import Example, Message
from core.errors import DiapasonError
from core.models import find_model
from tests.chat_folder import CHATML, MISTRAL, make_chat_folder, trl_template

SINGLE = [("user", "Where is my order? 🎉"), ("assistant", "It left  this morning.\n\n- one\n- two")]
MULTI = [("user", "hello"), ("assistant", "one"), ("user", "Où est-elle ?"), ("assistant", "Partie. 日本語")]
SYSTEM = [("system", "Be kind."), *MULTI]
THINK = [("user", "hello"), ("assistant", "<think>\nbecause of this\n</think>\n\nthe answer")]

FAMILIES = ["qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "llama3_1", "llama3_2", "gemma", "gemma3", "phi3"]
PATCHED = ["qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "gemma", "gemma3", "phi3"]
OTHERS = ["cohere", "cohere2", "gemma4_v5", "glm4moe", "gptoss", "lfm2", "phi3_5", "qwen3_5_think", "qwen3_8",
          "nemotron_3_nano", "deepseekv3", "deepseek_r1_distill"]  # fmt: skip


def example(turns: list[tuple[str, str]], **given: Any) -> Example:
    messages = tuple(Message(role, content) for role, content in turns)
    return Example("chat", 0, 7, messages[:-1], messages[-1:], **given)


def dicts(turns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in turns]


def said(chat: ChatModel, row: Encoded) -> list[str]:
    """The stretches of tokens with loss, as text."""
    stretches: list[list[int]] = [[]]
    for token, label in zip(row.input_ids, row.labels, strict=True):
        if label != NO_LOSS:
            assert label == token
            stretches[-1].append(token)
        elif stretches[-1]:
            stretches.append([])
    return [chat.tokenizer.backend.decode(part, skip_special_tokens=False) for part in stretches if part]


def reference(folder: Path, turns: list[tuple[str, str]], **asked: Any) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.apply_chat_template(
        dicts(turns), tokenize=True, return_dict=True, enable_thinking=False, **asked
    )


@pytest.mark.parametrize("name", [*FAMILIES, "mistral", "chatml"])
@pytest.mark.parametrize("turns", [SINGLE, MULTI, SYSTEM], ids=["single", "multi", "system"])
def test_tokens_equal_those_of_transformers(tmp_path: Path, name: str, turns: list[tuple[str, str]]) -> None:
    source = {"mistral": MISTRAL, "chatml": CHATML}.get(name) or trl_template(name)
    folder = make_chat_folder(tmp_path, source)
    chat = load_chat(folder)
    if turns is SYSTEM and name in ("gemma", "mistral"):
        with pytest.raises(DiapasonError, match="refuses") as caught:
            chat.encode(example(turns))
        assert caught.value.where == "line 7"
        return
    row = chat.encode(example(turns))
    assert row.input_ids == reference(folder, turns)["input_ids"]
    assert (
        chat.prompt_ids(dicts(turns[:-1])) == reference(folder, turns[:-1], add_generation_prompt=True)["input_ids"]
    )
    assert chat.render(dicts(turns)) == chat.tokenizer.backend.decode(row.input_ids, skip_special_tokens=False)


@pytest.mark.parametrize("name", PATCHED)
@pytest.mark.parametrize("turns", [SINGLE, MULTI], ids=["single", "multi"])
def test_marks_give_the_mask_of_transformers(tmp_path: Path, name: str, turns: list[tuple[str, str]]) -> None:
    folder = make_chat_folder(tmp_path, trl_template(f"{name}_training"))
    row = load_chat(folder).encode(example(turns))
    expected = reference(folder, turns, return_assistant_tokens_mask=True)
    assert row.method == "marks"
    assert row.input_ids == expected["input_ids"]
    assert [int(label != NO_LOSS) for label in row.labels] == expected["assistant_masks"]


@pytest.mark.parametrize("name", ["qwen2_5", "qwen3_instruct_2507", "llama3", "gemma", "gemma3"])
@pytest.mark.parametrize("turns", [SINGLE, MULTI], ids=["single", "multi"])
def test_prefix_difference_equals_marks(tmp_path: Path, name: str, turns: list[tuple[str, str]]) -> None:
    plain_chat = load_chat(make_chat_folder(tmp_path / "plain", trl_template(name)))
    marked_chat = load_chat(make_chat_folder(tmp_path / "marked", trl_template(f"{name}_training")))
    plain, marked = plain_chat.encode(example(turns)), marked_chat.encode(example(turns))
    assert (plain.method, marked.method) == ("prefix", "marks")
    assert plain.input_ids == marked.input_ids
    # Gemma's marks take in the line feed behind the turn, Qwen2.5's the one before it; neither is ever generated.
    assert [text.strip("\n") for text in said(marked_chat, marked)] == said(plain_chat, plain)


@pytest.mark.parametrize("name", [*FAMILIES, *OTHERS, *(f"{name}_training" for name in PATCHED)])
@pytest.mark.parametrize("turns", [SINGLE, MULTI, THINK], ids=["single", "multi", "think"])
def test_training_continues_what_generation_reads(tmp_path: Path, name: str, turns: list[tuple[str, str]]) -> None:
    chat = load_chat(make_chat_folder(tmp_path, trl_template(name)))
    chat.thinking = turns is THINK
    if turns is THINK and name == "qwen3_instruct_2507_training":  # it leaves thinking out
        with pytest.raises(DiapasonError, match="drops some"):
            chat.encode_all(example(turns))
        return
    rows = chat.encode_all(example(turns))
    prompt = chat.prompt_ids(dicts(turns[:-1]))
    assert rows[-1].input_ids[: len(prompt)] == prompt
    assert rows[-1].prompt_length == len(prompt)
    assert all(row.ends_with_stop for row in rows)
    answer = "".join(said(chat, rows[-1]))
    for words in turns[-1][1].replace("<think>", "").replace("</think>", "").split():
        assert words in answer
    labelled = "".join("".join(said(chat, row)) for row in rows)
    assert all(
        content.split()[0] in labelled for role, content in turns if role == "assistant" and turns is not THINK
    )
    assert not any(content in labelled for role, content in turns if role == "user")
    after = rows[-1].input_ids[rows[-1].prompt_length :]
    assert chat.stop_ids & set(after)


def test_qwen3_makes_a_row_of_each_turn(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, trl_template("qwen3")))
    first, second = chat.encode_all(example(MULTI))
    assert said(chat, first) == ["<think>\n\n</think>\n\none<|im_end|>"]
    assert said(chat, second) == ["<think>\n\n</think>\n\nPartie. 日本語<|im_end|>"]
    assert chat.encode(example(MULTI)) == second
    # Generation without thinking is given the empty block: what follows is the answer alone.
    assert chat.decode(second.input_ids[second.prompt_length :]).strip() == "Partie. 日本語"


def test_a_think_block_that_the_prompt_opens_is_closed(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, trl_template("deepseek_r1_distill")))
    row = chat.encode(example(MULTI[:2]))
    assert row.method == "joined"
    assert said(chat, row) == ["\n</think>\n\none<｜end▁of▁sentence｜>"]
    thinking = chat.encode(example(THINK))
    assert said(chat, thinking) == ["because of this\n</think>\n\nthe answer<｜end▁of▁sentence｜>"]


def test_a_template_that_drops_the_reasoning_is_refused(tmp_path: Path) -> None:
    source = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{{ message['content'].split('</think>')[-1] + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    chat = load_chat(make_chat_folder(tmp_path, source))
    assert chat.encode(example(SINGLE)).method == "prefix"
    with pytest.raises(DiapasonError, match="drops some") as caught:
        chat.encode(example(THINK))
    assert caught.value.where == "line 7" and caught.value.hint


def test_tools_reach_the_template_as_in_transformers(tmp_path: Path) -> None:
    folder = make_chat_folder(tmp_path, trl_template("qwen3"))
    chat = load_chat(folder)
    tool = {
        "type": "function",
        "function": {"name": "find", "description": "Où ? <b>", "parameters": {"type": "object"}},
    }
    call = {"type": "function", "function": {"name": "find", "arguments": {"order": "é"}}}
    messages = (Message("user", "hello"), Message("assistant", "", (call,)), Message("tool", "it left"))
    row = Example("chat", 0, 1, messages, (Message("assistant", "It left."),), tools=(tool,))
    from transformers import AutoTokenizer

    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [message.to_dict() for message in row.messages], tools=[tool], tokenize=True, return_dict=True
    )
    rows = chat.encode_all(row)
    assert rows[-1].input_ids == expected["input_ids"]
    assert any("tool_call" in text and "find" in text for row in rows for text in said(chat, row))


def test_sentencepiece_spaces_stay_with_their_words(tmp_path: Path) -> None:
    folder = make_chat_folder(tmp_path, MISTRAL, sentencepiece=True, pad_is_eos=True)
    chat = load_chat(folder)
    row = chat.encode(example(MULTI))
    assert row.input_ids == reference(folder, MULTI)["input_ids"]
    assert row.input_ids.count(chat.bos_id) == 1
    assert [text.strip() for text in said(chat, row)] == ["one<eos>", "Partie. 日本語<eos>"]
    assert chat.pad_id == chat.eos_id and row.labels[-1] == chat.eos_id


CALL = {"type": "function", "function": {"name": "find_order", "arguments": {"id": 1}}}


def with_tools() -> Example:
    messages = (Message("user", "hello"), Message("assistant", "", (CALL,)), Message("tool", '{"left": "today"}'))
    return Example("chat", 0, 4, messages, (Message("assistant", "It left."),), tools=({"name": "find_order"},))


@pytest.mark.parametrize("name", ["phi3", "chatml"])
def test_a_template_that_drops_tool_calls_is_refused(tmp_path: Path, name: str) -> None:
    chat = load_chat(make_chat_folder(tmp_path, CHATML if name == "chatml" else trl_template(name)))
    with pytest.raises(DiapasonError, match="drops some of them") as caught:
        chat.encode_all(with_tools())
    assert caught.value.where == "line 4" and "knows tools" in str(caught.value.hint)
    with pytest.raises(DiapasonError, match="leaves out what the tools answered"):
        load_chat(make_chat_folder(tmp_path / "phi", trl_template("phi3"))).encode(with_tools(), loss="last-answer")


@pytest.mark.parametrize("name", ["qwen3", "qwen2_5", "llama3_1", "gptoss"])
def test_bare_tools_and_calls_are_shown(tmp_path: Path, name: str) -> None:
    source = trl_template(name)
    if name == "gptoss":  # it needs a description of each tool
        source = source.replace("tool.description", "(tool.description or '')")
    chat = load_chat(make_chat_folder(tmp_path, source))
    rows = chat.encode_all(with_tools())
    assert any("find_order" in text for row in rows for text in said(chat, row))
    assert "It left." in "".join(said(chat, rows[-1]))


def test_the_starter_reads_as_in_transformers() -> None:
    info = find_model("starter")
    chat = load_chat(info)
    row = chat.encode(example(SYSTEM))
    expected = reference(info.path, SYSTEM, return_assistant_tokens_mask=True)
    assert row.method == "marks" and row.input_ids == expected["input_ids"]
    assert [int(label != NO_LOSS) for label in row.labels] == expected["assistant_masks"]
    assert said(chat, row) == ["one<|im_end|>", "Partie. 日本語<|im_end|>"]
    assert any("find_order" in text for text in said(chat, chat.encode(with_tools())))
