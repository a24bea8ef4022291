"""Run folders for the engine's tests, as `core.submit` writes them, over rows made up here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.data.dataset import fingerprint
from core.files import read_json, read_jsonl, write_json
from core.recipe import make_recipe

_THINGS = ("lamp", "chair", "order", "parcel", "table", "clock", "refund", "kettle", "brush", "carpet")
_PLACES = ("Paris", "Lyon", "the shop", "the kitchen", "our depot", "the garden")


def chat_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """`count` conversations of one question and one answer, all different."""
    rows: list[dict[str, Any]] = []
    for number in range(start, start + count):
        thing, place = _THINGS[number % len(_THINGS)], _PLACES[number // len(_THINGS) % len(_PLACES)]
        question = f"Where is my {thing} number {number}?"
        answer = f"Your {thing} is in {place}. Thank you!" + " It will be there soon." * (number % 4)
        rows.append({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
    return rows


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """`rows` as JSON lines at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def part(path: Path, format: str) -> dict[str, Any]:
    """One part of a spec's data."""
    return {**fingerprint(path), "format": format, "rows": len(path.read_text("utf-8").splitlines())}


def make_run(
    folder: Path,
    model: Path,
    *,
    format: str = "chat",
    rows: list[dict[str, Any]] | None = None,
    validation: list[dict[str, Any]] | None = None,
    test: list[dict[str, Any]] | None = None,
    **recipe: Any,
) -> Path:
    """Write a run's folder; `rows` are trained on; `recipe` holds what differs from the small defaults here."""
    parts = {
        "train": chat_rows(24) if rows is None else rows,
        "validation": chat_rows(6, 100) if validation is None else validation,
        "test": chat_rows(8, 200) if test is None else test,
    }
    values: dict[str, Any] = {
        "model": str(model),
        "device": "cpu",
        "train": {"epochs": 2, "micro_batch_size": 2, "accumulation": 2, "max_length": 256, "learning_rate": 0.02},
        "samples": {"count": 1, "max_new_tokens": 6},
        "evaluation": {"few_shot": 2, "max_new_tokens": 12},
    }
    for name, value in recipe.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    data = {name: part(write_jsonl(folder / "data" / f"{name}.jsonl", found), format) if found else None
            for name, found in parts.items()}  # fmt: skip
    spec = {
        "schema": 1,
        "kind": "train",
        "id": folder.name,
        "name": folder.name,
        "recipe": make_recipe(values).model_dump(),
        "model": {"name": str(model), "path": str(model)},
        "data": data,
        "gpu_request": {"device": "cpu", "bytes": 0, "visible": None},
    }
    write_json(folder / "spec.json", spec)
    return folder


def make_job(run: Path, folder: Path, kind: str = "evaluate", **fields: Any) -> Path:
    """Write the folder of an evaluate or generate job of `run`."""
    folder.mkdir(parents=True)
    spec = {"schema": 1, "kind": kind, "run": str(run), "arms": ["base", "few-shot:2", "tuned"], **fields}
    write_json(folder / "spec.json", spec)
    return folder


def start(folder: Path, attempt: int = 1, **environment: str) -> subprocess.Popen[bytes]:
    """The engine's process for `folder`, its output in log.txt there."""
    variables = {**os.environ, "DIAPASON_ATTEMPT": str(attempt), "OMP_NUM_THREADS": "1", **environment}
    with (folder / "log.txt").open("ab") as log:
        command = [sys.executable, "-m", "core.engine", str(folder)]
        return subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT)


def events(folder: Path, name: str | None = None) -> list[dict[str, Any]]:
    """The events of the folder, all or those called `name`."""
    return [event for event in read_jsonl(folder / "events.jsonl")[0] if name in (None, event["event"])]


def curve(folder: Path) -> dict[tuple[str, int], tuple[float, ...]]:
    """What counts of a run: by event and step its loss, gradient norm, learning rate, tokens; steps that a restart
    took back are left out."""
    found: dict[tuple[str, int], tuple[float, ...]] = {}
    for event in events(folder):
        if event["event"] == "start" and event["resumed_from"] is not None:
            found = {key: value for key, value in found.items() if key[1] <= event["resumed_from"]}
        if event["event"] in ("step", "eval"):
            columns = ("loss", "grad_norm", "learning_rate", "tokens")
            found[event["event"], event["step"]] = tuple(event.get(column) for column in columns)
    return found


def verdict(folder: Path, attempt: int = 1) -> dict[str, Any]:
    """exit.<attempt>.json."""
    found = read_json(folder / f"exit.{attempt}.json")
    assert isinstance(found, dict)
    return found
