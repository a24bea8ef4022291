"""The long faults: kills inside saves, and a soak of kills of runner and trainer, on real trainings of the starter.

First a training of all weights is killed (SIGKILL) at `--points` seeded moments inside its saves, then a LoRA
training suffers `--kills` seeded kills of its runner, its trainer or both, at random steps and during its start-ups;
what a person would do (`diapason resume`, or any command, which adopts a job without a runner) follows each. Printed
for each kill: what was killed and when, the last sealed step, the step that the run went on from, the steps lost
beyond the sealed one (must be 0). At the end losses, gradient norms, learning rates, token counts and weights must be
bit-identical to those of an undisturbed run; on CUDA the losses must lie within the spread of two undisturbed runs.
Exit code 1 where anything is not as it must be.

    python -m tests.soak [--seed 0] [--kills 30] [--points 20] [--device cpu|auto]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.files import is_locked, read_jsonl
from core.recipe import load_recipe
from core.runs import checkpoints
from core.runs.folder import FINAL, RunFolder
from core.runs.process import is_alive, marked
from core.runs.status import status_of
from core.starter import sample
from core.submit import submit
from core.worker.recover import adopt_orphans, resume
from tests.training import curve

PATIENCE = 900.0
_REST = 60
RECIPE = """\
name: {name}
model: starter
method: {method}
device: {device}
data: {{train: {data}}}
lora: {{dropout: 0.1}}
train:
  {{max_steps: {steps}, save_every: {save}, eval_every: {every}, micro_batch_size: 1, accumulation: 2, max_length: 96,
  learning_rate: 1.0e-4, keep_checkpoints: 2}}
samples: {{count: 0}}
evaluation: {{after_training: false}}
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill. lost: steps beyond the last sealed one. left: processes of earlier attempts that live on."""

    who: str
    when: str
    sealed: int
    resumed: int
    left: int
    ok: bool = True

    @property
    def lost(self) -> int:
        return max(0, self.sealed - self.resumed)


@dataclass
class Trial:
    """A disturbed run against undisturbed ones."""

    name: str
    kills: list[Kill] = field(default_factory=list[Kill])
    faults: list[str] = field(default_factory=list[str])

    def add(self, kill: Kill) -> None:
        self.kills.append(kill)
        good = kill.ok and not kill.lost and not kill.left
        print(
            f"  {len(self.kills):3}  {kill.who:8} {kill.when:32} sealed {kill.sealed:4}  went on from "
            f"{kill.resumed:4}  lost {kill.lost}  left {kill.left}  {'ok' if good else 'FAULT'}",
            flush=True,
        )
        if not good:
            self.faults.append(f"{self.name}: kill {len(self.kills)} ({kill.who} {kill.when})")


def until(condition: Callable[[], Any], what: str, every: float = 0.02) -> Any:
    """What `condition` gives as soon as it is true."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(every)
    return value


def events(folder: RunFolder, name: str) -> list[dict[str, Any]]:
    return [event for event in read_jsonl(folder.events)[0] if event["event"] == name]


def settled(folder: RunFolder) -> bool:
    return folder.state().get("status") in FINAL and not is_locked(folder.lock_file)


def begin(place: Path, **values: Any) -> RunFolder:
    """Submit a run, as `diapason train` does."""
    recipe = place / "run.yaml"
    recipe.write_text(RECIPE.format(data=sample("support_en.jsonl"), **values))
    return submit(load_recipe(recipe), source=recipe)


def undisturbed(place: Path, **values: Any) -> RunFolder:
    """A run that is left alone, at its end."""
    began = time.monotonic()
    folder = begin(place, **values)
    until(lambda: settled(folder), "an undisturbed run")
    if folder.state()["status"] != "completed":
        raise SystemExit(f"an undisturbed run {folder.state()['status']}: {folder.state()['reason']}")
    print(f"undisturbed: {values['steps']} steps in {time.monotonic() - began:.0f} s", flush=True)
    return folder


def job_of(folder: RunFolder) -> dict[str, Any] | None:
    """The job that runs, once it has been written down."""
    job = folder.state().get("job")
    return job if is_alive(job) else None


def newest_sealed(folder: RunFolder) -> int:
    return max(checkpoints.sealed(folder.checkpoints), default=0)


def died(process: dict[str, Any]) -> None:
    until(lambda: not is_alive(process), "the death of a killed process", 0.001)


def went_on(folder: RunFolder, starts: int) -> dict[str, Any]:
    """The start event of the attempt after `starts` earlier ones, with a person's help where it needs one."""

    def started() -> dict[str, Any] | None:
        mend(folder)
        found = events(folder, "start")
        return found[-1] if len(found) > starts else None

    return until(started, "the next attempt", 0.1)


