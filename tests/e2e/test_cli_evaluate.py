"""`diapason evaluate` and `diapason chat` as a person calls them, on a run that is done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import DiapasonError
from core.evaluation.request import Endpoint, Wish, existing, specify
from core.evaluation.request import start as start_evaluation
from core.files import read_json, write_json
from core.runs.folder import RunFolder
from tests.endpoint import Answer, completion, serve
from tests.tiny import make_tiny_model
from tests.training import chat_rows, make_run, start, write_jsonl


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Diapason home with one completed run."""
    root = tmp_path_factory.mktemp("home")
    model = make_tiny_model(root / "model")
    run = make_run(root / "runs" / "01kabcdefghjkmnpqrstvwxyz0-tiny", model, train={"max_steps": 6})
    assert start(run).wait(300) == 0, (run / "log.txt").read_text()
    write_json(run / "state.json", {"schema": 1, "status": "completed", "attempt": 1, "step": 6, "total_steps": 6})
    return root


def diapason(home: Path, *arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "DIAPASON_HOME": str(home),
        "DIAPASON_LOCKS": str(home / "locks"),
        "HF_HOME": str(home / "hf"),
        "OMP_NUM_THREADS": "1",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        env=variables,
        input=given,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_evaluate_shows_the_arms_side_by_side_and_works_once(home: Path) -> None:
    first = diapason(home, "evaluate", "last")
    assert first.returncode == 0, first.stderr
    assert "8 test rows of" in first.stdout and "answer loss ↓" in first.stdout
    assert ["base", "few-shot:2", "tuned"] in [line.split() for line in first.stdout.splitlines()]
    assert "tuned against base" in first.stdout and "★ primary metric: chrF2" in first.stdout
    (run,) = (home / "runs").iterdir()
    assert (run / "evaluation" / "answers.jsonl").is_file()

    table = home / "table.csv"
    again = diapason(home, "evaluate", "01k", "--json", "--export", str(table))
    assert again.returncode == 0, again.stderr
    assert "\ntuned,base,chrf,yes," in table.read_text()
    assert "were evaluated on these rows before" in again.stderr
    assert len(list((run / "jobs").iterdir())) == 1
    document = json.loads(again.stdout)
    assert document == read_json(run / "evaluation" / "result.json")
    assert document["schema"] == 1 and document["rows"] == 8 and document["refused"] == 0
    assert {arm["name"] for arm in document["arms"]} == {"base", "few-shot:2", "tuned"}
    for arm in document["arms"]:
        loss = arm["metrics"]["loss"]
        assert loss["low"] <= loss["value"] <= loss["high"]
    gap = next(c for c in document["comparisons"] if (c["against"], c["metric"]) == ("base", "loss"))
    assert gap["high"] < 0 and gap["p"] < 0.01


def other_run(home: Path) -> str:
    """The id of a run of another base model, all of whose weights were tuned."""
    base = make_tiny_model(home / "other", seed=1, hidden=32, layers=1)
    name = "01kabcdefghjkmnpqrstvwxyy9-other"
    parts = {"rows": chat_rows(4, 203), "validation": chat_rows(1, 300), "test": chat_rows(1, 400)}
    run = make_run(home / "runs" / name, base, method="full", **parts)
    shutil.copytree(base, run / "model")
    write_json(run / "state.json", {"schema": 1, "status": "completed", "attempt": 1, "step": 1, "total_steps": 1})
    return name


def test_every_arm_answers_in_one_job_and_only_what_is_missing_is_made(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home / "runs" / "01kabcdefghjkmnpqrstvwxyz0-tiny"
    other = other_run(home)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "where.md").write_text("The lamps are in the shop. The chairs are in Lyon.\n" * 40)
    (docs / "page.html").write_text("<p>Parcel number 203 is in the garden.</p>")
    state: dict[str, Any] = {"kill": True, "open": True}

    def answer(body: dict[str, Any], before: int) -> Answer:
        if not state["open"]:
            return 401, {}, ""
        asked = body["messages"][-1]["content"]
        if body["max_tokens"] > 1 and state["kill"]:
            # Two questions are answered by now, and on disk once the third is asked.
            state["asked"] = state.get("asked", 0) + 1
            if state["asked"] == 3:
                state["kill"], state["open"] = False, False
                (job,) = (RunFolder(path) for path in (run / "jobs").iterdir() if "endpoint" in str(job_arms(path)))
                os.kill(job.state()["job"]["pid"], signal.SIGKILL)
        return completion(f"About {asked}", 20, 5)

    def job_arms(path: Path) -> Any:
        return (read_json(path / "spec.json") or {}).get("arms")

    with serve(answer) as endpoint:
        arms = (
            f"base,few-shot:2,bm25:2,rag:{docs},rag-tuned:{docs},tuned,checkpoint:4,run:{other},"
            f"endpoint:{endpoint.url}#far"
        )
        options = ["--rag-chunk-size", "100", "--rag-top-k", "9", "--price-in", "2", "--price-out", "4",
                   "--concurrency", "1"]  # fmt: skip
        # The job is killed in the middle of the endpoint's answers; started again, it finds the door closed.
        first = diapason(home, "evaluate", run.name, "--arms", arms, *options, DIAPASON_BACKOFF_SECONDS="0.1")
        assert first.returncode == 1, first.stderr
        document = read_json(run / "evaluation" / "result.json")
        assert document["failed"].keys() == {"endpoint:far"} and "key" in document["failed"]["endpoint:far"]
        assert f"The arm endpoint:far failed: {document['failed']['endpoint:far']}" in first.stderr
        names = ["base", "few-shot:2", "bm25:2", "rag:docs", "rag-tuned:docs", "tuned", "checkpoint:4", "run:other"]
        assert [arm["name"] for arm in document["arms"]] == names
        # The other run was trained on four of the eight rows: no arm is asked them.
        assert (document["rows"], document["refused"]) == (4, 4)
        answered = len(endpoint.bodies)

        state["open"] = True
        second = diapason(home, "evaluate", run.name, "--arms", arms, *options, "--json")
        assert second.returncode == 0, second.stderr
        assert len(endpoint.bodies) - answered in (3, 2)  # the question of the probe, and the rows not answered yet
        third = diapason(home, "evaluate", run.name, "--json")
        assert third.returncode == 0 and json.loads(third.stdout) == json.loads(second.stdout)
        assert len(endpoint.bodies) - answered in (3, 2)
        # Another price is another result, and none named is the one that there is.
        monkeypatch.setenv("DIAPASON_HOME", str(home))
        for prices, found in (((2.0, 4.0), True), ((2.0, 5.0), False), (None, True)):
            wish = Wish(arms=arms.split(","), endpoint=Endpoint(prices), settings={"rag_chunk_size": 100,
                        "rag_top_k": 9})  # fmt: skip
            assert (existing(RunFolder(run), specify(RunFolder(run), wish)) is not None) == found

    document = json.loads(second.stdout)
    arms_found = {arm["name"]: arm for arm in document["arms"]}
    assert list(arms_found) == [*names, "endpoint:far"] and not document["failed"]
    far = arms_found["endpoint:far"]
    assert "loss" not in far["metrics"] and far["price"] == {"given": 2.0, "made": 4.0}
    assert far["per_1000"]["money"] == pytest.approx(0.02 * 2 + 0.005 * 4) and far["peak_memory_bytes"] is None
    assert arms_found["run:other"]["model"] == str(home / "other")
    assert all(arm["peak_memory_bytes"] > 1 << 26 for name, arm in arms_found.items() if name != "endpoint:far")
    # Nine pieces of a hundred tokens do not fit into the thousand that the model reads.
    dropped = arms_found["rag:docs"]["dropped"]
    assert 1 <= dropped["rows"] <= dropped["pieces"]
    assert (arms_found["rag:docs"]["documents"], arms_found["few-shot:2"]["dropped"]["pieces"]) == (2, 0)

    records = [json.loads(line) for line in (run / "evaluation" / "answers.jsonl").read_text().splitlines()]
    by_arm = {name: [record for record in records if record["arm"] == name] for name in arms_found}
    assert all(len(found) == 4 for found in by_arm.values())
    assert all(record.get("reused") for name in names for record in by_arm[name])
    assert [record["row"] for record in by_arm["endpoint:far"] if record.get("reused")] != []
    for record in by_arm["rag-tuned:docs"]:
        assert 1 <= len(record["sources"]) <= 9 and record["prompt_tokens"] <= 1024 - 12
        assert all(piece["text"] and piece["source"] in ("where.md", "page.html") for piece in record["sources"])
    assert all(len(record["examples"]) == 2 for record in by_arm["bm25:2"])
    assert all(record["examples"] == by_arm["few-shot:2"][0]["examples"] for record in by_arm["few-shot:2"])
    assert by_arm["tuned"][0]["nll"] != by_arm["checkpoint:4"][0]["nll"] != by_arm["base"][0]["nll"]
    asked = {record["prompt"][-1]["content"]: record["answer"] for record in by_arm["endpoint:far"]}
    assert all(answer == f"About {question}" for question, answer in asked.items())


def test_an_arm_that_cannot_be_had_is_told_before_anything_is_loaded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(home))
    run = RunFolder(home / "runs" / "01kabcdefghjkmnpqrstvwxyz0-tiny")
    jobs = len(run.jobs())
    (tmp_path / "empty").mkdir()
    (tmp_path / "own.py").write_text("def score(prediction, reference):\n    return 1.0\n")
    with serve(lambda body, before: (404, {}, '{"error": "no such model"}')) as endpoint:
        for options, problem in (
            ({"arms": ["run:nobody"]}, "no run is called `nobody`"),
            ({"arms": [f"run:{run.id}"]}, "is the run that is evaluated"),
            ({"arms": ["checkpoint:77"]}, r"no whole checkpoint of step 77.*\n.*steps .*6"),
            ({"arms": [f"run:{run.id}@77"]}, "no whole checkpoint of step 77"),
            ({"arms": [f"rag:{tmp_path / 'empty'}"]}, "holds no document"),
            ({"arms": [f"rag-tuned:{tmp_path / 'none'}"]}, "there is no such folder"),
            ({"arms": ["fewshot:3"]}, "`fewshot:3` is no arm"),
            ({"metrics": ["blue"]}, "blue"),
            ({"settings": {"temperature": 9.0}}, "temperature"),
            ({"arms": [f"endpoint:{endpoint.url}"]}, "the endpoint's model is not named"),
            ({"arms": [f"endpoint:{endpoint.url}"], "endpoint_model": "m"}, "knows no such address or model"),
        ):
            with pytest.raises(DiapasonError, match=f"(?s){problem}") as found:
                start_evaluation(run, specify(run, Wish(**options)))
            assert "Traceback" not in str(found.value)
    assert len(run.jobs()) == jobs
    spec = specify(run, Wish(arms=["tuned", f"endpoint:{endpoint.url}#m"], metrics=[str(tmp_path / "own.py")]))
    assert spec["metrics"] == [str(tmp_path / "own.py")] and spec["gpu_request"]["device"] == "cpu"


