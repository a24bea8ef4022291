"""Submitting a run: what is refused and how it is said, what the folder holds, that nothing is left of a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.advisor.write import new_recipe
from core.data.dataset import examples
from core.doctor.cuda import Cards, Torch
from core.errors import DiapasonError
from core.home import home, runs_dir
from core.recipe import Recipe, dump_recipe, load_recipe, make_recipe, resolve_paths
from core.request import disk_bytes
from core.runs.folder import RunFolder
from core.submit import submit, submit_job
from tests.runs_help import fake_home, settled, wait
from tests.tiny import make_tiny_model

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return _file(tmp_path / "voice.jsonl", 0, 40)


@pytest.fixture(autouse=True)
def nothing_hidden_is_left(fake_home: Path) -> Iterator[None]:
    yield
    assert list(runs_dir().glob(".new-*")) == []


def _file(path: Path, first: int, count: int) -> Path:
    lines = [
        {"prompt": f"Where is order {n}?", "completion": f"Number {n} is on its way."}
        for n in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _recipe(model: Path, train: Path, **changes: Any) -> Recipe:
    data = {"train": str(train), **changes.pop("data", {})}
    return make_recipe({"model": str(model), "device": "cpu", "data": data, **changes})


def _end(folder: RunFolder) -> str:
    for each in (folder, *folder.jobs()):
        wait(lambda each=each: settled(each), what=f"the end of {each}")
    return str(folder.state()["status"])


def test_a_file_alone_is_split_into_the_run_folder(model: Path, rows: Path) -> None:
    told: list[str] = []
    folder = submit(_recipe(model, rows), tell=told.append)
    assert _end(folder) == "completed" and told[0] == "reading the train rows"
    spec = folder.spec()
    assert spec["name"] == "voice" and folder.id.endswith("-voice") and spec["marker"] == folder.id
    parts = {role: Path(spec["data"][role]["path"]) for role in ("train", "validation", "test")}
    assert {path.parent for path in parts.values()} == {folder.data}
    kept = {role: [example.prompt_text for example in examples(path)] for role, path in parts.items()}
    assert {role: len(prompts) for role, prompts in kept.items()} == {"train": 32, "validation": 4, "test": 4}
    assert {role: spec["data"][role]["rows"] for role in parts} == {"train": 32, "validation": 4, "test": 4}
    assert len({prompt for prompts in kept.values() for prompt in prompts}) == 40
    card = (folder.data / "card.md").read_text()
    assert "| train | 32 |" in card and "40, of which 40 can be trained on" in card
    assert spec["data"]["origin"]["path"] == str(rows) and len(spec["data"]["origin"]["sha256"]) == 64
    assert spec["versions"]["torch"] and spec["model"]["path"] == str(model)
    assert load_recipe(folder.recipe_file) == resolve_paths(_recipe(model, rows), folder.path)
    (job,) = folder.jobs()
    assert job.kind == "evaluate" and job.spec()["arms"] == ["base", "few-shot:5", "tuned"]
    assert job.spec()["data"]["test"]["path"] == str(parts["test"])
    assert job.spec()["run"] == str(folder.path)


def test_given_parts_are_used_where_they_lie_and_the_recipe_is_kept_as_written(model: Path, tmp_path: Path) -> None:
    for name, first, count in (("a", 0, 9), ("b", 20, 3), ("c", 30, 3)):
        _file(tmp_path / f"{name}.jsonl", first, count)
    text = f"# mine\nmodel: {model}\ndevice: cpu\ndata: {{train: a.jsonl, validation: b.jsonl, test: c.jsonl}}\n"
    (tmp_path / "run.yaml").write_text(text)
    changes = ["evaluation.after_training=false", "name=mine"]
    recipe = load_recipe(tmp_path / "run.yaml", changes)
    folder = submit(recipe, source=tmp_path / "run.yaml", changes=changes)
    assert _end(folder) == "completed" and folder.jobs() == []
    assert [path.name for path in folder.data.iterdir()] == ["card.md"]
    assert folder.recipe_file.read_text() == text and folder.spec()["changes"] == changes
    data = folder.spec()["data"]
    assert [Path(data[role]["path"]).name for role in ("train", "validation", "test")] == [
        "a.jsonl",
        "b.jsonl",
        "c.jsonl",
    ]
    assert (data["train"]["rows"], data["train"]["size"]) == (9, (tmp_path / "a.jsonl").stat().st_size)


def test_only_what_is_missing_is_split_off(model: Path, rows: Path, tmp_path: Path) -> None:
    test = _file(tmp_path / "test.jsonl", 100, 5)
    folder = submit(_recipe(model, rows, data={"test": str(test)}))
    data = folder.spec()["data"]
    assert data["test"]["path"] == str(test) and data["test"]["rows"] == 5
    assert (data["train"]["rows"], data["validation"]["rows"]) == (36, 4)
    assert sorted(path.name for path in folder.data.iterdir()) == ["card.md", "train.jsonl", "validation.jsonl"]
    assert _end(folder) == "completed"


def test_no_share_no_split(model: Path, rows: Path) -> None:
    folder = submit(_recipe(model, rows, data={"validation_fraction": 0, "test_fraction": 0}))
    data = folder.spec()["data"]
    assert data["train"]["path"] == str(rows) and data["validation"] is None and data["test"] is None
    assert _end(folder) == "completed" and folder.jobs() == []
    with pytest.raises(DiapasonError, match="no test rows"):
        submit_job("evaluate", folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ('{"prompt": "a"}\n{"prompt": "b"}\n', "no usable row"),
        ("{]\n", "no usable row"),
        ("\0\1\2" * 999, ""),
    ],
)
def test_files_that_cannot_train_are_refused_with_the_reason(
    model: Path, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(DiapasonError) as caught:
        submit(_recipe(model, path))
    assert said in str(caught.value) and "bad.jsonl" in str(caught.value) and caught.value.hint
    assert list(runs_dir().iterdir()) == []


def test_judged_rows_that_cannot_teach_are_told_with_their_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.submit.launch", lambda _: None)
    path = tmp_path / "judged.jsonl"

    def write(rows: list[dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write([{"prompt": f"p{n}", "completion": f"c{n}", "label": True} for n in range(20)])
    with pytest.raises(DiapasonError, match="no answer that is bad"):
        submit(_recipe(model, path, method="kto"))
    with pytest.raises(DiapasonError, match=r"judged\.jsonl: .*these are kto"):
        submit(_recipe(model, path, method="dpo"))
    with pytest.raises(DiapasonError, match="these are kto"):
        new_recipe(path, tmp_path / "run.yaml", method="dpo", model=str(model))
    pairs = [{"prompt": f"p{n}", "chosen": f"c{n}", "rejected": f"r{n}"} for n in range(20)]
    write([*pairs[:3], {"prompt": "p", "chosen": "c"}, *pairs[3:]])
    warned: list[str] = []
    folder = submit(_recipe(model, path, method="dpo"), warn=warned.append)
    assert f"1 of 21 train rows cannot be used and are left out, the first is {path}:4: " in warned[0]
    assert folder.spec()["warnings"] == warned and "no start is named" in warned[-1]


def test_a_copy_under_another_name_is_refused(model: Path, rows: Path, tmp_path: Path) -> None:
    copy = tmp_path / "test.jsonl"
    copy.write_bytes(rows.read_bytes())
    with pytest.raises(DiapasonError, match="same bytes as the train file"):
        submit(_recipe(model, rows, data={"test": str(copy)}))


def test_prompts_shared_by_the_given_files_are_warned_of(model: Path, rows: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.jsonl"
    prompts = ["Where is order 3?", "Is it blue?", "where is order  7"]
    test.write_text("".join(json.dumps({"prompt": prompt, "completion": "x"}) + "\n" for prompt in prompts))
    warned: list[str] = []
    folder = submit(_recipe(model, rows, data={"test": str(test)}), warn=warned.append)
    assert warned == [
        "the test file leaks: 1 row asks what a row of voice.jsonl asks: line 1 = its line 4",
        "the test file leaks: 1 row asks what a row of voice.jsonl asks, but for case, spaces and punctuation: "
        "line 3 = its line 8",
    ]
    spec = folder.spec()
    assert spec["warnings"] == warned and "leakage" not in spec["data"]["train"]
    assert spec["data"]["test"]["leakage"] == [
        {"against": "train", "kind": "exact", "count": 1, "matches": [[1, 4]]},
        {"against": "train", "kind": "folded", "count": 1, "matches": [[3, 8]]},
    ]
    assert _end(folder) == "completed"


def test_validation_and_test_are_held_against_each_other(model: Path, rows: Path, tmp_path: Path) -> None:
    parts = {"validation": _file(tmp_path / "v.jsonl", 100, 5), "test": _file(tmp_path / "t.jsonl", 104, 5)}
    warned: list[str] = []
    data = {role: str(path) for role, path in parts.items()}
    folder = submit(_recipe(model, rows, data=data, evaluation={"after_training": False}), warn=warned.append)
    assert warned == ["the test file leaks: 1 row asks what a row of v.jsonl asks: line 1 = its line 5"]
    assert folder.spec()["data"]["validation"]["leakage"] == [] and _end(folder) == "completed"


def test_too_few_prompts_to_split_say_what_to_change_in_the_recipe(model: Path, tmp_path: Path) -> None:
    few = _file(tmp_path / "few.jsonl", 0, 2)
    with pytest.raises(DiapasonError, match="2 different prompts cannot fill 3 parts") as caught:
        submit(_recipe(model, few))
    hint = str(caught.value.hint)
    assert "data.validation_fraction: 0" in hint and "data.test_fraction: 0" in hint and "--val" not in hint
    data = {"test": str(_file(tmp_path / "t.jsonl", 50, 2)), "validation_fraction": 0.4}
    one = _file(tmp_path / "one.jsonl", 0, 1)
    with pytest.raises(DiapasonError, match="1 different prompt cannot fill 2 parts") as caught:
        submit(_recipe(model, one, data=data))
    assert "data.validation_fraction: 0" in str(caught.value.hint) and "test" not in str(caught.value.hint)


def test_missing_things_are_named(model: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(DiapasonError, match="names no training file"):
        submit(make_recipe({"model": str(model), "device": "cpu"}))
    with pytest.raises(DiapasonError, match=r"gone\.jsonl"):
        submit(_recipe(model, tmp_path / "gone.jsonl"))
    with pytest.raises(DiapasonError, match="no such folder"):
        submit(_recipe(tmp_path / "no-model", rows))


def test_a_disk_too_small_is_refused_before_anything_is_written(
    model: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(model, rows)
    monkeypatch.setattr("core.request.free_bytes", lambda _: 50_000_000)
    with pytest.raises(DiapasonError, match=r"0\.1 GB free") as caught:
        submit(recipe)
    assert "keep_checkpoints" in str(caught.value.hint)
    from core.models import find_model

    info = find_model(recipe.model)
    full = recipe.model_copy(update={"method": "full"})
    assert disk_bytes(full, info) > disk_bytes(recipe, info) > 64_000_000


def test_a_card_that_torch_cannot_see_stops_the_run_unless_the_cpu_is_asked_for(
    model: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.doctor.cuda.find_cards", lambda: Cards([], 1, "560.1", (12, 6)))
    monkeypatch.setattr("core.doctor.cuda.ask_torch", lambda: Torch(version="2.13.0+cpu"))
    recipe = _recipe(model, rows, evaluation={"after_training": False})
    with pytest.raises(DiapasonError, match="does not see it") as caught:
        submit(recipe.model_copy(update={"device": "auto"}))
    assert "device: cpu" in str(caught.value.hint) and list(runs_dir().iterdir()) == []
    assert _end(submit(recipe)) == "completed"


def test_a_home_that_cannot_be_written_is_said(
    model: Path, rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home2").mkdir()
    (tmp_path / "home2" / "runs").write_text("in the way")
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home2"))
    with pytest.raises(DiapasonError, match="cannot make the folder"):
        submit(_recipe(model, rows))
    monkeypatch.undo()


def test_a_job_of_a_run_takes_what_is_left_out_from_its_recipe(model: Path, rows: Path) -> None:
    folder = submit(_recipe(model, rows, evaluation={"after_training": False, "few_shot": 0, "max_rows": 7}))
    assert _end(folder) == "completed" and folder.jobs() == []
    job = submit_job("generate", folder, arms=["base", "tuned"], max_rows=3)
    spec = job.spec()
    assert (spec["kind"], spec["arms"], spec["max_rows"], spec["max_new_tokens"]) == (
        "generate",
        ["base", "tuned"],
        3,
        128,
    )
    assert spec["data"]["test"]["path"] == folder.spec()["data"]["test"]["path"]
    wait(lambda: settled(job))
    assert job.state()["status"] == "completed" and folder.jobs() == [job]


def test_a_recipe_made_in_the_app_is_written_out(model: Path, rows: Path) -> None:
    recipe = _recipe(model, rows, evaluation={"after_training": False})
    folder = submit(recipe)
    assert folder.recipe_file.read_text() == dump_recipe(recipe) and home() in folder.path.parents
    assert _end(folder) == "completed"
