"""The whole of judging on a run that was really trained: answers generated, judged in a terminal, exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.files import read_jsonl
from core.runs.folder import RunFolder, list_runs
from tests.runs_help import end_everything
from tests.terminal import Terminal
from tests.tiny import make_tiny_model

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """\
name: voice
model: {model}
device: cpu
data: {{train: rows.jsonl, validation_fraction: 0.1, test_fraction: 0.2}}
train: {{micro_batch_size: 4, accumulation: 1, max_steps: 12, max_length: 64, eval_every: 12, learning_rate: 2.0e-2}}
samples: {{count: 0}}
evaluation: {{after_training: false, max_new_tokens: 12}}
"""
PATIENCE = 300.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run trained on rows of its own, in a home of its own."""
    folder = tmp_path_factory.mktemp("flow")
    make_tiny_model(folder / "tiny")
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} left today. Thank you!"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.yaml").write_text(RECIPE.format(model=folder / "tiny"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIAPASON_HOME": str(folder / "home"),
            "DIAPASON_LOCKS": str(folder / "locks"),
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONPATH": str(ROOT),
            "LOGNAME": "ann",
        }.items():
            patch.setenv(name, value)
        yield folder
        end_everything()


def diapason(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui", *args]
    return subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL
    )


def answers(path: Path) -> dict[tuple[int, str], str]:
    return {(row["row"], row["arm"]): row["answer"] for row in read_jsonl(path)[0]}


def press(terminal: Terminal, key: bytes) -> None:
    """Press a key at a person's pace: one that comes within 0.15 s of the last is taken for a held one."""
    time.sleep(0.3)
    terminal.press(key)


def judge(place: Path, *, count: int) -> None:
    """Pick the left answer of every pair in a real terminal, then leave."""
    terminal = Terminal(["judge", "last", "-n", str(count)], dict(os.environ), place)
    try:
        terminal.wait_for("pair 1 of ", PATIENCE)
        asked = int(terminal.text.rpartition("pair 1 of ")[2].split()[0])
        for number in range(2, asked + 1):
            press(terminal, b"1")
            terminal.wait_for(f"pair {number} of {asked}")
        press(terminal, b"1")
        terminal.wait_for("decisive pairs")
        press(terminal, b"\x11")
        assert terminal.wait() == 0
    finally:
        terminal.close()


@pytest.fixture(scope="module")
def run(place: Path) -> RunFolder:
    done = diapason(place, "train", "run.yaml", "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    return list_runs()[0]


def test_answers_are_generated_judged_and_exported(place: Path, run: RunFolder) -> None:
    judge(place, count=5)
    given = answers(run.judging / "answers.jsonl")
    assert {arm for _, arm in given} == {"base", "tuned"}
    (job,) = run.jobs()
    assert job.kind == "generate" and job.state()["status"] == "completed"

    document = json.loads(diapason(place, "judgements", "last", "--json").stdout)
    assert document["complete"] and document["decisive"] == document["pairs"]["asked"] > 0
    assert document["pairs"]["asked"] + document["identical"] == len(given) // 2
    assert document["first_slot"]["count"] == document["decisive"]
    for vote in read_jsonl(run.judging / "votes-ann.jsonl")[0]:
        assert vote["winner"] == vote["left"]["arm"]
        assert vote["left"]["length"] == len(given[vote["row"], vote["winner"]])

    done = diapason(place, "preferences", "last", "-o", "dpo.jsonl")
    assert done.returncode == 0 and f"{document['decisive']} row" in done.stdout
    for row in map(json.loads, (place / "dpo.jsonl").read_text().splitlines()):
        assert {row["chosen"][0]["content"], row["rejected"][0]["content"]} <= set(given.values())
    checked = json.loads(diapason(place, "data", "check", "dpo.jsonl", "--json").stdout)
    assert checked["format"] == "preference" and checked["rows"]["total"] == document["decisive"]


def test_trl_takes_the_rows_of_both_formats(place: Path, run: RunFolder) -> None:
    # Votes of the test before, or of this one where it runs alone.
    if not (run.judging / "votes-ann.jsonl").exists():
        judge(place, count=5)
    for format in ("dpo", "kto"):
        done = diapason(place, "preferences", "last", "--format", format, "-o", f"trl-{format}.jsonl", "--force")
        assert done.returncode == 0, done.stderr
    code = """
import json, sys
from datasets import load_dataset
from transformers import AutoTokenizer
from trl.data_utils import is_conversational, maybe_apply_chat_template
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for name in ("dpo", "kto"):
    rows = load_dataset("json", data_files=f"trl-{name}.jsonl", split="train")
    assert all(is_conversational(row) for row in rows)
    row = maybe_apply_chat_template(rows[0], tokenizer)
    print(json.dumps({key: row[key] for key in sorted(row)}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(place / "tiny")], cwd=place, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    dpo, kto = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert set(dpo) == {"prompt", "chosen", "rejected"} and set(kto) == {"prompt", "completion", "label"}
    assert "Where is order" in dpo["prompt"] and dpo["prompt"].endswith("<|assistant|>\n")
    assert isinstance(kto["label"], bool)


def test_an_evaluation_serves_as_well_and_no_second_job_is_made(place: Path, run: RunFolder) -> None:
    done = diapason(place, "evaluate", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    before = len(run.jobs())
    terminal = Terminal(["judge", "last", "--new", "-n", "3"], dict(os.environ), place)
    try:
        terminal.wait_for("pair 1 of 3")
        press(terminal, b"\x11")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    session = json.loads((run.judging / "session.json").read_text())
    assert session["answers"]["path"] == "evaluation/answers.jsonl" and len(run.jobs()) == before
    document = json.loads(diapason(place, "judgements", "last", "--json").stdout)
    assert document["decisive"] == 0 and document["summary"] == "no pair is judged yet"