def mend(folder: RunFolder) -> None:
    """What a person does about a run that shows as cut off, or that has died too often in a row."""
    status = status_of(folder)
    if status == "unsupervised":
        adopt_orphans()
    elif status == "interrupted" or (status == "failed" and settled(folder)):
        resume(folder)


def old_processes(folder: RunFolder) -> int:
    """Processes of earlier attempts than the present one."""
    return sum(attempt < int(folder.state()["attempt"]) for _, attempt in marked(folder.id))


def kill_saves(place: Path, draw: random.Random, points: int, device: str) -> tuple[Trial, RunFolder, RunFolder]:
    """SIGKILL the trainer at `points` random moments at which a checkpoint is half written."""
    steps = 3 * points + 10
    values = {"method": "full", "device": device, "steps": steps, "save": 1, "every": steps}
    alone = undisturbed(place, name="saves alone", **values)
    seconds = statistics.median(event["seconds"] for event in events(alone, "checkpoint"))
    size = checkpoints.size(checkpoints.at(alone.checkpoints, steps))
    print(f"a checkpoint of {size / 2**20:.0f} MiB takes {seconds:.2f} s", flush=True)
    trial, folder = Trial("saves"), begin(place, name="saves killed", **values)
    start = until(lambda: events(folder, "start"), "the first attempt")[-1]
    inside = 0
    while inside < points:
        target = int(start["resumed_from"] or 0) + draw.randint(2, 3)
        if target >= steps:
            trial.faults.append(f"saves: only {inside} kills fell inside a save")
            break
        half, starts = checkpoints.at(folder.checkpoints, target), len(events(folder, "start"))
        job = until(lambda: job_of(folder), "the job")
        until(half.exists, f"the save of step {target}", 0.0005)
        delay = draw.uniform(0, seconds)
        time.sleep(delay)
        os.kill(job["pid"], signal.SIGKILL)
        died(job)
        caught = not (half / checkpoints.MANIFEST).exists()
        inside += caught
        files = len(list(half.iterdir()))
        sealed = newest_sealed(folder)
        start = went_on(folder, starts)
        when = f"{delay:.2f} s into step {target}: " + (f"{files} files, unsealed" if caught else "sealed")
        trial.add(Kill("trainer", when, sealed, int(start["resumed_from"] or 0), old_processes(folder)))
    print(f"{inside} of {len(trial.kills)} kills left a checkpoint half written", flush=True)
    return trial, folder, alone


