"""`diapason data` on what is no plain file: piped in, parts, folders, hub ids, maps; and the JSON of what fails."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chat_model import make_chat_model
from tui import cli

ROOT = Path(__file__).parents[2]
ROWS = [{"premise": f"It is day {n}.", "target": f"Then {n}."} for n in range(60)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
MAP = "prompt=premise,completion=target"


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def diapason(*args: str | Path) -> int:
    return cli.run([str(arg) for arg in args])


def process(tmp_path: Path, *args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    own = {"DIAPASON_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "tui", "data", *map(str, args)]
    return subprocess.run(
        command, capture_output=True, input=stdin, env={**os.environ, **own, **env}, cwd=tmp_path, timeout=120
    )


def test_what_is_piped_in_is_checked_shown_and_split(tmp_path: Path) -> None:
    packed = gzip.compress(LINES.encode())
    done = process(tmp_path, "check", "-", "--map", MAP, "--json", stdin=packed)
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["rows"]["valid"] == 60 and document["container"] == "stdin"
    assert document["map"] == MAP and document["path"] == "-"
    shown = process(tmp_path, "show", "-", "--row", "2", "--map", MAP, stdin=LINES.encode())
    assert b"It is day 1." in shown.stdout and shown.returncode == 0
    parts = process(tmp_path, "split", "-", "-o", "parts", "--map", MAP, stdin=LINES.encode())
    assert parts.returncode == 0 and (tmp_path / "parts" / "train.jsonl").read_text().count("\n") == 48
    empty = process(tmp_path, "check", "-", "--json")
    assert empty.returncode == 1 and json.loads(empty.stdout)["findings"][0]["code"] == "empty_file"


@pytest.mark.parametrize(
    ("name", "code"),
    [("none.jsonl", "not_found"), ("void", "is_directory"), ("/dev/null", "not_regular_file"),
     ("loop", "symlink_loop"), ("page.json", "html_not_data"), ("cut.parquet", "bad_parquet"),
     ("nobody/nothing.jsonl", "not_found")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: str
) -> None:
    (tmp_path / "void").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "page.json").write_text("<!doctype html>")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1cut off")
    assert diapason("data", "check", name, "--json") == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    [finding] = document["findings"]
    assert finding["code"] == code and finding["severity"] == "error" and finding["count"] == 1 and finding["hint"]
    assert document["layout"] == "unreadable" and document["rows"]["total"] == 0 and printed.err == ""
    assert diapason("data", "check", name) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and finding["message"].split(":")[0] in printed.err and "Traceback" not in printed.err


def test_an_unknown_layout_suggests_its_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.jsonl").write_text(LINES)
    assert diapason("data", "check", "own.jsonl") == 1
    assert f"--map {MAP}" in capsys.readouterr().out
    assert diapason("data", "check", "own.jsonl", "--map", MAP) == 0
    assert diapason("data", "check", "own.jsonl", "--map", "prompt") == 2
    assert "is not NAME=FIELD" in capsys.readouterr().err


def test_a_map_goes_into_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.recipe import load_recipe

    model = make_chat_model(tmp_path / "tiny")
    (tmp_path / "own.jsonl").write_text(LINES)
    new = ("recipe", "new", "own.jsonl", "--model", model, "-o", "run.yaml")
    assert diapason(*new) == 1
    error = capsys.readouterr().err
    assert "`premise`, `target`" in error and f"--map {MAP}" in error
    assert diapason(*new, "--map", MAP) == 0
    recipe = load_recipe(tmp_path / "run.yaml")
    assert recipe.data.map == MAP and recipe.data.format == "prompt-completion"


def test_a_folder_says_which_file_a_line_is_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set").mkdir()
    good = json.dumps({"prompt": "a", "completion": "b"}) + "\n"
    (tmp_path / "set" / "train-1.jsonl").write_text(good * 3)
    (tmp_path / "set" / "train-2.jsonl").write_text(good + "{broken\n")
    assert diapason("data", "check", "set") == 1
    out = capsys.readouterr().out
    assert "in train-2.jsonl:2" in out and out.startswith("set · prompt-completion · 5 rows")


def test_a_hub_id_without_a_network_fails_with_a_plain_message(tmp_path: Path) -> None:
    done = process(tmp_path, "check", "nobody/nothing-of-the-kind", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf"))
    error = done.stderr.decode()
    assert done.returncode == 1 and done.stdout == b"" and "Traceback" not in error
    assert "nobody/nothing-of-the-kind" in error and "could not be loaded" in error and "\n  " in error


def test_a_hub_id_is_read_from_the_local_cache(tmp_path: Path) -> None:
    """The cache as huggingface_hub lays it out, with Parquet files as the hub keeps them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    hf, commit = tmp_path / "hf", "0" * 40
    repo = hf / "hub" / "datasets--someone--days"
    snapshot = repo / "snapshots" / commit / "data"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    rows = [{"prompt": row["premise"], "completion": row["target"]} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows[:50]), snapshot / "train-00000-of-00001.parquet")
    pq.write_table(pa.Table.from_pylist(rows[50:]), snapshot / "test-00000-of-00001.parquet")
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(hf)}
    done = process(tmp_path, "check", "someone/days", "--json", **env)
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert document["rows"]["valid"] == 50 and document["container"] == "hub"
    note = next(finding for finding in document["findings"] if finding["code"] == "parts")
    assert "`train` is read" in note["message"] and "days#test" in note["message"]
    # It is kept: the second time nothing is loaded, not even with the cache gone.
    done = process(tmp_path, "show", "someone/days#test", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "none"))
    assert done.returncode == 0 and b"10 rows" in done.stdout
