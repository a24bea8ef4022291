"""The recipe: read as people write it, refused in words, and the same after a round through YAML."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import yaml_text
from core.errors import UsageError
from core.recipe import (
    FORMATS,
    TASKS,
    Recipe,
    change_recipe,
    dump_recipe,
    fields,
    load_recipe,
    make_recipe,
    sections,
)

BAD = {
    "unknown key": ("name: a\nlearning_rat: 3\n", 2, "did you mean `train.learning_rate`?"),
    "key of a section": ("train:\n  epoch: 3\n", 2, "did you mean `train.epochs`?"),
    "another tool's key": ("data:\n  train: a\nnum_train_epochs: 3\n", 3, "did you mean `train.epochs`?"),
    "case of a section": ("Train:\n  epochs: 3\n", 1, "did you mean `train`?"),
    "bad choice": ("method: lorra\n", 1, "did you mean `lora`?"),
    "prefix of a choice": ("name: a\ntask: class\n", 2, "did you mean `classification`?"),
    "too low": ("lora:\n  r: 0\n", 2, "`lora.r` must be at least 1, and not 0"),
    "too high": ("train:\n\n  seed: 99999999999\n", 3, "must be at most 4294967295"),
    "no number": ("train:\n  learning_rate: fast\n", 2, "must be a number, and not 'fast'"),
    "half a step": ("train:\n  max_steps: 1.5\n", 2, "must be a whole number"),
    "true for a number": ("train:\n  epochs: true\n", 2, "must be a number, and not true"),
    "infinite": ("train:\n  warmup: .inf\n", 2, "must be a finite number"),
    "zero steps": ("train:\n  max_steps: 0\n", 2, "at least 1, or -1 for no limit"),
    "number for a text": ("name: 2026\n", 1, "write it in quotes, '2026'"),
    "list for a section": ("train: [1]\n", 1, "`train` holds fields"),
    "targets": ("lora:\n  targets: [q_proj, 3]\n", 2, "`lora.targets.1` must be text"),
    "twice": ("name: a\nmodel: starter\nname: b\n", 3, "given twice, first on line 1"),
    "tab": ("train:\n\tepochs: 3\n", 2, "a tab indents this line"),
    "indentation": ("train:\n  epochs: 3\n model: x\n", 3, "indentation fits no line above"),
    "colon": ("name: a: b\n", 1, "a `:` too many"),
    "open quote": ("name: 'a\nmodel: b\n", 3, "a quote is not closed"),
    "alias": ("name: &n a\nmodel: *n\n", 2, "aliases"),
    "recursive alias": ("train: &t\n  more: *t\n", 2, "aliases"),
    "tag": ("name: !!python/object/apply:os.system [ls]\n", 1, "tags"),
    "two documents": ("name: a\n---\nname: b\n", 2, "a second document"),
    "number as a key": ("1: a\n", 1, "1 is no field name"),
    "control character": ("name: a\nmodel: \x07\n", 2, "U+0007"),
}


@pytest.mark.parametrize("name", BAD)
def test_names_line_and_reason(tmp_path: Path, name: str) -> None:
    text, line, said = BAD[name]
    path = tmp_path / "run.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        load_recipe(path)
    assert f"{path}:{line}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the recipe is empty"),
        (b"# only a comment\n", "the recipe is empty"),
        (b"- a\n- b\n", "this is a list"),
        (b"hello\n", "this is a single value"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "not UTF-8"),
        (b"name: a\n" * 200_000, "larger than 1 MB"),
        (b"[" * 9_000, "nest too deep"),
        (b"lora:\n  r: " + b"9" * 6_000 + b"\n", "number too long"),
        (b"name: a\n", "`data.train` names no file"),
    ],
)
def test_refuses_what_is_no_recipe(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        load_recipe(path)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        load_recipe(tmp_path)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("lora:\n  r: 0\n  rang: 3\nmethod: x\ndata:\n  train: a\n")
    with pytest.raises(UsageError) as caught:
        load_recipe(path)
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{n}" for n in (2, 3, 4)]


def test_reads_words_and_numbers_as_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "\ufeffname: no\nlora:\nloss:\n  on: last-answer\n"
        "train:\n  learning_rate: 2e-4\n  max_steps: 1_000\ndata: {train: 2026-01-01.jsonl}\n",
        "utf-8",
    )
    recipe = load_recipe(path)
    assert recipe.name == "no"
    assert recipe.loss.on == "last-answer"
    assert recipe.train.learning_rate == 2e-4
    assert recipe.train.max_steps == 1000
    assert recipe.lora == Recipe().lora
    assert recipe.data.train == str(tmp_path / "2026-01-01.jsonl")


def test_changes_win_and_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data:\n  train: a.jsonl\ntrain:\n")
    recipe = load_recipe(path, ["train.max_steps=20", "lora.targets=[q_proj, v_proj]", "name=x"])
    assert (recipe.train.max_steps, recipe.lora.targets, recipe.name) == (20, ["q_proj", "v_proj"], "x")
    for change, said in (
        ("train.max_stps=20", "did you mean `train.max_steps`"),
        ("max_steps", "not KEY=VALUE"),
        ("=3", "not KEY=VALUE"),
        ("name.x=3", "must be text, and not fields"),
        ("data.train.x=3", "holds a value"),
        ("train.epochs=[", "train.epochs: not YAML: a value is missing"),
    ):
        with pytest.raises(UsageError, match=said):
            load_recipe(path, [change])


def test_one_file_is_never_both_training_and_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    for test in ("a.jsonl", "./a.jsonl", str(tmp_path / "a.jsonl"), "link.jsonl"):
        path = tmp_path / "run.yaml"
        path.write_text(f"data:\n  train: a.jsonl\n  test: {test}\n")
        with pytest.raises(UsageError, match="three different files"):
            load_recipe(path)


def test_a_folder_called_starter_does_not_hide_the_starter(tmp_path: Path) -> None:
    (tmp_path / "starter").mkdir()
    (tmp_path / "mine").mkdir()
    path = tmp_path / "run.yaml"
    for model, found in (
        ("starter", "starter"),
        ("./starter", str(tmp_path / "starter")),
        ("mine", str(tmp_path / "mine")),
        ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
    ):
        path.write_text(f"model: {model}\ndata:\n  train: a\n")
        assert load_recipe(path).model == found


def test_escape_sequences_in_a_recipe_come_out_inert() -> None:
    with pytest.raises(UsageError) as caught:
        make_recipe({"\x1b]0;x\x07": 1, "method": "\x1b[31m", "task": ["\x1b[2J"]})
    assert "\x1b" not in str(caught.value) and "\x07" not in str(caught.value)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
_FILE = st.text(string.ascii_letters + " :#'\"éß日\n\u2028-", min_size=1, max_size=60)


@st.composite
def _recipes(draw: st.DrawFn) -> Recipe:
    values = {
        "name": draw(_TEXT),
        "task": draw(st.sampled_from(TASKS)),
        "model": draw(_TEXT),
        "data": {
            "train": "train/" + draw(_FILE),
            "format": draw(st.none() | st.sampled_from(FORMATS)),
            "validation": draw(st.none() | _FILE.map("val/".__add__)),
        },
        "lora": {"targets": draw(_TEXT | st.lists(_TEXT, max_size=3))},
        "train": {
            "learning_rate": draw(st.floats(1e-12, 1)),
            "epochs": draw(st.floats(0.001, 1000)),
            "max_steps": draw(st.integers(1, 10**9) | st.just(-1)),
        },
    }
    return make_recipe(values)


@settings(max_examples=150, deadline=None)
@given(_recipes(), st.dictionaries(st.sampled_from([f.path for f in fields()] + list(sections())), _TEXT, max_size=8))
def test_round_trip(recipe: Recipe, comments: dict[str, str]) -> None:
    """What is written is what is read, whatever stands in the values and in the comments."""
    values, _ = yaml_text.parse(dump_recipe(recipe, comments=comments), "recipe")
    assert make_recipe(values) == recipe


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:- \n\t#&*!|>'\"[]{},%@`\x00é0.e")) | st.text())
def test_wild_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        values, _ = yaml_text.parse(text, "recipe")
        if isinstance(values, dict):
            make_recipe(values)
    except UsageError as error:
        assert "recipe" in str(error)


def test_change_recipe_takes_text_as_typed() -> None:
    recipe = change_recipe(Recipe(), ["train.learning_rate=1e-3", "data.validation="])
    assert recipe.train.learning_rate == 1e-3
    assert recipe.data.validation is None
    with pytest.raises(UsageError, match="at most 1"):
        change_recipe(Recipe(), ["train.learning_rate=3"])


def test_fields_cover_the_recipe_and_hold_their_defaults() -> None:
    values = Recipe().model_dump()
    leaves = {
        f"{key}.{leaf}" if isinstance(value, dict) else key
        for key, value in values.items()
        for leaf in (value if isinstance(value, dict) else [""])
    }
    listed = {field.path: field for field in fields()}
    assert set(listed) == leaves
    assert all(field.help and field.type for field in listed.values())
    assert listed["lora.r"].limits == "at least 1, at most 512"
    assert listed["data.format"].optional and "chat" in listed["data.format"].choices
    assert listed["lora.targets"].type == "text or list of texts"
