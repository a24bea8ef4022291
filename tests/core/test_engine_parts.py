"""The engine's parts that need no model: the job's folder and commands, sealed checkpoints, the cut rows."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.engine import room
from core.engine.job import Job, JobError, Stopped, describe
from core.errors import DiapasonError
from core.files import read_json, read_jsonl, write_json
from core.runs import checkpoints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / "spec.json", {"kind": "train"})
    return tmp_path


def checkpoint(root: Path, step: int, *, sealed: bool = True) -> Path:
    path = root / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "README.md"):
        (path / name).write_bytes(f"{name} of {step}".encode() * 50)
    if sealed:
        checkpoints.seal(path, {"step": step})
    return path


def test_a_sealed_checkpoint_is_whole_until_a_byte_changes(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    manifest = read_json(path / "MANIFEST.json")
    assert manifest["step"] == 10
    assert manifest["files"]["optimizer.pt"]["size"] == len("optimizer.pt of 10") * 50
    assert checkpoints.problem(path) is None

    content = bytearray((path / "optimizer.pt").read_bytes())
    content[7] ^= 1
    (path / "optimizer.pt").write_bytes(content)
    assert checkpoints.problem(path) == "optimizer.pt has changed since it was saved"
    (path / "optimizer.pt").write_bytes(content[:-1])
    assert "bytes instead of" in (checkpoints.problem(path) or "")
    (path / "optimizer.pt").unlink()
    assert checkpoints.problem(path) == "optimizer.pt is missing"


@pytest.mark.parametrize(("old", "new"), [(b'"step": 10', b'"step": 11'), (b'"schema"', b'"schfma"'), (b"{", b"z")])
def test_a_manifest_that_has_changed_is_noticed(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = checkpoint(tmp_path, 10) / "MANIFEST.json"
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert "MANIFEST.json" in str(checkpoints.problem(path.parent))


def test_manifests_without_a_check_are_good(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 10)
    manifest = read_json(path / "MANIFEST.json")
    del manifest["check"]
    write_json(path / "MANIFEST.json", manifest)
    assert checkpoints.problem(path) is None


def test_room_is_made_for_the_next_checkpoint_or_it_is_not_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, job = folder / "checkpoints", Job(folder)
    job.step = 25
    free = {"bytes": (32 << 20) + 10_000}
    monkeypatch.setattr(room, "free_bytes", lambda _: free["bytes"])
    room.make_room(job, root, 9_000, None)
    with pytest.raises(JobError, match="the checkpoint of step 25 needs about 32 MiB, and 32 MiB are free"):
        room.make_room(job, root, 10_000, None)

    for step in (5, 10, 15):
        checkpoint(root, step)
    path = checkpoint(root, 20, sealed=False)
    checkpoints.seal(path, {"step": 20, "best": {"step": 10, "loss": 1.0}})
    (root / ".bad-checkpoint-17").mkdir()
    size = checkpoints.size(path)
    assert size == sum(file.stat().st_size for file in path.iterdir() if file.name != "MANIFEST.json")
    room.make_room(job, root, 10**12, 25)
    assert checkpoints.steps(root) == [5, 10, 15, 20], "the last one's size counts, and there is room for it"
    # The best so far is not saved yet: until it is, that of step 10 stays.
    free["bytes"] = size
    with pytest.raises(JobError, match="needs about") as caught:
        room.make_room(job, root, 0, 25)
    assert (caught.value.kind, checkpoints.steps(root)) == ("disk_full", [10, 20])
    assert (
        "step 20, its last sealed checkpoint" in str(caught.value.hint) and not (root / ".bad-checkpoint-17").exists()
    )
    (told,) = [event["message"] for event in read_jsonl(folder / "events.jsonl")[0]]
    assert "checkpoint-5, checkpoint-15, .bad-checkpoint-17" in told


def test_bad_checkpoints_are_put_aside_and_the_newest_whole_one_is_used(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    checkpoint(tmp_path, 10)
    (checkpoint(tmp_path, 100) / "optimizer.pt").unlink()
    checkpoint(tmp_path, 110, sealed=False)
    said: list[str] = []
    found = checkpoints.newest_good(tmp_path, lambda _, message: said.append(message))
    assert found == tmp_path / "checkpoint-10"
    assert [line[:37] for line in said] == [
        "The checkpoint of step 110 is not use",
        "The checkpoint of step 100 is not use",
    ]
    assert (tmp_path / ".bad-checkpoint-100").is_dir() and (tmp_path / ".bad-checkpoint-110").is_dir()
    assert checkpoints.newest_good(tmp_path / "none", lambda *_: None) is None


def test_rotation_keeps_the_last_and_the_best(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20, 25):
        checkpoint(tmp_path, step)
    # Killed while it removed one, and while it saved one: the former goes, the latter is looked at on resume.
    checkpoint(tmp_path, 7, sealed=False)
    checkpoint(tmp_path, 30, sealed=False)
    checkpoints.rotate(tmp_path, 2, best=10)
    assert checkpoints.steps(tmp_path) == [10, 20, 25, 30]


def test_export_leaves_out_what_only_a_resume_needs(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoints", 5)
    target = tmp_path / "adapter"
    target.mkdir()
    (target / "old").write_text("of an earlier export")
    checkpoints.export(source, target)
    assert sorted(path.name for path in target.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_commands_are_taken_once_also_across_attempts(folder: Path) -> None:
    job = Job(folder)
    job.look()
    write_json(folder / "inbox.json", {"seq": 1, "commands": [{"id": "a", "command": "checkpoint"}]})
    job.look()
    assert job.take("checkpoint") and not job.take("checkpoint") and not job.stop_asked
    write_json(
        folder / "inbox.json",
        {"seq": 2, "commands": [{"id": "a", "command": "checkpoint"}, {"id": "b", "command": "stop"}]},
    )
    with pytest.raises(Stopped):
        job.check_stop()
    assert not job.take("checkpoint")
    taken = [event for event in read_jsonl(folder / "events.jsonl")[0] if event["event"] == "command"]
    assert [event["id"] for event in taken] == ["a", "b"]
    # The inbox still holds the stop when the run is resumed: it has been obeyed already.
    Job(folder, attempt=2).check_stop()


def test_damaged_inbox_is_no_command(folder: Path) -> None:
    job = Job(folder)
    for content in (b"", b"[1]", b'{"commands": {"stop": 1}}', b'{"commands": ["stop"]}', b"\x00\xff"):
        (folder / "inbox.json").write_bytes(content)
        job.check_stop()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (DiapasonError("no", where="f:1", hint="do"), "refused", "f:1: no"),
        (JobError("nonfinite_loss", "the loss became nan"), "nonfinite_loss", "the loss became nan"),
        (MemoryError(), "host_oom", "the machine ran out of memory"),
        (OSError(errno.ENOSPC, "No space left", "x/events.jsonl"), "disk_full", "the disk is full: x/events.jsonl"),
        (KeyError("labels"), "crash", "KeyError: 'labels'"),
    ],
)
def test_failures_are_named(error: BaseException, kind: str, words: str) -> None:
    record = describe(error)
    assert (record["kind"], record["message"]) == (kind, words)
    assert (record["traceback"] is None) == isinstance(error, DiapasonError)


def test_gpu_memory_running_out_is_named() -> None:
    torch_like = type("OutOfMemoryError", (RuntimeError,), {})
    record = describe(torch_like("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert record["kind"] == "gpu_oom"
    assert "micro_batch_size" in record["hint"]


def run_engine(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core.engine", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_engine_says_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    missing = run_engine(str(tmp_path))
    assert missing.returncode == 1
    assert "spec.json is missing or damaged" in missing.stderr and "Traceback" not in missing.stderr
    assert run_engine().returncode == 2

    write_json(tmp_path / "spec.json", {"kind": "dance"})
    unknown = run_engine(str(tmp_path), DIAPASON_ATTEMPT="3")
    assert unknown.returncode == 1 and "there is no job of the kind `dance`" in unknown.stderr
    record = read_json(tmp_path / "exit.3.json")
    assert record["status"] == "failed" and record["error"]["kind"] == "refused"
    ends = [event for event in read_jsonl(tmp_path / "events.jsonl")[0] if event["event"] == "end"]
    assert [event["status"] for event in ends] == ["failed"]


def test_a_completed_job_is_not_done_again(tmp_path: Path) -> None:
    write_json(tmp_path / "spec.json", {"kind": "dance"})
    write_json(tmp_path / "exit.1.json", {"status": "completed"})
    done = run_engine(str(tmp_path), DIAPASON_ATTEMPT="2")
    assert done.returncode == 0
    assert read_json(tmp_path / "exit.2.json")["status"] == "completed"
    assert (tmp_path / "events.jsonl").read_bytes() == b""


def test_cut_rows_are_told_from_lost_ones(tmp_path: Path) -> None:
    from core.chat import load_chat
    from core.engine.encode import describe_cuts, encode_file
    from tests.tiny import make_tiny_model
    from tests.training import chat_rows, write_jsonl

    chat = load_chat(make_tiny_model(tmp_path / "model"))
    rows = chat_rows(3)
    rows[1]["messages"][0]["content"] = "Where? " * 200
    rows[2]["messages"][1]["content"] = "There! " * 200
    path = write_jsonl(tmp_path / "train.jsonl", rows)
    data = encode_file(chat, path, "chat", max_length=100, loss="all-answers")
    assert [row.line for row in data.rows] == [1, 3]
    assert (data.cut, data.left_out) == ([2, 3], [2])
    assert describe_cuts(data, 100) == [
        "1 of 3 rows are longer than 100 tokens and were cut there.",
        "1 rows are left out: their answer begins after 100 tokens (lines 2).",
    ]
    whole, cut = data.rows
    assert whole.labels[-2] == chat.turn_end_id and cut.loss_tokens == int((cut.labels != -100).sum())
    assert len(cut.input_ids) == 100

    with pytest.raises(JobError, match="every row is cut before its answer begins"):
        encode_file(chat, path, "chat", max_length=8, loss="all-answers")
    turns = rows[0]["messages"]
    silent: list[dict[str, Any]] = [*rows, {"messages": [*turns, *({**turn, "weight": 0} for turn in turns[-2:])]}]
    path = write_jsonl(tmp_path / "silent.jsonl", silent)
    with pytest.raises(JobError) as caught:
        encode_file(chat, path, "chat", max_length=100, loss="last-answer")
    assert caught.value.where == f"{path}:4"


def test_every_file_of_a_job_is_json(folder: Path) -> None:
    job = Job(folder)
    job.emit("eval", loss=float("nan"), step=0)
    job.end("completed")
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["eval", "end"]
    assert json.loads(lines[0])["loss"] is None
    assert job.finished()
