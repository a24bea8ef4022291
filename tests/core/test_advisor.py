"""The advice: whether to tune, how, with which numbers; on generated files of several kinds."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.advisor.approach import APPROACHES, Answers, approaches, chosen
from core.advisor.consult import consult
from core.advisor.device import device_for
from core.advisor.lengths import Lengths, measure_lengths
from core.advisor.recommend import advise, recipe_text, size_verdict, task_for, to_recipe
from core.advisor.tasks import size_for
from core.advisor.write import new_recipe, save_recipe
from core.chat import load_chat
from core.data.report import check
from core.errors import DiapasonError, UsageError
from core.models import read_model
from core.recipe import TASKS, load_recipe
from tests.advisor_help import LLAMA_2_7B, LLAMA_3_8B, LLAMA_3_70B, MIXTRAL, box, model_of
from tests.tiny import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def _banking(path: Path, rows: int = 300) -> Path:
    """A small stand-in for banking77: text and one of many labels, some of them rare."""
    rng = random.Random(0)
    lines = ["text,category"]
    for index in range(rows):
        lines.append(f'"What about my card, case {index}?\nIt is {rng.choice(["lost", "late"])}.",label_{index % 12}')
    path.write_text("\n".join(lines) + "\n")
    return path


def _gsm8k(path: Path, rows: int = 600) -> Path:
    """A small stand-in for gsm8k: question and a worked answer of very uneven length."""
    rng = random.Random(0)
    with path.open("w") as handle:
        for index in range(rows):
            steps = "".join(f"Step {n}: {n} + {index} = <<{n}+{index}={n + index}>>{n + index}. " for n in range(9))
            answer = steps[: rng.randint(60, len(steps))] + f"#### {index}"
            handle.write(json.dumps({"question": f"Ann has {index} pears. How many?", "answer": answer}) + "\n")
    return path


# -- whether to tune ------------------------------------------------------------------------------------------


def _best(task: str, rows: int | None, **answers: bool) -> str:
    return chosen(approaches(task, Answers(**answers), rows)).key


def test_honest_answers_about_tuning() -> None:
    assert _best("style", 600) == "tune"
    assert _best("style", 30) == "few-shot"
    assert _best("style", None) == "prompt"
    assert _best("style", 0) == "prompt"
    assert _best("style", 600, prompts_tried=False) == "prompt"
    assert _best("complex", 6_000, facts_change=True) == "rag"
    assert _best("style", None, cite_sources=True) == "rag"
    assert _best("style", 600, facts_change=True) == "both"
    assert _best("domain", 400) == "continue"
    assert _best("code", 40) == "tune", "no guide gives a figure for code, so none holds it back"


@settings(deadline=None)
@given(
    st.sampled_from(TASKS),
    st.builds(Answers, *[st.none() | st.booleans()] * 3),
    st.none() | st.integers(0, 200_000),
)
def test_exactly_one_approach_is_recommended_with_reason_and_source(
    task: str, answers: Answers, rows: int | None
) -> None:
    options = approaches(task, answers, rows)
    assert tuple(option.key for option in options) == APPROACHES
    assert [option.verdict for option in options].count("recommended") == 1
    assert all(option.reason and option.source for option in options)
    if not chosen(options).tunes:
        assert all(option.verdict == "not now" for option in options if option.tunes)


def test_sizes_cite_both_guides() -> None:
    assert [size_verdict("style", rows).level for rows in (30, 100, 500, None)] == [
        "warning",
        "note",
        "ok",
        "unknown",
    ]
    assert size_verdict("style", 30).sources[0].startswith("guide A")
    assert any("guide E" in source for source in size_verdict("style", 100).sources)
    for task in ("code", "domain", "preference"):
        assert size_for(task) is None
        assert "measure" in size_verdict(task, 100).message


# -- files, tokens and numbers --------------------------------------------------------------------------------


def test_lengths_are_those_of_the_training_sequences(tmp_path: Path, tiny: Path) -> None:
    chat = load_chat(tiny)
    file = _gsm8k(tmp_path / "g.jsonl", 60)
    whole = measure_lengths(file, chat)
    assert (whole.rows, whole.whole, len(whole.tokens)) == (60, True, 60)
    assert whole.tokens == tuple(sorted(whole.tokens)) and whole.longest == max(whole.tokens)
    assert 0 < whole.answer_at(0.5) < whole.at(0.5) <= whole.at(0.99) <= whole.longest
    part = measure_lengths(file, chat, sample=20)
    assert not part.whole and len(part.tokens) == 20 and set(part.tokens) <= set(whole.tokens)


def test_lengths_pass_bad_rows_over(tmp_path: Path, tiny: Path) -> None:
    file = tmp_path / "bad.jsonl"
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    file.write_text(f"{json.dumps(good)}\nnot json\n{{}}\n{json.dumps(good)}\n")
    assert len(measure_lengths(file, load_chat(tiny)).tokens) == 2


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=60), st.integers(1, 64), st.integers(1, 6_000))
def test_padded_mean_lies_between_mean_and_longest(sizes: list[int], micro: int, limit: int) -> None:
    lengths = Lengths(len(sizes), True, tuple(sorted(sizes)), ())
    cut = [min(size, limit) for size in sizes]
    mean = lengths.padded_mean(micro, limit)
    assert sum(cut) / len(cut) - 1e-6 <= mean <= max(cut) + 1e-6
    assert mean <= lengths.padded_mean(micro + 1, limit) + 1e-6


def test_advice_for_a_classification_file(tmp_path: Path, tiny: Path) -> None:
    found = consult(_banking(tmp_path / "b.csv"), model=str(tiny))
    advice = found.advice
    assert (advice.task, advice.rows, advice.approach.key) == ("classification", 300, "tune")
    recipe = to_recipe(advice, train="b.csv", format="classification")
    longest = max(measure_lengths(tmp_path / "b.csv", load_chat(tiny)).tokens)
    assert longest <= recipe.train.max_length < longest + 32
    assert recipe.evaluation.max_new_tokens <= 32, "a label is a short answer"
    assert recipe.train.micro_batch_size * recipe.train.accumulation == 8, "a tiny model takes small batches"


def test_advice_for_a_reasoning_file(tmp_path: Path, tiny: Path) -> None:
    found = consult(_gsm8k(tmp_path / "g.jsonl"), task="complex", model=str(tiny))
    advice = found.advice
    assert advice.size.level == "note" and advice.approach.key == "tune"
    values = advice.hyperparameters
    assert values["lora.r"].value == 32 and values["lora.alpha"].value == 64
    assert values["evaluation.max_new_tokens"].value >= advice.lengths.answer_at(0.99)


def test_rows_longer_than_the_model_are_said(tmp_path: Path, tiny: Path) -> None:
    file = tmp_path / "long.jsonl"
    rows = [{"prompt": f"{n}", "completion": "word " * (2_000 if n % 4 == 0 else 5)} for n in range(80)]
    file.write_text("\n".join(map(json.dumps, rows)))
    advice = consult(file, task="style", model=str(tiny)).advice
    assert advice.hyperparameters["train.max_length"].value == 1024
    assert any("25% of the rows are longer than 1,024" in warning for warning in advice.warnings)


def test_a_broken_tokenizer_costs_the_lengths_only(tmp_path: Path, tiny: Path) -> None:
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    (folder / "tokenizer.json").write_text("{")
    advice = consult(_banking(tmp_path / "b.csv", 150), model=str(folder)).advice
    assert advice.lengths is None and any("could not be measured" in warning for warning in advice.warnings)
    assert advice.hyperparameters["train.max_length"].value == 1024


# -- models and machines --------------------------------------------------------------------------------------


def _advice(sizes: dict[str, Any], hardware: Any, task: str = "style", **options: Any) -> Any:
    model = options.pop("model", None) or model_of(**sizes)
    return advise(task, report=None, model=model, hardware=hardware, **options)


def test_method_by_what_fits() -> None:
    h100 = box(("NVIDIA H100 80GB HBM3", 79))
    assert _advice(LLAMA_3_8B, h100).plan.method == "lora"
    assert _advice(LLAMA_2_7B, box(("NVIDIA GeForce RTX 4070", 11.5))).plan.method == "qlora"
    assert _advice(LLAMA_3_70B, h100).plan.method == "qlora"
    small = _advice(LLAMA_3_70B, box(("NVIDIA L4", 22)))
    assert small.plan.fit == "no" and any("does not fit" in warning for warning in small.warnings)
    fits = {plan.method: plan.fit for plan in _advice(LLAMA_3_8B, h100).methods}
    assert fits == {"lora": "fits", "qlora": "fits", "full": "no"}


def test_micro_batch_and_checkpointing_follow_the_memory() -> None:
    roomy = _advice(LLAMA_3_8B, box(("NVIDIA H200", 139)), method="lora")
    tight = _advice(LLAMA_3_8B, box(("NVIDIA A10G", 23)), method="lora")
    assert not roomy.plan.checkpointing
    assert tight.plan.checkpointing and tight.hyperparameters["train.gradient_checkpointing"].value is True
    for advice in (roomy, tight):
        assert advice.plan.micro_batch * advice.plan.accumulation == 16
        assert advice.memory.total < advice.device.memory_free


def test_cards_without_bfloat16_and_the_cpu() -> None:
    assert _advice(LLAMA_2_7B, box(("Tesla T4", 15))).hyperparameters["train.dtype"].value == "float16"
    assert "train.dtype" not in _advice(LLAMA_2_7B, box(("NVIDIA L4", 22))).hyperparameters
    on_cpu = _advice(LLAMA_2_7B, box(ram=64))
    assert on_cpu.device.kind == "cpu" and "train.dtype" not in on_cpu.hyperparameters
    assert on_cpu.memory.parts["weights"] == 4 * model_of(**LLAMA_2_7B).parameters, "a CPU computes in float32"
    assert device_for(box(("NVIDIA L4", 10), ("NVIDIA L4", 20))).memory_free == 20_000_000_000
    hidden = box(("NVIDIA L4", 22))
    hidden = replace(hidden, gpus=[replace(hidden.gpus[0], visible=False)])
    assert device_for(hidden).kind == "cpu"


def test_mixtures_and_quantised_models() -> None:
    mixture = _advice(MIXTRAL, box(("NVIDIA H200", 139)))
    assert mixture.hyperparameters["lora.dropout"].value == 0.0
    assert any("fused experts" in warning for warning in mixture.warnings)
    quantised = _advice({}, box(("NVIDIA L4", 22)), model=model_of(**LLAMA_3_8B, quantised=True))
    assert quantised.plan.method == "qlora" and quantised.memory.parts["weights"] == 6_000_000_000
    assert {plan.method: plan.fit for plan in quantised.methods}["full"] == "no"


def test_numbers_by_scale() -> None:
    big, common = (_advice(sizes, box(("NVIDIA H200", 139))) for sizes in (LLAMA_3_70B, LLAMA_3_8B))
    tiny = _advice({"hidden": 256, "layers": 4, "heads": 4, "kv": 4, "mlp": 768, "vocabulary": 4096}, box())
    rates = [advice.hyperparameters["train.learning_rate"].value for advice in (big, common, tiny)]
    assert rates[0] < rates[1] < rates[2] and rates[2] >= 2e-3
    assert tiny.hyperparameters["train.epochs"].value >= 10
    full = _advice(LLAMA_3_8B, box(("NVIDIA H200", 139)), method="full")
    assert full.hyperparameters["train.learning_rate"].value < rates[1]
    assert not any(path.startswith("lora.") for path in full.hyperparameters)
    assert "chosen by you" in full.plan.reason


def test_every_value_has_reason_and_source() -> None:
    for advice in (_advice(LLAMA_3_8B, box(("Tesla T4", 15))), _advice(MIXTRAL, box()), _advice(LLAMA_2_7B, box())):
        assert all(value.reason and value.source for value in advice.hyperparameters.values())
        assert all(plan.reason and plan.source for plan in advice.methods)
        assert set(advice.memory.parts.values()) != {0}


# -- recipes --------------------------------------------------------------------------------------------------


def test_recipe_is_written_and_read_again(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = _banking(tmp_path / "b.csv", 150)
    out = tmp_path / "run.yaml"
    written = new_recipe(file, out, model=str(tiny), name="my run: #1")
    save_recipe(out, written.text)
    read = load_recipe(out)
    assert read.name == "my run: #1" and read.data.train == str(file) and read.data.format == "classification"
    assert read.train == written.recipe.train and read.lora == written.recipe.lora
    assert "train: b.csv\n" in written.text, "a file beside the recipe is named as seen from there"
    assert "[guide E]" in written.text and "# Estimate for" in written.text


def test_recipe_for_named_parts_holds_nothing_out(tmp_path: Path, tiny: Path) -> None:
    train, test = _banking(tmp_path / "a.csv", 200), _banking(tmp_path / "t.csv", 30)
    out = tmp_path / "sub" / "run.yaml"
    out.parent.mkdir()
    written = new_recipe(train, out, test=test, model=str(tiny), method="full")
    assert written.recipe.data.test == str(test) and written.recipe.method == "full"
    alone = new_recipe(train, out, model=str(tiny), method="full")
    assert written.advice.plan.time.steps > alone.advice.plan.time.steps
    with pytest.raises(UsageError, match="three different files"):
        new_recipe(train, out, test=train, model=str(tiny))
    with pytest.raises(DiapasonError):
        new_recipe(train, out, test=tmp_path / "none.csv", model=str(tiny))


def test_no_recipe_for_a_file_without_usable_rows(tmp_path: Path, tiny: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"foo": 1}\n' * 5)
    with pytest.raises(DiapasonError, match="no row of this file can be trained on"):
        new_recipe(file, tmp_path / "run.yaml", model=str(tiny))


def test_comments_say_where_a_value_is_the_persons_own(tmp_path: Path, tiny: Path) -> None:
    file = _banking(tmp_path / "b.csv", 150)
    advice = consult(file, model=str(tiny)).advice
    recipe = to_recipe(advice, train=file)
    recipe.train.epochs = 99
    line = next(line for line in recipe_text(advice, recipe).splitlines() if "epochs" in line)
    assert "chosen by you; recommended: " in line


def test_advice_without_a_chat_template_says_so(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "base", template=False)
    report = check(_banking(tmp_path / "b.csv", 150))
    advice = advise("classification", report=report, model=read_model(folder), hardware=box())
    assert any("no chat template" in warning for warning in advice.warnings)


def test_task_for_formats() -> None:
    assert [task_for(f) for f in ("classification", "text", "preference", "chat", None)] == [
        "classification", "domain", "preference", "style", "style",
    ]  # fmt: skip
