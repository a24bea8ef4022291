"""Crash-safe files: what a torn write leaves behind is never read as data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import JsonlWriter, Lock, is_locked, new_ulid, read_json, read_jsonl, write_atomic, write_json
from core.home import expand


def test_a_torn_last_line_is_held_back_and_then_ended(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2')
    rows, offset = read_jsonl(path)
    assert rows == [{"a": 1}]
    writer = JsonlWriter(path)
    writer.write({"a": 3, "loss": float("nan"), "lone": "\ud800"}, sync=True)
    writer.close()
    rows, offset = read_jsonl(path, offset)
    assert rows[0]["a"] == 3 and rows[0]["loss"] is None
    assert read_jsonl(path, offset) == ([], offset)


def test_nul_blocks_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"\0" * 512 + b'{"a":2}\n\xff\n[1]\n{"a":3}\n')
    assert [row["a"] for row in read_jsonl(path)[0]] == [1, 2, 3]


def test_a_file_that_shrank_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"a":1}\n{"a":2}\n')
    _, offset = read_jsonl(path)
    path.write_text('{"a":9}\n')
    assert read_jsonl(path, offset)[0] == [{"a": 9}]
    assert read_jsonl(tmp_path / "missing.jsonl", 5) == ([], 0)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, {"step": 1, "loss": float("inf")})
    with pytest.raises(TypeError):
        write_json(path, {"step": object()})
    assert read_json(path) == {"step": 1, "loss": None}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]
    write_atomic(path, "not json")
    assert read_json(path) is None


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "runner.lock"
    code = (
        "import sys; from pathlib import Path; from core.files import Lock; lock = Lock(Path(sys.argv[1]));"
        "print(lock.acquire(), flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "True\n"
    assert is_locked(path)
    assert not Lock(path).acquire()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert not is_locked(path)
    with Lock(path) as lock:
        assert is_locked(path)
        assert lock.acquire()
    assert not is_locked(path)


def test_identifiers_sort_by_time() -> None:
    first = new_ulid()
    assert len(first) == 26 and first == first.lower()
    assert json.dumps(first)
    later = new_ulid()
    assert first[:10] <= later[:10] and first != later


def test_a_full_disk_is_an_error_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    code = (
        "import resource, signal, sys; from pathlib import Path; from core.files import JsonlWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "writer = JsonlWriter(Path(sys.argv[1])); writer.write({'a': 1})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (15, resource.RLIM_INFINITY))\n"
        "try: writer.write({'a': 'lost'})\n"
        "except OSError as error: print(error.strerror)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "writer.write({'a': 3}, sync=True)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "No space left on device\n"
    assert [row["a"] for row in read_jsonl(path)[0]] == [1, 3]


def test_a_user_that_does_not_exist_is_part_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert expand("~/x") == Path("/home/ann/x") and expand("~nosuchuser1/x") == Path("~nosuchuser1/x")
