"""Reports, cleaning up, watching: what the commands about a finished run write, list and remove."""

from __future__ import annotations

import json
import math
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.files import JsonlWriter, Lock, write_json
from core.home import cache_dir
from core.report.curves import COLUMNS, Line, curves
from core.runs.folder import RunFolder
from core.runs.usage import usage
from core.runs.view import RunView
from tests.fake_run import add_result, make_run
from tests.tui.fake_result import fake_answers, fake_result
from tui.cli import run
from tui.commands.watch import line

EVIL = "<script>alert(1)</script> [bold] \x1b]52;c;eA==\x07 | `x` ![](http://evil) ```"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DIAPASON_LOCKS", str(tmp_path / "locks"))


def evil_run() -> RunFolder:
    folder = make_run(name=EVIL[:60], reason=EVIL)
    add_result(folder, fake_result(), fake_answers(12))
    JsonlWriter(folder.samples).write(
        {"step": 40, "index": 0, "prompt": [{"role": "user", "content": EVIL}], "answer": EVIL}
    )
    (folder.path / "data").mkdir()
    (folder.path / "data" / "card.md").write_text(f"# Card\n{EVIL}\n")
    writer = JsonlWriter(folder.path / "gpu.jsonl")
    for number in range(5):
        card = {"index": 0, "memory_used": 3 << 30, "power_w": 200.0 + 100 * (number % 2)}
        writer.write({"m": 1e9 + 5.0 * number, "gpus": [card], "job": {"rss": 1 << 30}})
    writer.write({"m": 1e9 + 10_000.0, "gpus": [], "job": None})
    return folder


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_a_report_holds_everything_and_nothing_in_it_acts(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil_run()
    out = tmp_path / f"report{suffix}"
    assert run(["report", "last", "-o", str(out), "--price", "2.5"]) == 0, capsys.readouterr()
    text = out.read_text()
    for said in ("kWh", "validation loss", "answer loss", "method", "torch", "2.13.0", "an hour", "name:", "Card"):
        assert said in text, said
    assert "\x1b" not in text and "\x07" not in text
    if suffix == ".html":
        assert "<script" not in text and "src=" not in text and "http://evil" in text and "Content-Security" in text
        assert text.count("<svg") == 4
    else:
        outside = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", text)
        assert (
            not re.search(r"(?<!\\)<script", outside)
            and "![](" not in outside
            and text.count("data:image/svg+xml") == 4
        )
    assert run(["report", "last", "-o", str(out)]) == 2 and "is there already" in capsys.readouterr().err
    assert run(["report", "last", "-o", str(tmp_path / "x.pdf")]) == 2
    assert run(["report", "last", "-o", str(tmp_path / "no" / "x.md")]) == 1
    assert run(["report", "nothing", "-o", str(tmp_path / "x.md")]) == 1


def test_step_time_mfu_and_trackers_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, unknown = make_run(name="known", mfu=0.341), make_run(name="unknown")
    spec = json.loads(known.spec_file.read_text())
    write_json(known.spec_file, {**spec, "report_to": ["tensorboard", "wandb", "trackio"]})
    assert run(["show", "known"]) == 0
    out = capsys.readouterr().out
    assert "step time   data 2 %, forward 30 %, backward 58 %, optimizer 8 %, other 2 %" in out
    assert "mean MFU    34.1 %" in out and f"tensorboard --logdir {known.path}/tensorboard" in out
    assert f"run {known.id}" in out and "trackio show --project diapason" in out
    assert "MFU 34.1 %" in line(RunView(known)) and "MFU" not in line(RunView(unknown))
    assert run(["show", "unknown"]) == 0 and "MFU" not in capsys.readouterr().out
    said = {}
    for name in ("known", "unknown"):
        assert run(["report", name, "-o", str(tmp_path / f"{name}.md")]) == 0
        said[name] = (tmp_path / f"{name}.md").read_text()
    assert "34.1 %" in said["known"] and "backward 58.0 %" in said["known"]
    assert "it needs a known card" in said["unknown"] and "backward 58.0 %" in said["unknown"]
    capsys.readouterr()
    assert run(["show", "known", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["mfu"] == pytest.approx(0.341) and document["report_to"] == ["tensorboard", "wandb", "trackio"]
    assert document["split"]["forward"] == pytest.approx(0.3) and document["steps"][0]["split"]["data"] == 0.01


def test_energy_is_the_area_under_the_power() -> None:
    used = usage(evil_run())
    assert used.joules == pytest.approx(4 * 5 * 250.0) and used.seconds == 20.0
    assert used.gpus == 1 and used.peak_gpu_bytes == 3 << 30


@given(st.lists(st.floats() | st.just(math.nan), max_size=50))
@example([1.634266486238469e308])
def test_any_curve_is_a_picture(values: list[float]) -> None:
    svg = curves([Line("loss <&", range(len(values)), values)])
    assert bool(svg) == any(abs(value) <= 1e150 for value in values)
    if svg:
        ElementTree.fromstring(svg)
        assert "nan" not in svg.replace("finance", "")


def test_a_long_curve_is_thinned() -> None:
    svg = curves([Line("loss", range(100_000), [1.0 + (step % 7) for step in range(100_000)])])
    (points,) = re.findall(r'polyline points="([^"]*)"', svg)
    assert len(points.split()) == COLUMNS


def test_clean_lists_first_and_keeps_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    done, stopped, works = make_run(name="done"), make_run(name="halted", status="stopped"), make_run(name="works")
    for folder in (done, stopped, works):
        for path in folder.checkpoints.iterdir():
            step = int(path.name.rpartition("-")[2])
            write_json(path / "MANIFEST.json", {"files": {}, "step": step, "best": {"step": 30, "loss": 1.0}})
    (done.checkpoints / ".bad-checkpoint-5").mkdir()
    for name in ("index-1", "mend-2"):
        (cache_dir() / name).write_bytes(b"x" * 100)
    os.utime(cache_dir() / "index-1", (1e9, 1e9))
    broken = stopped.checkpoints / "checkpoint-50"
    broken.mkdir()
    (broken / "optimizer.pt").write_bytes(b"half")
    lock = Lock(works.lock_file)
    assert lock.acquire()
    assert run(["clean", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert {(item["run"], Path(item["path"]).name) for item in items} == {
        *((done.id, f"checkpoint-{step}") for step in (10, 20, 40)), (done.id, ".bad-checkpoint-5"),
        *((stopped.id, f"checkpoint-{step}") for step in (10, 20, 50)), (None, "index-1"),
    }  # fmt: skip
    assert run(["clean", "--older-than", "30d"]) == 0 and "1 to remove" in capsys.readouterr().out
    assert run(["clean", "--older-than", "soon"]) == 2
    write_json(done.state_file, done.state() | {"ended": time.time() - 40 * 86400})
    capsys.readouterr()
    assert run(["clean", "--older-than", "30d", "--yes"]) == 0 and "5 removed" in capsys.readouterr().out
    assert [path.name for path in done.checkpoints.iterdir()] == ["checkpoint-30"] and done.adapter.is_dir()
    assert run(["clean", "--yes"]) == 0
    assert sorted(path.name for path in stopped.checkpoints.iterdir()) == ["checkpoint-30", "checkpoint-40"]
    assert len(list(works.checkpoints.iterdir())) == 4
    lock.release()


def test_runs_are_filtered_and_an_ended_one_is_watched_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(name="good")
    make_run(name="bad", status="failed", reason="the loss became NaN")
    assert run(["runs", "--status", "failed"]) == 0
    out = capsys.readouterr().out
    assert "bad" in out and "good" not in out
    assert run(["runs", "--status", "paused"]) == 0 and "No run is paused" in capsys.readouterr().out
    assert run(["runs", "--status", "odd"]) == 2
    capsys.readouterr()
    assert run(["watch", "bad"]) == 1 and "the loss became NaN" in capsys.readouterr().out
    assert run(["watch", "good"]) == 0
