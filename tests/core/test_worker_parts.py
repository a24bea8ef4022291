"""The runner's pure parts: judging an end, choosing a card, the machine's locks."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DiapasonError
from core.files import JsonlWriter, is_locked, new_ulid
from core.runs.folder import RunFolder
from core.worker import cards as cards_module
from core.worker.cards import Card, cards
from core.worker.progress import Progress
from core.worker.queue import Request, Ticket, between, check_locks, place_at, waiting
from core.worker.shrink import smaller_batch
from core.worker.slots import Slot, locks_dir
from core.worker.verdict import judge, oom_kills
from tests.runs_help import queue_run

A = Card(0, "GPU-aaaa-1", "NVIDIA H200", 140 << 30)
B = Card(1, "GPU-bbbb-2", "NVIDIA L4", 22 << 30)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DIAPASON_LOCKS", str(tmp_path / "locks"))


def _judge(record: dict[str, Any] | None = None, code: int | None = 0, **values: Any) -> Any:
    return judge(record, code, **{"oom_killed": False, "tail": [], "asked": None, **values})


def test_the_jobs_own_record_is_trusted_first() -> None:
    assert _judge({"status": "completed"}, -11).status == "completed"
    assert _judge({"status": "stopped"}, 1).status == "stopped"
    for kind, again in (("crash", False), ("disk_full", False), ("gpu_oom", True), ("gpu_lost", True)):
        failed = _judge({"status": "failed", "error": {"kind": kind, "message": "no room", "hint": "halve it"}})
        assert failed == ("failed", kind, "no room", "halve it", again)
    assert _judge({"status": "failed", "error": None}, 1).reason
    assert _judge({"status": "mystery"}, -9).retry


def test_signals_are_tried_again_and_exit_codes_are_not() -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGTERM):
        verdict = _judge(None, -number)
        assert verdict.retry and verdict.status == "failed" and number.name in verdict.reason
    memory = _judge(None, -9, oom_killed=True)
    assert memory.kind == "host_oom" and "memory" in memory.reason and memory.retry
    assert _judge(None, -11, oom_killed=True).kind == "signal"
    assert _judge(None, None).retry
    crashed = _judge(None, 3, tail=["x", "Killed by me", " "])
    assert not crashed.retry and "Killed by me" in crashed.reason
    assert not _judge(None, 0).retry


def test_what_was_asked_for_is_a_stop_however_it_ended() -> None:
    for asked in ("stop", "kill"):
        verdict = _judge(None, -9, asked=asked)
        assert verdict.status == "stopped" and not verdict.retry
    assert _judge({"status": "failed", "error": {"message": "disk full"}}, 1, asked="stop").status == "failed"


def test_a_pause_is_no_end() -> None:
    assert _judge({"status": "stopped"}, 0, asked="pause").status == "paused"
    assert _judge(None, -9, asked="pause").status == "paused"
    assert _judge({"status": "completed"}, 0, asked="pause").status == "completed"
    assert _judge({"status": "failed", "error": {"kind": "crash"}}, 1, asked="pause").status == "failed"


@pytest.mark.parametrize(
    ("micro", "accumulation", "wanted"),
    [
        (8, 2, (4, 4)),
        (6, 1, (3, 2)),
        (3, 4, (1, 12)),
        (9, 1, (3, 3)),
        (7, 2, (1, 14)),
        (1, 16, None),
        (None, 4, None),
    ],
)
def test_a_smaller_batch_keeps_the_effective_one(micro: Any, accumulation: int, wanted: Any) -> None:
    assert smaller_batch({"micro_batch": micro, "accumulation": accumulation}) == wanted


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_a_place_in_the_queue_is_always_found(places: list[int]) -> None:
    order = sorted(new_ulid() for _ in range(6))
    for place in places:
        moved = order.pop(place % len(order))
        at = min(len(order), place - 1)
        name = between(order[at - 1] if at else "", order[at] if at < len(order) else None)
        order.insert(at, name)
        assert order == sorted(order) and len(set(order)) == len(order), (moved, name)


def test_out_of_memory_kills_are_counted_in_our_cgroup(tmp_path: Path) -> None:
    assert oom_kills() >= 0
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    assert oom_kills(tmp_path) == 7
    group = tmp_path / "sys/fs/cgroup/user/job"
    group.mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/user/job\n")
    (group / "memory.events").write_text("low 0\noom 2\noom_kill 3\noom_group_kill 0\n")
    assert oom_kills(tmp_path) == 3
    old = tmp_path / "sys/fs/cgroup/memory/docker"
    old.mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("9:cpu:/x\n4:memory:/docker\n")
    (old / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert oom_kills(tmp_path) == 4


@pytest.mark.parametrize(
    ("request_values", "seen", "wanted"),
    [
        ({"device": "cpu"}, [A, B], ["cpu"]),
        ({}, [], ["cpu"]),
        ({"bytes": 30 << 30}, [B, A], [A.uuid]),
        ({"bytes": 200 << 30}, [A, B], []),
        ({"visible": "1"}, [A, B], [B.uuid]),
        ({"visible": "GPU-bb"}, [A, B], [B.uuid]),
        ({"visible": ""}, [A, B], ["cpu"]),
        ({"visible": "MIG-77"}, [A, B], ["MIG-77"]),
        (None, [A, B], [A.uuid, B.uuid]),
    ],
)
def test_a_request_names_the_slots_that_would_do(request_values: Any, seen: list[Card], wanted: list[str]) -> None:
    assert Request(request_values).slots(seen) == wanted


def _ticket(**request: Any) -> Ticket:
    return Ticket(queue_run(gpu_request=request))


def test_cards_are_given_in_turn_and_a_small_run_passes_a_large_one_where_it_may() -> None:
    large, small, cpu = _ticket(bytes=100 << 30), _ticket(bytes=1 << 30), _ticket(device="cpu")
    busy = Slot(A.uuid)
    assert busy.acquire()
    slot, why = large.choose([A, B])
    assert slot is None and "NVIDIA H200" in why and f"process {os.getpid()}" in why
    slot, _ = small.choose([A, B])
    assert slot is not None and slot.name == B.uuid, "the large run cannot use the L4"
    slot, _ = cpu.choose([A, B])
    assert slot is not None and slot.name == "cpu"
    later = _ticket(bytes=1 << 30)
    busy.release()
    slot, why = later.choose([A])
    assert slot is None and "before it in the queue" in why
    slot, _ = large.choose([A, B])
    assert slot is not None and slot.name == A.uuid


def test_a_card_that_somebody_else_uses_is_not_taken() -> None:
    ticket = _ticket(bytes=1 << 30)
    slot, why = ticket.choose([A._replace(user="ada (process 7)")])
    assert slot is None and "ada (process 7) uses it" in why
    slot, _ = ticket.choose([A._replace(user="ada (process 7)"), B])
    assert slot is not None and slot.name == B.uuid


def test_a_run_too_large_for_every_card_is_told_so() -> None:
    with pytest.raises(DiapasonError, match=r"needs about 200\.0 GiB"):
        _ticket(bytes=200 << 30).choose([A, B])


def test_cards_are_measured_by_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child prints what NVML says; here a stand-in prints it, one that hangs, and one that fails."""
    gib, whole = 1 << 30, 80 << 30
    printed = [
        {"index": 0, "uuid": "GPU-a", "name": "A", "memory_total": whole, "memory_free": 79 * gib, "processes": []},
        {"index": 1, "uuid": "GPU-b", "name": "B", "memory_total": whole, "memory_free": 40 * gib, "processes": []},
        {"index": 2, "uuid": "GPU-c", "name": "C", "memory_total": whole, "memory_free": 60 * gib,
         "processes": [[7, "ada", 20 * gib], [9, "", 1]]},
        {"index": 3, "uuid": "GPU-d", "name": "D", "memory_total": 8 * gib, "memory_free": 5 * gib,
         "processes": [[8, "bob", 100 << 20]]},
    ]  # fmt: skip
    script = tmp_path / "child.py"
    monkeypatch.setattr(cards_module, "has_card", lambda: True)
    monkeypatch.setattr(cards_module, "python", lambda *_: [sys.executable, str(script)])
    script.write_text(
        f"import json, os\nassert 'CUDA_VISIBLE_DEVICES' not in os.environ\nprint(json.dumps({printed!r}))"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [card.user for card in cards()] == ["", "somebody (40.0 GiB in use)", "ada (process 7)", ""]
    monkeypatch.setattr(cards_module, "_SECONDS", 0.2)
    script.write_text("import time\ntime.sleep(60)")
    assert cards() == []
    script.write_text("raise SystemExit(3)")
    assert cards() == []


def test_the_machines_locks_are_for_every_user() -> None:
    slot = Slot("GPU-../../x")
    assert slot.acquire() and slot.path.parent == locks_dir() and is_locked(slot.path)
    assert stat.S_IMODE(locks_dir().stat().st_mode) == 0o1777
    assert stat.S_IMODE(slot.path.stat().st_mode) == 0o666
    other = Slot("GPU-../../x")
    assert not other.acquire() and f"process {os.getpid()}" in other.holder()
    slot.path.unlink()
    assert other.acquire(), "a cleaner removed the file: the slot is free to who makes it anew"
    slot.release()
    assert is_locked(other.path)


def test_locks_that_do_not_work_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_locks()
    monkeypatch.setattr("core.worker.queue.is_locked", lambda _: False)
    with pytest.raises(DiapasonError, match="second holder"):
        check_locks()

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("core.files.fcntl.flock", refuse)
    with pytest.raises(DiapasonError, match="No locks available"):
        check_locks()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DIAPASON_LOCKS", str(tmp_path / "file"))
    with pytest.raises(DiapasonError, match="folder"):
        locks_dir()


def test_a_job_that_could_not_write_its_verdict_on_a_full_disk() -> None:
    assert _judge(None, 1, full=True)[:3] == ("failed", "disk_full", "the disk is full")
    assert _judge(None, 1).kind == "crash" and _judge({"status": "completed"}, 0, full=True).status == "completed"


def test_two_that_are_moved_to_one_place_get_places_side_by_side() -> None:
    first, second, third, fourth = (_ticket(device="cpu") for _ in range(4))
    folders = [item.folder for item in waiting()]
    wanted = [place_at(folders[2], 2), place_at(folders[3], 2)]
    assert wanted[0] == wanted[1]
    for name, ticket in zip(wanted, (third, fourth), strict=True):
        ticket.move(name)
    assert [item.folder for item in waiting()] == [folders[0], folders[3], folders[2], folders[1]]
    for ticket in (first, second, third, fourth):
        ticket.leave()
    assert waiting() == []


def test_the_last_sealed_step_is_that_which_was_gone_on_from(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    writer, progress = JsonlWriter(folder.events), Progress(folder)
    told: list[int] = []
    for event in (
        {"event": "start", "total_steps": 9, "resumed_from": None},
        {"event": "checkpoint", "step": 2},
        {"event": "checkpoint", "step": 4},
        {"event": "start", "total_steps": 9, "resumed_from": 2},
        {"event": "checkpoint", "step": 3},
    ):
        writer.write(event)
        progress.refresh()
        told.append(progress.sealed)
    writer.close()
    assert told == [0, 2, 4, 2, 3]


def test_a_card_that_our_run_has_just_left_is_kept_for_the_pair_that_waits() -> None:
    pair, single = _ticket(bytes=1 << 30, gpus=2), _ticket(bytes=1 << 30)
    busy = Slot(A.uuid)
    assert busy.acquire()
    assert pair.choose([A._replace(user="ada (process 7)"), B])[0] is None
    busy.release()
    # The sample still shows the run that has just left.
    old = [A._replace(user="ada (process 7)"), B]
    slots, why = single.choose(old)
    assert slots is None and "before it in the queue" in why
    slots, _ = pair.choose([A, B])
    assert slots is not None
