"""Run folders as readers see them: names, liveness, the view over growing, torn and restarted files."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DiapasonError
from core.files import JsonlWriter, Lock, write_json
from core.home import runs_dir
from core.runs.commands import acknowledgement, send
from core.runs.document import details, summary
from core.runs.folder import RunFolder, find_run, list_runs, short_id, slug
from core.runs.process import identify, is_alive, start_time
from core.runs.series import Series
from core.runs.status import status_of
from core.runs.tail import Tail, last_lines, last_object
from core.runs.view import RunView
from tests.fake_run import make_run, write_events


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def test_runs_are_found_by_id_prefix_name_and_last() -> None:
    with pytest.raises(DiapasonError, match="no runs yet"):
        find_run("last")
    voice, other = make_run(name="Brand voice", steps=1), make_run(name="intents", steps=1)
    assert list_runs() == [other, voice]
    assert find_run("last") == other
    for text in (voice.id, voice.id[:-3], "brand voice", "Brand", voice.id.upper()):
        assert find_run(text) == voice
    assert find_run(short_id(voice, list_runs())) == voice
    assert find_run(str(voice.path)) == voice
    with pytest.raises(DiapasonError, match="names 2 runs"):
        find_run(os.path.commonprefix([voice.id, other.id]))
    with pytest.raises(DiapasonError) as caught:
        find_run("intentz")
    assert "intents" in str(caught.value.hint)


@pytest.mark.parametrize("bad", ["", "../..", "/", "\x1b[2J", "*"])
def test_a_name_that_names_nothing_is_an_error(bad: str) -> None:
    make_run(steps=1)
    with pytest.raises(DiapasonError):
        find_run(bad)


@given(st.text(max_size=80))
def test_slugs_are_safe_folder_names(text: str) -> None:
    made = slug(text)
    assert 0 < len(made) <= 40 and set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not made.startswith("-") and not made.endswith("-")


def test_a_damaged_spec_is_said_and_hides_no_other_run() -> None:
    good, bad = make_run(steps=1), make_run(steps=1)
    bad.spec_file.write_text("{")
    assert {run.id for run in list_runs()} == {good.id, bad.id}
    with pytest.raises(DiapasonError, match=r"spec\.json is missing or damaged"):
        RunFolder(bad.path).spec()
    assert RunView(RunFolder(bad.path)).name == "support-voice"


def test_status_comes_from_locks_and_processes() -> None:
    folder = make_run(status="running", steps=5)
    assert status_of(folder) == "interrupted" and "resume" in str(RunView(folder).hint)
    with Lock(folder.lock_file):
        assert status_of(folder) == "running"
    state = folder.state()
    write_json(folder.state_file, {**state, "job": identify(os.getpid())})
    assert status_of(folder) == "unsupervised"
    write_json(folder.state_file, {**state, "job": {**identify(os.getpid()), "start": 1}})
    assert status_of(folder) == "interrupted", "another process has the job's number now"
    write_json(folder.state_file, {**state, "job": {**identify(os.getpid()), "boot_id": "before"}})
    assert status_of(folder) == "interrupted", "the machine was restarted"
    write_json(folder.state_file, {**state, "status": "stopped"})
    assert status_of(folder) == "stopped"


def test_a_zombie_is_dead() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert start_time(pid) is None and not is_alive({**identify(os.getpid()), "pid": pid})
    os.waitpid(pid, 0)


def test_the_view_shows_a_completed_run() -> None:
    folder = make_run(steps=40, every=10)
    view = RunView(folder)
    assert (view.status, view.step, view.total_steps, view.eta_seconds) == ("completed", 40, 40, None)
    assert view.steps.step == list(range(1, 41)) and view.best is not None and view.best[0] == 30
    assert len(view.evals) == len(view.checkpoints) == 4 and len(view.samples) == 15
    assert view.elapsed_seconds == pytest.approx(20)
    assert view.preflight and view.preflight["longest_tokens"] == 212
    assert view.log_tail(2) == ["39/40 loss 0.9622", "40/40 loss 0.9219"]
    assert view.refresh() is False
    failed = RunView(make_run(status="failed", steps=2, reason="it broke", hint="`diapason logs RUN` says more."))
    assert failed.reason == "it broke" and failed.hint == f"`diapason logs {failed.id}` says more."


def test_the_view_grows_with_the_run_and_forgets_what_a_restart_repeats() -> None:
    folder = make_run(steps=25, status="running", every=10)
    with Lock(folder.lock_file):
        view = RunView(folder)
        assert view.status == "running" and view.eta_seconds == pytest.approx(7.5)
        write_events(folder, first=21, steps=32, total_steps=40, attempt=2)
        assert view.refresh() and not view.refresh()
    assert view.steps.step == list(range(1, 33)) and view.restarts == [20]
    assert [row["step"] for row in view.evals] == [10, 20, 30]
    assert view.refresh() and view.status == "interrupted"


def test_torn_lines_and_nonsense_are_passed_over() -> None:
    folder = make_run(steps=3, status="running")
    view = RunView(folder)
    with folder.events.open("ab") as handle:
        handle.write(b'\0\0\0\0\n[1]\nnull\n{"event":"step","step":"x","loss":"NaN","m":null}\n{"event":"eval"}\n')
        handle.write(b'{"event":"step","step":4,"lo')
    view.refresh()
    assert view.best is None and len(view.steps) == 1, "a step that is no number counts as step 0"
    writer = JsonlWriter(folder.events)
    writer.write({"event": "step", "step": 5, "loss": None, "t": 1.0, "m": 2.0})
    view.refresh()
    assert view.steps.step[-1] == 5 and math.isnan(view.steps.loss[-1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none()), max_size=20), st.data())
def test_a_tail_read_in_any_pieces_gives_every_object_once(
    rows: list[dict[str, object]], data: st.DataObject
) -> None:
    path = runs_dir() / "tail.jsonl"
    path.unlink(missing_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    tail, found, at = Tail(path), [], 0
    while at < len(content):
        size = data.draw(st.integers(1, len(content) - at))
        with path.open("ab") as handle:
            handle.write(content[at : at + size])
        at += size
        found += tail.read()
    assert found == rows


def test_a_tail_over_more_than_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps({"n": n, "pad": "x" * 300}) + "\n" for n in range(3000)))
    tail = Tail(path)
    assert [row["n"] for row in tail.read()] == list(range(3000)) and list(tail.read()) == []


def test_the_end_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_lines(path, 5) == [] and last_object(path) is None
    path.write_bytes(b"one\n  0%|  | 0/9\r 50%|# | 5/9\r100%|##| 9/9\nh\xff\x1b[2J\r\nlast")
    assert last_lines(path, 3) == ["100%|##| 9/9", "h\ufffd\x1b[2J", "last"]
    path.write_bytes(b'{"a":1}\n{"a":2}\n{"a":')
    assert last_object(path) == {"a": 2}


def test_series_replaces_repeated_steps() -> None:
    series = Series()
    for step in (1, 2, 3, 2, 3, 4):
        series.add({"step": step, "loss": step / 10, "grad_norm": True})
    assert series.step == [1, 2, 3, 4] and series.loss == [0.1, 0.2, 0.3, 0.4]
    assert all(math.isnan(value) for value in series.grad_norm)


def test_commands_wait_for_their_runner() -> None:
    folder = make_run(steps=5, status="running")
    with pytest.raises(DiapasonError, match="it is interrupted"):
        send(folder, "stop")
    with Lock(folder.lock_file):
        command = send(folder, "stop", who="../../ada")
        (path,) = folder.control.iterdir()
        assert path.name == f"{command}.json" and "ada" in command and "/" not in command
        with pytest.raises(DiapasonError, match="no command"):
            send(folder, "format-disk")
    assert acknowledgement(folder, command) is None
    JsonlWriter(folder.runner_events).write({"event": "command", "id": command, "result": "yes"})
    assert (acknowledgement(folder, command) or {})["result"] == "yes"
    with pytest.raises(DiapasonError, match="it is completed"):
        send(make_run(steps=1), "stop")


def test_documents_are_whole_and_are_json() -> None:
    folder = make_run(steps=12, every=5)
    JsonlWriter(folder.events).write({"event": "step", "step": 13, "loss": float("nan"), "t": 1.0, "m": 2.0})
    make_run(name="evaluation", parent=folder.jobs_folder, steps=1)
    document = details(RunView(folder))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema"] == 1 and document["steps"][-1] == {
        "step": 13, "loss": None, "learning_rate": None, "grad_norm": None, "tokens_per_second": None,
        "mfu": None, "seconds": None, "split": None,
    }  # fmt: skip
    assert [job["name"] for job in document["jobs"]] == ["evaluation"] and "t" not in document["evals"][0]
    assert summary(RunView(folder))["best"] == {"step": 10, "loss": pytest.approx(document["evals"][-1]["loss"])}
