"""The copies of a run, with real runners: after each checkpoint, at the end, slow ones, failing ones."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import DiapasonError, UsageError
from core.files import is_locked, read_json, read_jsonl
from core.home import home, runs_dir
from core.mirroring import mirror_of
from core.runs.commands import send, wait_for
from core.runs.folder import RunFolder
from core.settings import Settings
from core.worker.launch import launch
from core.worker.mirror import command_line
from core.worker.recover import resume
from tests.runs_help import fake_home, queue_run, settled, status, wait
from tui.cli import run as cli

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


def mirror(folder: RunFolder) -> dict[str, Any]:
    return folder.state().get("mirror") or {}


def notes(folder: RunFolder) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(folder.runner_events)[0] if record["event"] == "mirror"]


def end(folder: RunFolder) -> str:
    wait(lambda: settled(folder), 30, "the end of the run")
    return status(folder)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    path = tmp_path / "else where"
    path.mkdir()
    return path


def copying(elsewhere: Path) -> str:
    """A mirror that is a command: a copy of the whole folder, and a line for each call.

    Unlike rsync, cp fails of a temporary file that goes away under its hands: here it may.
    """
    place = shlex.quote(str(elsewhere))
    return f"echo {{id}} >> {place}/calls; mkdir -p {place}/{{id}} && {{ cp -a {{run}}/. {place}/{{id}}/ || :; }}"


def test_a_run_is_copied_after_checkpoints_and_at_its_end(elsewhere: Path) -> None:
    folder = queue_run({"steps": 60, "seal": 20, "pause": 0.05}, name="it's copied", mirror=copying(elsewhere))
    launch(folder)
    there = elsewhere / folder.id
    wait(lambda: (there / "checkpoints/checkpoint-20/MANIFEST.json").exists(), what="the first copy")
    assert status(folder) == "running"
    wait(lambda: mirror(folder).get("status") == "ok")
    assert mirror(folder)["step"] >= 20 and mirror(folder)["reason"] is None
    assert end(folder) == "completed"
    assert (read_json(there / "state.json") or {})["status"] == "completed"
    assert (mirror(folder)["status"], mirror(folder)["step"]) == ("ok", 60)
    assert all(record["status"] == "ok" for record in notes(folder))
    assert set((elsewhere / "calls").read_text().split()) == {folder.id}


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_rsync_copies_all_but_what_is_the_runners_own(elsewhere: Path) -> None:
    target = mirror_of(str(elsewhere), Settings())
    folder = queue_run({"steps": 30, "seal": 10}, mirror=target)
    (folder.path / "half.tmp").write_text("")
    launch(folder)
    assert end(folder) == "completed" and mirror(folder)["status"] == "ok"
    there = elsewhere / folder.id
    assert (read_json(there / "state.json") or {})["status"] == "completed"
    assert (there / "checkpoints/checkpoint-30/MANIFEST.json").exists() and (there / "logs").is_dir()
    assert not any((there / name).exists() for name in ("runner.lock", "control", "inbox.json", "half.tmp"))


def test_a_failing_mirror_warns_and_the_run_completes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_BACKOFF_SECONDS", "0.01")
    line = "echo '\033[2Jno room' >&2; exit 9 # {run}"
    folder = queue_run({"steps": 40, "seal": 10}, mirror=line)
    launch(folder)
    assert end(folder) == "completed"
    assert mirror(folder)["status"] == "failing" and "ended with code 9: \033[2Jno room" in mirror(folder)["reason"]
    assert len(notes(folder)) >= 3 and all(record["status"] == "failing" for record in notes(folder))
    assert cli(["show", folder.id]) == 0
    shown = capsys.readouterr().out
    assert "mirror      fails: the copy ended with code 9: ␛[2Jno room" in shown and "\033" not in shown
    assert cli(["show", folder.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mirror"]["status"] == "failing"


def test_a_mirror_that_works_again_is_used_again(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_BACKOFF_SECONDS", "0.02")
    place = shlex.quote(str(elsewhere))
    folder = queue_run({"steps": 400, "seal": 5}, mirror=f"test -e {place}/mounted && touch {place}/{{id}} # {{run}}")
    launch(folder)
    wait(lambda: mirror(folder).get("status") == "failing")
    (elsewhere / "mounted").touch()
    wait(lambda: mirror(folder).get("status") == "ok")
    assert status(folder) == "running" and (elsewhere / folder.id).exists()
    send(folder, "kill")
    end(folder)


def test_a_slow_mirror_delays_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = queue_run({"steps": 10000, "seal": 2, "pause": 0.02}, mirror="sleep 6 # {run}")
    launch(folder)
    wait(lambda: mirror(folder).get("status") == "copying")
    begun = time.monotonic()
    assert wait_for(folder, send(folder, "checkpoint"), 10)
    send(folder, "stop")
    wait(lambda: status(folder) == "stopped", 10)
    assert time.monotonic() - begun < 4 and is_locked(folder.lock_file)
    monkeypatch.setattr("core.worker.recover._LEAVING", 0.2)
    with pytest.raises(DiapasonError, match="copies the run to its mirror"):
        resume(folder)
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)


def test_a_copy_that_does_not_move_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_MIRROR_SECONDS", "0.5")
    monkeypatch.setenv("DIAPASON_BACKOFF_SECONDS", "0.01")
    folder = queue_run({"steps": 5, "seal": 100}, mirror="sleep 600 # {run}")
    launch(folder)
    assert end(folder) == "completed"
    assert "did not move" in mirror(folder)["reason"] and len(notes(folder)) == 3


def test_a_copy_that_moves_slowly_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_MIRROR_SECONDS", "1")
    line = "for n in 1 2 3 4 5 6; do sleep 0.4; head -c 1000 /dev/zero > /dev/null; done # {run}"
    folder = queue_run({"steps": 5, "seal": 100}, mirror=line)
    launch(folder)
    assert end(folder) == "completed" and mirror(folder)["status"] == "ok"


def test_the_copy_of_a_killed_runner_is_not_run_into(elsewhere: Path) -> None:
    place = shlex.quote(str(elsewhere))
    line = f"mkdir {place}/busy && sleep 1; rmdir {place}/busy || exit 1 # {{run}}"
    folder = queue_run({"steps": 10000, "seal": 2, "pause": 0.02}, mirror=line)
    launch(folder)
    wait(lambda: (elsewhere / "busy").exists())
    os.kill(folder.state()["runner"]["pid"], signal.SIGKILL)
    wait(lambda: not is_locked(folder.lock_file))
    launch(folder)
    wait(lambda: [record for record in notes(folder) if record["status"] == "ok"])
    send(folder, "kill")
    end(folder)
    assert all(record["status"] == "ok" for record in notes(folder))


def test_a_job_copies_its_run(elsewhere: Path) -> None:
    job = {"kind": "evaluate", "gpu_request": {"device": "cpu"}, "fake": {"steps": 3}, "mirror": copying(elsewhere)}
    folder = queue_run({"steps": 3}, mirror=copying(elsewhere), then=[job])
    launch(folder)
    end(folder)
    (made,) = folder.jobs()
    wait(lambda: settled(made), 30)
    there = elsewhere / folder.id / "jobs" / made.id
    assert (read_json(there / "state.json") or {})["status"] == "completed" and mirror(made)["status"] == "ok"


def test_what_a_mirror_may_be(tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    own = Settings(mirror="rclone copy {run} far:runs/{id}")
    assert mirror_of(None, Settings()) is None and mirror_of("off", own) is None
    assert mirror_of(None, own) == own.mirror
    with pytest.raises(UsageError, match="rsync, which is not installed") as refused:
        mirror_of(str(elsewhere), own)
    assert "mirror of the recipe" in str(refused.value)
    (tools / "rsync").touch(mode=0o755)
    assert mirror_of(str(elsewhere), own) == str(elsewhere)
    assert mirror_of("anna@box:/backups", own) == "anna@box:/backups"
    for wrong, said in (
        ("backups", "no place"), ("-e sh x:y", "no place"), ("rclone copy x y", "no place"),
        ("cp {id}", "needs {run}"), (str(tmp_path / "none"), "not there"), (str(runs_dir()), "among the runs"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            mirror_of(None, Settings(mirror=wrong))
    assert str(home()) in str(refused.value) or refused.value.hint


def test_the_command_lines() -> None:
    folder = RunFolder("/a b/{id}/01x-it's")
    assert command_line("put {run} {id}", folder) == [
        "/bin/sh",
        "-c",
        "put '/a b/{id}/01x-it'\"'\"'s' '01x-it'\"'\"'s'",
    ]
    line = command_line("box:/backups/", RunFolder("/runs/01x"))
    assert line[:3] == ["rsync", "-a", "--partial"] and line[-3:] == ["--", "/runs/01x/", "box:/backups/01x/"]
