"""Help for tests of accidents in real trainings: a tiny model, runs of it, and what goes wrong around them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.files import read_jsonl
from core.runs.folder import RunFolder, list_runs
from core.runs.process import marked, start_time
from tests.runs_help import end_everything, settled, wait
from tests.tiny import make_tiny_model
from tests.tui.screen_text import told, until
from tui.app import DiapasonApp
from tui.cli import run

PATIENCE = 300
ROOT = Path(__file__).resolve().parent.parent
STAND_INS = ROOT / "tests" / "stand_ins"
RECIPE = """\
name: {name}
model: {model}
device: cpu
data: {{train: rows.jsonl}}
lora: {{dropout: 0}}
train: {{micro_batch_size: 4, accumulation: 1, max_steps: 10, max_length: 64, eval_every: 2, learning_rate: 1.0e-3}}
samples: {{count: 0}}
evaluation: {{after_training: false}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny model, rows, and a home of its own."""
    folder = tmp_path_factory.mktemp("faults")
    make_tiny_model(folder / "tiny")
    rows = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} left today. Thank you!"} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIAPASON_HOME": str(folder / "home"), "DIAPASON_LOCKS": str(folder / "locks"), "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false",
            "DIAPASON_BACKOFF_SECONDS": "0.1", "DIAPASON_POLL_SECONDS": "0.1", "PYTHONPATH": str(ROOT),
            "DIAPASON_ENGINE": "tests.faulty_engine",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.chdir(folder)
        yield folder


@pytest.fixture(autouse=True)
def nothing_runs_on(place: Path) -> Iterator[None]:
    """Whatever a test leaves running is ended."""
    yield
    end_everything()


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> RunFolder:
    """A run that nobody disturbed."""
    folder = begin(place, "undisturbed")
    assert end(folder)["status"] == "completed"
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of 80 MiB; None where this machine does not let us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "none", folder], capture_output=True, check=False
    )
    yield folder if done.returncode == 0 else None
    if done.returncode == 0:
        subprocess.run(["umount", "-l", folder], check=True)


def losses(folder: RunFolder) -> dict[int, float]:
    """The last logged loss of each step."""
    return {event["step"]: event["loss"] for event in read_jsonl(folder.events)[0] if event["event"] == "step"}


def evals(folder: RunFolder) -> dict[int, float]:
    """The last validation loss of each step."""
    return {event["step"]: event["loss"] for event in read_jsonl(folder.events)[0] if event["event"] == "eval"}


def resumed_from(folder: RunFolder) -> list[int | None]:
    """The step that each attempt went on from."""
    return [event["resumed_from"] for event in read_jsonl(folder.events)[0] if event["event"] == "start"]


def write_recipe(place: Path, name: str) -> str:
    """Write a recipe called `name`, and give its file's name."""
    (place / f"{name}.yaml").write_text(RECIPE.format(name=name, model=place / "tiny"))
    return f"{name}.yaml"


def begin(place: Path, name: str, *changes: str) -> RunFolder:
    """Submit a run called `name`."""
    before = set(list_runs())
    assert run(["train", write_recipe(place, name), *(p for change in changes for p in ("--set", change))]) == 0
    (folder,) = set(list_runs()) - before
    return folder


def end(folder: RunFolder) -> dict[str, Any]:
    """Wait until the run has ended; its state. No process of it is left then."""
    wait(lambda: settled(folder), PATIENCE, f"the end of {folder.name}: {folder.state()}")
    assert marked(folder.id) == [], "no process is left behind"
    return folder.state()


def shown(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `diapason show --json` tells of the run; `runs --json` agrees."""
    capsys.readouterr()
    assert run(["show", folder.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(["runs", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out)["runs"] if row["id"] == folder.id]
    assert all(found[name] == row[name] for name in ("status", "reason", "step", "attempt"))
    return found


def monitor_tells(folder: RunFolder, *texts: str) -> None:
    """Open the monitor on the run, and wait until it tells all `texts`."""

    async def look() -> None:
        app = DiapasonApp("monitor", run=folder)
        async with app.run_test(size=(160, 45), notifications=True) as pilot:
            await until(pilot, lambda: all(text in told(app) for text in texts))

    asyncio.run(look())


def waits(folder: RunFolder, step: int) -> None:
    """Wait until the job stands before `step`, held by the fault ``wait``."""
    wait((folder.path / f"waiting-{step}").exists, PATIENCE, f"step {step} of {folder.state()}")


def go(folder: RunFolder, step: int) -> None:
    """Let a job go on that waits before `step`."""
    (folder.path / f"go-{step}").touch()


def race(folder: RunFolder, stay: int) -> list[subprocess.Popen[bytes]]:
    """Start six runners of one run at once, and wait until all but `stay` have left; gives those that stay."""
    command = [sys.executable, "-P", "-m", "core.worker", str(folder.path)]
    racers = [subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) for _ in range(6)]
    wait(lambda: sum(racer.poll() is None for racer in racers) <= stay, PATIENCE, "the losers' leaving")
    assert sorted(racer.returncode or 0 for racer in racers) == [0] * stay + [3] * (6 - stay)
    return [racer for racer in racers if racer.poll() is None]


def process_with(pid: int) -> subprocess.Popen[bytes] | None:
    """A process of nobody's concern that has the number `pid`, now free; None where the kernel does not let us."""
    for _ in range(50):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            return None
        child = subprocess.Popen(["sleep", "600"])
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
        if start_time(pid) is not None:
            return None
    return None


def kill_dead(*identities: dict[str, Any]) -> None:
    """SIGKILL to the identified processes; returns when they are gone."""
    for identity in identities:
        os.kill(identity["pid"], signal.SIGKILL)
    for identity in identities:
        wait(lambda identity=identity: start_time(identity["pid"]) != identity["start"], PATIENCE)
