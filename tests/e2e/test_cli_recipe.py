"""`diapason advise` and `diapason recipe` as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.recipe import load_recipe
from tests.tiny import make_tiny_model

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DIAPASON_HOME": str(folder / "home"), "PYTHONPATH": str(REPO), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tui", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def _chat_file(path: Path, rows: int = 80) -> Path:
    lines = [
        {"messages": [{"role": "user", "content": f"Where is order {n}?"},
                      {"role": "assistant", "content": f"Hello! Order {n} is on its way.\x1b[31m"}]}
        for n in range(rows)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def test_recipe_new_writes_what_train_reads(tmp_path: Path, tiny: Path) -> None:
    _chat_file(tmp_path / "support.jsonl")
    done = _run(tmp_path, "recipe", "new", "support.jsonl", "--model", str(tiny), "-o", "run.yaml")
    assert done.returncode == 0, done.stderr
    assert "diapason train run.yaml" in done.stdout
    recipe = load_recipe(tmp_path / "run.yaml")
    assert recipe.data.train == str(tmp_path / "support.jsonl")
    assert (recipe.task, recipe.data.format, recipe.method) == ("style", "chat", "lora")
    assert (tmp_path / "run.yaml").stat().st_mode & 0o044, "others may read it, as any file that a person writes"


def test_recipe_new_never_overwrites_unasked(tmp_path: Path, tiny: Path) -> None:
    _chat_file(tmp_path / "support.jsonl")
    (tmp_path / "run.yaml").write_text("mine")
    arguments = ["recipe", "new", "support.jsonl", "--model", str(tiny), "-o", "run.yaml"]
    refused = _run(tmp_path, *arguments)
    assert refused.returncode == 2 and "--force" in refused.stderr and refused.stdout == ""
    assert (tmp_path / "run.yaml").read_text() == "mine"
    assert _run(tmp_path, *arguments, "--force").returncode == 0
    assert load_recipe(tmp_path / "run.yaml").task == "style"


def test_recipe_new_takes_all_its_options(tmp_path: Path, tiny: Path) -> None:
    for name in ("a", "b", "c"):
        _chat_file(tmp_path / f"{name}.jsonl", 40 + ord(name))
    done = _run(
        tmp_path, "recipe", "new", "a.jsonl", "--val", "b.jsonl", "--test", "c.jsonl", "--model", str(tiny),
        "--task", "extraction", "--method", "qlora", "--name", "first", "-o", "r.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recipe = load_recipe(tmp_path / "r.yaml")
    assert (recipe.task, recipe.method, recipe.name) == ("extraction", "qlora", "first")
    assert recipe.data.validation == str(tmp_path / "b.jsonl") and recipe.data.test == str(tmp_path / "c.jsonl")
    assert "chosen by you" in (tmp_path / "r.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["recipe", "new", "none.jsonl", "-o", "x.yaml"], 1, "none.jsonl"),
        (["recipe", "new", "support.jsonl", "--model", "./nowhere", "-o", "x.yaml"], 1, "there is no such folder"),
        (["recipe", "new", "support.jsonl", "--test", "support.jsonl", "-o", "x.yaml"], 2, "three different files"),
        (["recipe", "new", "empty.jsonl", "-o", "x.yaml"], 1, "no row of this file can be trained on"),
        (["recipe", "new", "support.jsonl", "-o", "no/such/x.yaml"], 2, "cannot write the recipe"),
        (["recipe", "new", "support.jsonl", "--task", "poetry"], 2, "poetry"),
        (["recipe"], 2, "VERB"),
        (["advise"], 2, "name a file, or a task"),
        (["advise", "support.jsonl", "--task", "styl"], 2, "styl"),
    ],
)
def test_what_is_wrong_is_one_plain_message(
    tmp_path: Path, tiny: Path, arguments: list[str], code: int, said: str
) -> None:
    _chat_file(tmp_path / "support.jsonl")
    (tmp_path / "empty.jsonl").write_text("{}\n")
    if "--model" not in arguments and "new" in arguments:
        arguments = [*arguments, "--model", str(tiny)]
    done = _run(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"data:\n  train: a\nmehtod: lora\n", "bad.yaml:3: unknown field `mehtod`; did you mean `method`?"),
        (b"data:\n  train: a\nmethod: lorra\n", "bad.yaml:3: `method` cannot be 'lorra'"),
        (b"data:\n  train: a\ndata:\n  train: b\n", "bad.yaml:3: `data` is given twice, first on line 1"),
        (b"data:\n\ttrain: a\n", "bad.yaml:2: a tab indents this line"),
        (b"- a\n", "this is a list"),
        (b"", "the recipe is empty"),
        (b"\x7fELF\x02\x01\xff\xfe", "not UTF-8"),
        (b"name: \x1b]0;x\n", "bad.yaml:1: "),
    ],
)
def test_train_refuses_a_bad_recipe_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    done = _run(tmp_path, "train", "bad.yaml")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr and "\x1b" not in done.stderr
    assert not list((tmp_path / "home").glob("runs/*"))


def test_advise_json_is_one_document(tmp_path: Path, tiny: Path) -> None:
    _chat_file(tmp_path / "support.jsonl")
    done = _run(tmp_path, "advise", "support.jsonl", "--task", "style", "--model", str(tiny), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == 1 and document["task"] == "style" and document["data"]["rows"] == 80
    assert document["method"] in [method["method"] for method in document["methods"]]
    assert sum(method["recommended"] for method in document["methods"]) == 1
    for method in document["methods"]:
        assert method["memory"]["total"] == sum(method["memory"]["parts"].values())
        assert method["seconds"]["low"] <= method["seconds"]["estimate"] <= method["seconds"]["high"]
    assert all(value["reason"] and value["source"] for value in document["hyperparameters"].values())
    documented = (REPO / "docs" / "json.md").read_text()
    assert all(f"`{key}" in documented for key in document if key != "schema")


def test_advise_says_when_not_to_tune(tmp_path: Path, tiny: Path) -> None:
    _chat_file(tmp_path / "few.jsonl", 12)
    few = _run(tmp_path, "advise", "few.jsonl", "--task", "style", "--model", str(tiny))
    assert few.returncode == 0 and "Examples in the prompt, do not tune yet" in few.stdout
    facts = _run(tmp_path, "advise", "--task", "complex", "--facts-change", "yes", "--model", str(tiny))
    assert facts.returncode == 0 and "Retrieval (RAG), do not tune yet" in facts.stdout


def test_recipe_fields_and_their_page(tmp_path: Path) -> None:
    listed = _run(tmp_path, "recipe", "fields")
    assert listed.returncode == 0 and "train.learning_rate" in listed.stdout
    document = json.loads(_run(tmp_path, "recipe", "fields", "--json").stdout)
    assert document["schema"] == 1 and len(document["fields"]) > 30
    page = _run(tmp_path, "recipe", "fields", "--markdown").stdout
    assert page == (REPO / "docs" / "recipe.md").read_text(), (
        "make it again: recipe fields --markdown > docs/recipe.md"
    )
