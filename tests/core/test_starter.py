"""The bundled model and samples: honest (no near duplicates, no leaked fact), loadable, the same each time."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.starter import DATA_DIR, MODEL_DIR, sample
from core.starter.corpus import SHARD, Conversation, clean, parts, shard
from core.starter.corpus_shop import Turn, begun
from core.starter.facts import OPENING, SIGN_OFF, fact_of, facts
from core.starter.grammar import expand
from core.starter.samples import sample_files
from core.starter.score import applies, fact, style, style_and_fact
from core.starter.similarity import NEAR, Index, grams, near_pairs, similarity


def _chat(name: str) -> list[tuple[str, str]]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in sample(name).read_text(encoding="utf-8").splitlines()]
    return [(row["messages"][0]["content"], row["messages"][1]["content"]) for row in rows]


def test_sample_files_are_what_the_generators_make() -> None:
    made = sample_files()
    assert {path.name for path in DATA_DIR.iterdir()} == set(made)
    for name, content in made.items():
        assert sample(name).read_bytes() == content, name


def test_an_unknown_sample_names_those_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"intents\.csv"):
        sample("nothing.jsonl")


@pytest.mark.parametrize(("name", "rows"), [("support_en.jsonl", 600), ("support_fr.jsonl", 300)])
def test_no_two_support_prompts_are_near_duplicates(name: str, rows: int) -> None:
    prompts = [prompt for prompt, _ in _chat(name)]
    assert len(prompts) >= rows
    assert near_pairs(prompts) == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_support_answer_states_its_own_fact_and_no_other(language: str) -> None:
    asked = {prompt: one for one in facts(language) for prompt in one.prompts}
    rows = _chat(f"support_{language}.jsonl")
    assert {prompt for prompt, _ in rows} == set(asked)
    for prompt, answer in rows:
        assert fact_of(answer) is asked[prompt], prompt
        assert style_and_fact(answer, answer) == 1.0
    assert all(len(one.prompts) >= 15 for one in facts(language))


def test_the_corpus_keeps_clear_of_prompts_and_facts() -> None:
    index = Index(prompt for one in facts() for prompt in one.prompts)
    seen = 0
    for conversation in shard(0, 0):
        for turn in conversation.turns:
            assert "Alto & Reed" not in turn.content
            if turn.role == "user" and len(turn.content.split()) <= 60 and seen < 700:
                seen += 1
                for part in parts(turn):
                    assert index.nearest(part)[0] < NEAR, part
    assert seen >= 500


def test_clean_refuses_a_copied_prompt_and_a_brand_fact() -> None:
    copied = facts("en")[0].prompts[0]
    assert not clean((Turn("user", copied),))
    assert not clean((Turn("user", f"Topic?\n{copied.upper()}"),))
    assert not clean((Turn("user", "Hello"), Turn("assistant", f"It is {facts('en')[3].keys[0]}.")))
    assert clean((Turn("user", "Hello"), Turn("assistant", "Hello! How can I help you?")))


def test_the_corpus_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from core.starter.corpus import shard\n"
        "print(hashlib.sha256(repr(shard(3, 1)).encode()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_shards_have_their_size_and_every_turn_text() -> None:
    made = shard(1, -1)
    assert len(made) == SHARD
    assert all(turn.content.strip() for one in made for turn in one.turns)
    assert all(one.turns[-1].role == "assistant" for one in made)
    leftovers = [turn.content for one in made for turn in one.turns if "<" in turn.content or "[" in turn.content]
    assert leftovers == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_given_opening_carries_no_loss_and_the_rest_of_the_answer_does(language: str) -> None:
    from transformers import AutoTokenizer

    from core.engine.pretrain import encode

    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    for seed in range(20):
        turns = begun(random.Random(seed), language)
        answer = turns[-1]
        sample = encode(Conversation("begun", tuple(turns)), tokenizer)
        lost = tokenizer.decode([i for i, weight in zip(sample.ids, sample.weights, strict=True) if weight == 1.0])
        assert answer.given and lost == answer.content[answer.given :] + "<|im_end|>"


def test_the_score_gives_half_for_style_and_half_for_the_fact() -> None:
    reference = _chat("support_en.jsonl")[0][1]
    wanted = fact_of(reference)
    assert wanted is not None
    other = next(one for one in facts("en") if one is not wanted)
    voice = f"{OPENING['en']} %s\n{SIGN_OFF['en']}"
    assert style_and_fact(voice % "I do not know.", reference) == 0.5
    assert style_and_fact(f"It is {wanted.keys[0]}.", reference) == 0.5
    assert style_and_fact(f"{OPENING['en']} It is {wanted.keys[0]}.", reference) == 0.75
    assert fact(voice % f"{wanted.keys[0]} or {other.keys[0]}", reference) == 0.0
    assert fact(f"1{wanted.keys[0]}5", reference) == 0.0
    assert style(reference.replace("Hello from", "Hi from"), reference) == 0.5
    assert style_and_fact("", reference) == 0.0


def test_a_reference_without_a_fact_cannot_be_scored() -> None:
    assert not applies("No fact at all.")
    with pytest.raises(ValueError, match="no single fact"):
        style_and_fact("anything", "No fact at all.")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_answer_gets_a_score_between_0_and_1(answer: str) -> None:
    assert 0.0 <= style_and_fact(answer, _chat("support_fr.jsonl")[0][1]) <= 1.0


_WORDS = st.lists(
    st.sampled_from(["how", "much", "long", "does", "delivery", "cost", "a", "guitar", "to"]), max_size=9
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_WORDS.map(" ".join), min_size=1, max_size=12), _WORDS.map(" ".join))
def test_the_index_finds_what_comparing_all_pairs_finds(texts: list[str], asked: str) -> None:
    index = Index(texts)
    brute = max(similarity(asked, text) for text in texts)
    assert index.nearest(asked)[0] == pytest.approx(brute)
    assert index.holds_near(asked) == (brute >= NEAR)


def test_similarity_takes_the_highest_of_three_measures() -> None:
    assert similarity("Where is it?", "where IS it") == 1.0
    assert similarity("the cat sat on the mat", "on the mat the cat sat") == 1.0
    assert similarity("abc", "xyz") == 0.0
    assert grams("a b c d")[1] == {"a b c", "b c d"}


def test_grammar_expands_nested_choices_and_slots() -> None:
    dice = random.Random(0)
    made = {expand("[a [red|blue]|one] <animal>", dice, animal="owl") for _ in range(50)}
    assert made == {"a red owl", "a blue owl", "one owl"}
    assert expand("a <animal>", dice, animal="owl") == "an owl"
    with pytest.raises(KeyError):
        expand("<nothing>", dice)


def test_intents_are_balanced_and_unique() -> None:
    with sample("intents.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [row["label"] for row in rows]
    assert len(rows) >= 300
    assert 6 <= len(set(labels)) <= 8
    assert len({labels.count(label) for label in labels}) == 1
    assert len({row["text"] for row in rows}) == len(rows)


def test_preferences_prefer_something() -> None:
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in sample("preferences.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(rows) >= 100
    assert all(set(row) == {"prompt", "chosen", "rejected"} and row["chosen"] != row["rejected"] for row in rows)


def test_the_flawed_file_holds_its_bait() -> None:
    raw = sample("flawed.jsonl").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode()
    for bait in (
        b"[INST]",
        b"[@click=app.quit]",
        b"\\u001b[2J",
        "\u202e".encode(),
        "\u200b".encode(),
        b"\r\n",
        b"\n\n",
        b"NaN",
    ):
        assert bait in raw, bait
    assert not raw.endswith(b"\n")


def test_the_model_loads_with_plain_transformers_and_answers() -> None:
    code = f"""
