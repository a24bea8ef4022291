"""The kept course of a run: the same as one that was read anew, and of no weight where it does not fit."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from core.files import JsonlWriter
from core.runs.course import Course
from core.runs.course_cache import cache_file, load, save
from core.runs.folder import RunFolder
from core.runs.machine import MachineCourse
from core.runs.view import RunView
from tests.fake_run import make_run, write_events


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def anew(run: RunFolder) -> tuple[RunView, Course, MachineCourse]:
    course, machine = Course(), MachineCourse(run)
    view = RunView(run, course)
    machine.refresh()
    return view, course, machine


def look(found: tuple[RunView, Course, MachineCourse]) -> str:
    view, course, machine = found
    machine.refresh()
    columns = {name: [repr(one) for one in column.buckets] for name, column in course.columns.items()}
    cards = {name: [[repr(one) for one in c.buckets] for c in many] for name, many in machine.columns.items()}
    return json.dumps([view.keep(), view.eta_seconds, course.keep(), columns, cards], sort_keys=True)


def test_what_was_kept_is_what_would_be_read_again() -> None:
    run = make_run(steps=5000, total_steps=9000, every=500, status="stopped")
    save(*anew(run))
    found = load(run)
    assert found is not None and look(found) == look(anew(run))
    write_events(run, first=4501, steps=6000, total_steps=9000, every=500, attempt=2)
    JsonlWriter(run.gpu).write({"t": 2e9, "gpus": [{"power_w": 100.0}], "ram_used": 5})
    grown = load(run)
    assert grown is not None
    view, course, machine = grown
    machine.refresh()
    assert view.step == 6000 and view.restarts == [4500] and len(view.evals) == 12
    assert course.columns["loss"].buckets[-1].last == 6000
    assert machine.columns["gpu_power"][0].buckets[-1].mean == 100.0
    assert math.isnan(course.gpu_bytes[-1])


def test_the_watchers_go_on_from_what_they_had_seen() -> None:
    run = make_run(steps=300, total_steps=900, every=50, status="running")
    save(*anew(run))
    writer = JsonlWriter(run.events)
    for step in range(301, 321):
        loss = math.nan if step == 320 else 9.0
        writer.write({"event": "step", "step": step, "loss": loss, "m": step * 0.5, "tokens_per_second": 4200.0})
    grown = load(run)
    assert grown is not None
    assert [one.to_json() for one in grown[0].warnings] == [one.to_json() for one in anew(run)[0].warnings]
    assert {"loss_spike", "nonfinite_loss"} <= {one.code for one in grown[0].warnings}
    save(*grown)
    again = load(run)
    assert again is not None and [one.code for one in again[0].warnings] == [one.code for one in grown[0].warnings]


def test_a_file_that_was_replaced_is_read_again() -> None:
    run = make_run(steps=40)
    save(*anew(run))
    assert load(run) is not None
    text = run.events.read_text()
    run.events.write_text(text.replace('"loss":', '"lost":'))
    assert load(run) is None
    run.events.write_text(text)
    assert load(run) is not None
    run.events.write_text(text[: len(text) // 2])
    assert load(run) is None
    run.events.unlink()
    assert load(run) is None


def test_another_runs_course_is_not_taken() -> None:
    run, other = make_run(steps=40), make_run(steps=40)
    save(*anew(run))
    cache_file(other).write_bytes(cache_file(run).read_bytes())
    assert load(other) is None


def test_damage_is_noticed() -> None:
    run = make_run(steps=40)
    save(*anew(run))
    whole, right = cache_file(run).read_bytes(), look(anew(run))
    draw = random.Random(4)
    for _ in range(200):
        bad = bytearray(whole)
        place = draw.randrange(len(bad))
        bad[place] ^= 1 << draw.randrange(8)
        cache_file(run).write_bytes(bytes(bad[: draw.choice([len(bad), len(bad), place])]))
        found: Any = load(run)
        assert found is None or look(found) == right


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(steps=40)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.runs.course_cache.write_atomic", full)
    save(*anew(run))
    assert load(run) is None