def soak(place: Path, draw: random.Random, kills: int, device: str) -> tuple[Trial, RunFolder, RunFolder]:
    """`kills` random kills of runner, trainer or both of one run."""
    # Behind the last kill enough is left to train that the run does not end before somebody has seen to it.
    steps = 6 * kills + _REST
    values = {"method": "lora", "device": device, "steps": steps, "save": 4, "every": steps // 2}
    alone = undisturbed(place, name="soak alone", **values)
    trial, folder = Trial("soak"), begin(place, name="soaked", **values)
    start_up = until(lambda: _start_up(alone), "the first attempt")
    for target in sorted(draw.randint(1, steps - _REST) for _ in range(kills)):
        who = draw.choice(("runner", "trainer", "both"))
        if draw.random() < 0.25:
            delay = draw.uniform(0, start_up)
            when = f"{delay:.1f} s after a start"
            until(lambda: job_of(folder), "the job")
            began = read_jsonl(folder.runner_events)[0]
            moment = max(record["m"] for record in began if record["event"] == "start")
            time.sleep(max(0.0, moment + delay - time.monotonic()))
        else:
            delay = draw.uniform(0, 0.3)
            until(lambda target=target: _reached(folder, target), f"step {target}")
            when = f"{delay:.2f} s after step {target}"
            time.sleep(delay)
        trial.add(_strike(folder, who, when))
    return trial, folder, alone


def _start_up(folder: RunFolder) -> float | None:
    """Seconds from the launch of the job to its first step."""
    launched = [record["m"] for record in read_jsonl(folder.runner_events)[0] if record["event"] == "start"]
    steps = events(folder, "step")
    return steps[0]["m"] - launched[0] if launched and steps else None


def _reached(folder: RunFolder, target: int) -> bool:
    """Whether the present attempt has trained step `target`, or has gone on from behind it."""
    present = 0
    for event in read_jsonl(folder.events)[0]:
        if event["event"] in ("start", "step"):
            present = int(event.get("resumed_from") or 0) if event["event"] == "start" else int(event["step"])
    return present >= target and job_of(folder) is not None


def _strike(folder: RunFolder, who: str, when: str) -> Kill:
    """Kill `who`, have the run mended, and see what has become of it."""
    state = folder.state()
    job, runner = job_of(folder), state["runner"]
    victims = {"runner": [runner], "trainer": [job], "both": [runner, job]}[who]
    for victim in victims:
        if is_alive(victim):
            os.kill(victim["pid"], signal.SIGKILL)
    for victim in victims:
        if victim is not None:
            died(victim)
    sealed, starts = newest_sealed(folder), len(events(folder, "start"))
    if who != "runner":
        start = went_on(folder, starts)
        return Kill(who, when, sealed, int(start["resumed_from"] or 0), old_processes(folder))

    def watched() -> bool:
        mend(folder)
        now = folder.state()
        return (
            settled(folder)
            or is_locked(folder.lock_file)
            and is_alive(now.get("runner"))
            and is_alive(now.get("job"))
        )

    until(watched, "a new runner", 0.1)
    # Its job was not to be touched: it trains on, so that nothing at all is lost.
    same = (folder.state()["job"] or {}).get("pid") == (job or {}).get("pid")
    return Kill(who, when, sealed, sealed, old_processes(folder), ok=same)


def judge(trial: Trial, folder: RunFolder, alone: RunFolder, again: RunFolder | None) -> None:
    """Let the run come to its end and hold it against the undisturbed one (on CUDA: two)."""

    def ended() -> bool:
        mend(folder)
        return settled(folder)

    until(ended, "the end", 0.1)
    state, left = folder.state(), len(marked(folder.id))
    one, two = curve(folder.path), curve(alone.path)
    if again is None:
        name = "model/model.safetensors" if (alone.path / "model").is_dir() else "adapter/adapter_model.safetensors"
        same = one == two and (folder.path / name).read_bytes() == (alone.path / name).read_bytes()
        how = f"bit-identical to the undisturbed run: {'yes' if same else 'NO'}"
    else:
        three = curve(again.path)
        losses = [abs(two[key][0] - three[key][0]) for key in two]
        apart = max(abs(one[key][0] - two[key][0]) for key in two) if one.keys() == two.keys() else float("inf")
        same = apart <= max(losses)
        how = f"losses apart by {apart:.3g}, two undisturbed runs by {max(losses):.3g}: {'yes' if same else 'NO'}"
    lost = sum(kill.lost for kill in trial.kills)
    print(
        f"{trial.name}: {state['status']} in {state['attempt']} attempts after {len(trial.kills)} kills; {len(one)} "
        f"points compared, {how}; steps lost beyond the last sealed one: {lost}; processes left: {left}",
        flush=True,
    )
    if state["status"] != "completed" or left or not same:
        trial.faults.append(f"{trial.name}: the end")


def main() -> int:
    """Run both; 1 where anything failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=30, help="kills of the soak (default: 30); 0: none")
    parser.add_argument("--points", type=int, default=20, help="kills inside saves (default: 20); 0: none")
    parser.add_argument("--device", default="cpu", help="cpu (default), or auto for the GPU")
    args = parser.parse_args()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="diapason-soak-") as name:
        place = Path(name)
        os.environ |= {
            "DIAPASON_HOME": str(place / "home"), "DIAPASON_LOCKS": str(place / "locks"), "HF_HUB_OFFLINE": "1",
            "DIAPASON_BACKOFF_SECONDS": "0.1", "DIAPASON_POLL_SECONDS": "0.1",
        }  # fmt: skip
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        for trials, number in ((kill_saves, args.points), (soak, args.kills)):
            if number:
                print(f"== {trials.__name__}: {number}, seed {args.seed}", flush=True)
                began = time.monotonic()
                trial, folder, alone = trials(place, random.Random(args.seed), number, args.device)
                again = None
                if args.device != "cpu":
                    again = _again(place, alone)
                judge(trial, folder, alone, again)
                print(f"{time.monotonic() - began:.0f} s", flush=True)
                faults += trial.faults
    print("\n".join(["FAULTS:", *faults]) if faults else "all as it must be")
    return 1 if faults else 0


def _again(place: Path, alone: RunFolder) -> RunFolder:
    """The same undisturbed run once more."""
    recipe = place / "again.yaml"
    recipe.write_text(alone.recipe_file.read_text())
    folder = submit(load_recipe(recipe), source=recipe)
    until(lambda: settled(folder), "a second undisturbed run")
    return folder


if __name__ == "__main__":
    sys.exit(main())