def test_rows_that_were_trained_on_are_refused(home: Path, tmp_path: Path) -> None:
    mixed = write_jsonl(tmp_path / "mixed.jsonl", chat_rows(3) + chat_rows(2, 300))
    result = diapason(home, "evaluate", "last", "--data", str(mixed), "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["rows"], document["refused"]) == (2, 3)

    known = write_jsonl(tmp_path / "known.jsonl", chat_rows(3))
    result = diapason(home, "evaluate", "last", "--data", str(known))
    assert result.returncode == 1 and result.stdout == ""
    assert "nothing to evaluate on: all 3 prompts were trained on" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_without_a_model_is_named(home: Path) -> None:
    bare = make_run(home / "other" / "runs" / "01kabcdefghjkmnpqrstvwxyz1-bare", home / "model")
    write_json(bare / "state.json", {"schema": 1, "status": "failed"})
    for command in ("evaluate", "chat"):
        result = diapason(home / "other", command, "last")
        assert result.returncode == 1 and "has no tuned model yet" in result.stderr, result.stderr


def test_both_models_answer_in_plain_lines(home: Path) -> None:
    lines = "Where is my lamp?\n\nAnd the \x1b[2Jchair?\n/new\nWhere is my lamp?\n/quit\nnot reached\n"
    result = diapason(home, "chat", "last", "--max-new-tokens", "5", given=lines)
    assert result.returncode == 0, result.stderr
    answers = [line for line in result.stdout.splitlines() if line.startswith(("base   ›", "tuned  ›"))]
    assert [line[:5] for line in answers] == ["base ", "tuned"] * 3
    assert result.stdout.count("A new conversation.") == 1
    assert "\x1b" not in result.stdout

    ended = diapason(home, "chat", "last", "--max-new-tokens", "1", given="Where?")
    assert ended.returncode == 0 and ended.stdout.count("›") == 2


def test_a_broken_model_is_one_plain_message(home: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "01kabcdefghjkmnpqrstvwxyz2-broken", home / "model")
    write_json(run / "state.json", {"schema": 1, "status": "completed"})
    (run / "adapter").mkdir()
    result = diapason(tmp_path, "chat", "last", given="Hello\n")
    assert result.returncode == 1
    assert result.stderr.startswith("diapason: ") and "Traceback" not in result.stderr
