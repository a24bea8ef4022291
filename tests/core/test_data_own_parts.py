"""A data set that brings its own validation and test rows: the recipe uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.advisor.write import new_recipe
from core.data.own_parts import own_parts


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def _rows(first: int, count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"Question {n}?", "completion": f"Answer {n}."} for n in range(first, first + count)]


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_folder_and_a_file_of_parts(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text(_lines(_rows(0, 80)))
    assert own_parts(folder) == {}
    (folder / "dev.jsonl").write_text(_lines(_rows(80, 10)))
    (folder / "test.jsonl").write_text(_lines(_rows(90, 10)))
    assert own_parts(folder) == {
        "train": Path(f"{folder}#train"),
        "validation": Path(f"{folder}#validation"),
        "test": Path(f"{folder}#test"),
    }
    assert own_parts(f"{folder}#train") == own_parts(folder / "train.jsonl") == {}
    packed = tmp_path / "all.json"
    packed.write_text(json.dumps({"training": _rows(0, 80), "dev": _rows(80, 10)}))
    assert own_parts(packed) == {"train": Path(f"{packed}#training"), "validation": Path(f"{packed}#dev")}


def test_a_recipe_uses_them_but_for_what_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text(_lines(_rows(0, 80)))
    (folder / "test.jsonl").write_text(_lines(_rows(90, 10)))
    data = new_recipe(folder, tmp_path / "run.yaml").recipe.data
    assert (data.train, data.validation, data.test) == ("set#train", None, "set#test")
    other = tmp_path / "other.jsonl"
    other.write_text(_lines(_rows(200, 10)))
    data = new_recipe(folder, tmp_path / "run.yaml", test=other).recipe.data
    assert (data.train, data.test) == ("set#train", "other.jsonl")
