"""Loss masks, limits and refusals of core/chat, on small tokenizers of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.chat import NO_LOSS, ChatModel, Encoded, answers_think, final_answer, load_chat
from core.data.example import Example, Message
from core.errors import DiapasonError
from core.models import find_model
from tests.chat_folder import CHATML, MISTRAL, make_chat_folder
from tests.tiny import make_tiny_model

UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")


def row(*turns: tuple[str, str], kind: str = "chat") -> Example:
    messages = tuple(Message(role, content) for role, content in turns)
    return Example(kind, 0, 3, messages[:-1], messages[-1:])


def said(chat: ChatModel, encoded: Encoded) -> str:
    """What carries loss, special tokens included."""
    kept = [label for label in encoded.labels if label != NO_LOSS]
    return chat.tokenizer.backend.decode(kept, skip_special_tokens=False)


TALK = (("user", "hello"), ("assistant", "one"), ("user", "and?"), ("assistant", "two three"))


@pytest.mark.parametrize("template", [CHATML, UNMARKED], ids=["marks", "prefix"])
def test_each_answer_carries_loss_with_its_end(tmp_path: Path, template: str) -> None:
    chat = load_chat(make_chat_folder(tmp_path, template))
    assert said(chat, chat.encode(row(*TALK))) == "one<|im_end|>two three<|im_end|>"
    assert said(chat, chat.encode(row(*TALK), loss="last-answer")) == "two three<|im_end|>"
    everything = chat.encode(row(*TALK), loss="everything")
    assert everything.labels == everything.input_ids and everything.ends_with_stop


@pytest.mark.parametrize("template", [CHATML, UNMARKED, None], ids=["marks", "prefix", "plain"])
def test_a_turn_of_weight_zero_carries_no_loss(tmp_path: Path, template: str | None) -> None:
    chat = load_chat(make_chat_folder(tmp_path, template))
    first, second = Message("assistant", "one", weight=0), Message("assistant", "two", weight=1)
    prompt = (Message("user", "a"), first, Message("user", "b"))
    encoded = chat.encode(Example("chat", 0, 1, prompt, (second,)))
    assert said(chat, encoded).startswith("two")
    with pytest.raises(DiapasonError, match="no answer in this row carries loss"):
        chat.encode(Example("chat", 0, 1, (Message("user", "a"),), (first,)))


def test_marks_that_leave_out_the_end_of_turn_are_completed(tmp_path: Path) -> None:
    inside = "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    source = CHATML.replace(inside, "{{ message['content'] }}{% endgeneration %}{{ '<|im_end|>\n' }}")
    assert source != CHATML
    chat = load_chat(make_chat_folder(tmp_path, source))
    encoded = chat.encode(row(*TALK))
    assert encoded.method == "marks" and encoded.ends_with_stop
    assert said(chat, encoded) == "one<|im_end|>two three<|im_end|>"


def test_a_template_without_an_end_gets_one_at_the_end_of_the_row(tmp_path: Path) -> None:
    source = (
        "{% for m in messages %}{{ '### ' + m['role'] + ':\n' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"
    )
    chat = load_chat(make_chat_folder(tmp_path, source))
    encoded = chat.encode(row(*TALK))
    assert encoded.input_ids[-1] == encoded.labels[-1] == chat.eos_id
    assert said(chat, encoded) == "one\ntwo three\n<eos>"


def test_a_template_that_knows_no_generation_prompt(tmp_path: Path) -> None:
    source = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}{# <|end|> #}"
    )
    chat = load_chat(make_chat_folder(tmp_path, source))
    encoded = chat.encode(row(("user", "hello"), ("assistant", "one")))
    prompt = chat.prompt_ids([{"role": "user", "content": "hello"}])
    assert said(chat, encoded) == "one<|end|>"
    assert encoded.input_ids[: len(prompt)] == prompt and encoded.prompt_length == len(prompt)


def test_one_bos_even_where_template_and_tokenizer_both_write_it(tmp_path: Path) -> None:
    source = "{{ bos_token + bos_token }}" + CHATML
    chat = load_chat(make_chat_folder(tmp_path, source, settings={"add_bos_token": True}))
    encoded = chat.encode(row(*TALK))
    assert encoded.input_ids.count(chat.bos_id) == 1
    assert chat.prompt_ids([{"role": "user", "content": "x"}]).count(chat.bos_id) == 1
    plain = chat.encode(Example("text", 0, 1, (), (), text="hello"))
    assert plain.input_ids.count(chat.bos_id) == 1 and plain.input_ids[0] == chat.bos_id


def test_stop_ids_join_the_declared_ones_and_the_end_of_turn(tmp_path: Path) -> None:
    folder = make_chat_folder(tmp_path, CHATML, generation={"eos_token_id": [2, 9]}, pad_is_eos=True)
    chat = load_chat(folder)
    turn_end = chat.tokenizer.id_of("<|im_end|>")
    assert chat.stop_ids == {2, 9, turn_end}
    assert chat.turn_end_id == turn_end and chat.eos_id == chat.pad_id == 2


def test_an_end_that_is_also_the_padding_carries_loss(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, MISTRAL, pad_is_eos=True))
    encoded = chat.encode(row(*TALK))
    assert said(chat, encoded) == " one<eos> two three<eos>"
    assert chat.pad_id == chat.eos_id and encoded.ends_with_stop


@pytest.mark.parametrize("template", [CHATML, UNMARKED, None], ids=["marks", "prefix", "plain"])
def test_the_limit_cuts_the_end_and_says_so(tmp_path: Path, template: str | None) -> None:
    chat = load_chat(make_chat_folder(tmp_path, template))
    whole = chat.encode(row(*TALK))
    size = len(whole.input_ids)
    assert whole.cut == 0 and whole.ends_with_stop
    for limit in range(1, size):
        part = chat.encode(row(*TALK), max_length=limit)
        assert part.cut == size - limit and len(part.input_ids) == len(part.labels) == limit
        assert part.input_ids == whole.input_ids[:limit] and part.labels == whole.labels[:limit]
        assert part.ends_with_stop == any(
            label in chat.stop_ids for label in whole.labels[whole.prompt_length : limit]
        )
    kept = chat.encode(row(*TALK), max_length=4, keep_all=True)
    assert kept.input_ids == whole.input_ids and kept.cut == size - 4 and not kept.ends_with_stop
    assert chat.encode(row(*TALK), max_length=size) == whole


def test_a_model_without_a_template_reads_plain_text(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, None))
    assert not chat.has_template
    encoded = chat.encode(row(("user", "hello"), ("assistant", "one"), kind="completion"))
    assert chat.tokenizer.backend.decode(encoded.input_ids, skip_special_tokens=False) == "hello\none<eos>"
    assert said(chat, encoded) == "one<eos>" and encoded.ends_with_stop and encoded.method == "plain"
    prompt = chat.prompt_ids([{"role": "user", "content": "hello"}])
    assert encoded.input_ids[: encoded.prompt_length] == prompt
    # A prompt that ends in white space is taken as it is: the person has chosen what stands before the answer.
    given = chat.encode(row(("user", "hello -> "), ("assistant", "one"), kind="completion"))
    assert chat.decode(given.input_ids) == "hello -> one"
    several = chat.encode(row(*TALK))
    assert said(chat, several) == "one<eos>two three<eos>"
    assert chat.render([{"role": "user", "content": "hello"}]) == "hello\n"


def test_plain_text_rows_carry_loss_everywhere(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, CHATML))
    encoded = chat.encode(Example("text", 0, 1, (), (), text="hello world"))
    assert encoded.labels == encoded.input_ids and encoded.input_ids[-1] == chat.eos_id
    assert chat.decode(encoded.input_ids) == "hello world" and encoded.ends_with_stop
    cut = chat.encode(Example("text", 0, 1, (), (), text="hello world"), max_length=3)
    assert cut.cut == len(encoded.input_ids) - 3 and not cut.ends_with_stop


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.text(max_size=40), answer=st.text(min_size=1, max_size=60))
@pytest.mark.parametrize("template", [CHATML, UNMARKED, None], ids=["marks", "prefix", "plain"])
def test_any_text_keeps_its_mask(
    wild: dict[str | None, ChatModel], template: str | None, asked: str, answer: str
) -> None:
    chat = wild[template]
    encoded = chat.encode(row(("user", asked), ("assistant", answer)))
    prompt = chat.prompt_ids([{"role": "user", "content": asked}])
    assert encoded.input_ids[: len(prompt)] == prompt
    assert all(label == NO_LOSS for label in encoded.labels[: len(prompt)])
    end = "<|im_end|>" if template else "<eos>"
    assert said(chat, encoded) == answer + end
    assert encoded.ends_with_stop


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, ChatModel]:
    folder = tmp_path_factory.mktemp("wild")
    return {
        template: load_chat(make_chat_folder(folder / str(number), template))
        for number, template in enumerate([CHATML, UNMARKED, None])
    }


def test_pieces_read_as_their_text(tmp_path: Path) -> None:
    text = "Where is 日本語 🎉\n\tOù ?"
    bytes_chat = load_chat(make_chat_folder(tmp_path / "bytes", CHATML))
    pieces = [bytes_chat.piece(token) for token in bytes_chat.tokenizer.ids(text)]
    assert "".join(piece for piece in pieces if not piece.startswith("<0x")).startswith("Where is ")
    assert any(piece.startswith("<0xE6>") or "日" in piece for piece in pieces)
    words = load_chat(make_chat_folder(tmp_path / "words", MISTRAL, sentencepiece=True))
    assert "".join(words.piece(token) for token in words.tokenizer.ids("hello world")).strip() == "hello world"
    assert words.piece(words.tokenizer.id_of("<0x0A>") or 0) == "\n"
    assert bytes_chat.piece(10**6) == "<1000000?>"
    assert bytes_chat.piece(bytes_chat.turn_end_id) == "<|im_end|>"


def test_thinking_is_noticed_and_cut_off() -> None:
    assert answers_think([row(("user", "a"), ("assistant", "<think>b</think>c"))])
    assert not answers_think([row(("user", "</think>"), ("assistant", "c"))])
    assert final_answer("<think>\nb\n</think>\n\nc") == "c"
    assert final_answer("\n</think>\n\nc </b>") == "c </b>"
    assert final_answer("  c") == "  c"


def test_the_tiny_model_loads_by_its_folder(tmp_path: Path) -> None:
    info = find_model(str(make_tiny_model(tmp_path / "tiny")))
    chat = load_chat(info)
    assert chat.has_template and info.has_chat_template
    assert said(chat, chat.encode(row(*TALK))) == "one<|end|>two three<|end|>"
    assert chat.vocab == info.vocab_size


def test_hostile_templates_are_refused(tmp_path: Path) -> None:
    sources = {
        "{{ ''.__class__.__mro__[1].__subclasses__() }}": "refuses",
        "{{ messages.append(1) }}": "refuses",
        "{% set ns = namespace() %}{% set ns._x = 1 %}": "refuses",
        "{{ messages[0]['content'].no.such.thing }}": "refuses",
        "{% for %}": "broken",
        "{% generation %}": "broken",
    }
    for number, (source, message) in enumerate(sources.items()):
        folder = make_chat_folder(tmp_path / str(number), source)
        with pytest.raises(DiapasonError, match=message):
            load_chat(folder).encode(row(("user", "a"), ("assistant", "b")))


def test_content_that_forges_marks_gets_no_loss_of_its_own(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, CHATML))
    forged = "say \U0010fffehello\U0010ffff"
    encoded = chat.encode(row(("user", forged), ("assistant", "one")))
    assert encoded.method == "prefix" and said(chat, encoded) == "one<|im_end|>"


def test_templates_by_name_and_by_file(tmp_path: Path) -> None:
    named = [
        {"name": "default", "template": UNMARKED},
        {"name": "tool_use", "template": "T{{ tools|length }}" + UNMARKED},
    ]
    folder = make_chat_folder(tmp_path / "named", None, settings={"chat_template": named})
    chat = load_chat(folder)
    messages = [{"role": "user", "content": "a"}]
    assert chat.render(messages, tools=[{"name": "é"}]).startswith("T1<|im_start|>")
    assert chat.render(messages).startswith("<|im_start|>")
    (folder / "chat_template.jinja").write_text("file" + UNMARKED)
    assert load_chat(folder).render(messages).startswith("file<|im_start|>")
    older = make_chat_folder(tmp_path / "older", None)
    (older / "chat_template.json").write_text(json.dumps({"chat_template": "older" + UNMARKED}))
    assert load_chat(older).render(messages).startswith("older<|im_start|>")


def test_damaged_tokenizers_are_explained(tmp_path: Path) -> None:
    folder = make_chat_folder(tmp_path, CHATML)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DiapasonError, match="cannot be read"):
        load_chat(folder)
    (folder / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(DiapasonError, match="Git LFS pointer"):
        load_chat(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DiapasonError, match=r"no tokenizer\.json") as caught:
        load_chat(folder)
    assert caught.value.hint
    (folder / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(DiapasonError) as caught:
        load_chat(folder)
    assert "Convert" in str(caught.value.hint)


def test_a_lone_surrogate_is_an_error_with_its_line(tmp_path: Path) -> None:
    chat = load_chat(make_chat_folder(tmp_path, CHATML))
    with pytest.raises(DiapasonError, match="surrogate") as caught:
        chat.encode(row(("user", "a"), ("assistant", "b\ud800")))
    assert caught.value.where == "line 3"


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = make_chat_folder(tmp_path, CHATML)
    with pytest.raises(DiapasonError, match="only 100 embeddings"):
        ChatModel(folder, vocab_size=100)
    bare = make_chat_folder(tmp_path / "bare", None, settings={"eos_token": None})
    with pytest.raises(DiapasonError, match="end-of-sequence"):
        load_chat(bare)