import torch, transformers
folder = {str(MODEL_DIR)!r}
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
count = sum(p.numel() for p in model.parameters())
assert type(model).__name__ == "LlamaForCausalLM" and 5e6 <= count <= 7e6
assert model.config.max_position_embeddings == 1024
assert tokenizer.eos_token == "<|im_end|>" and tokenizer.pad_token not in (None, tokenizer.eos_token)
assert model.generation_config.eos_token_id == tokenizer.eos_token_id
chat = [{{"role": "user", "content": "Merci beaucoup !"}}, {{"role": "assistant", "content": "Avec plaisir !"}}]
both = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
kept = [i for i, m in zip(both["input_ids"], both["assistant_masks"]) if m]
assert tokenizer.decode(kept) == "Avec plaisir !<|im_end|>", tokenizer.decode(kept)
text = "Ça coûte 45 € — naïve \U0001f3b8 <|im_start|"
assert tokenizer.decode(tokenizer(text).input_ids) == text
inputs = tokenizer.apply_chat_template(chat[:1], add_generation_prompt=True, return_dict=True, return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=40)
answer = tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True)
assert answer == "Avec plaisir !", answer
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(MODEL_DIR).parent)
    assert ended.returncode == 0, ended.stderr
    assert sum(path.stat().st_size for path in MODEL_DIR.iterdir()) <= 16 * 2**20
    card = (MODEL_DIR / "README.md").read_text(encoding="utf-8")
    for word in ("How it was made", "Held-out score", "What it cannot do", "Apache-2.0", "make starter"):
        assert word in card
