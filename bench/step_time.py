"""What it costs to measure where a step's time goes: trainings with it and without, in turn.

The bundled starter is tuned (LoRA) on a few rows on the processor, `--pairs` times with the measuring and without, in
one process and in changing order; all trainings must end with the same losses. Two figures are printed:

- the difference of each pair in processor time of the training loop, their mean with its 95 % interval (Student's t);
- what the calls of a step cost, timed alone, as a share of the median step. On a machine that others use too the
  difference is mostly noise, and this is the figure to go by.

Exit code 0 where the calls cost less than 0.5 % of a step and the losses are the same.

    OMP_NUM_THREADS=1 python bench/step_time.py [--pairs 10] [--steps 12]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

from scipy import stats

from core.files import read_jsonl, write_json
from core.recipe import make_recipe

GOAL = 0.005


def write_run(folder: Path, steps: int) -> Path:
    """A run's folder over made-up rows, ready for the engine."""
    from core.data.dataset import fingerprint

    rows = folder / "data" / "train.jsonl"
    rows.parent.mkdir(parents=True)
    lines = [{"prompt": f"Where is my order {n}?", "completion": f"Order {n} is on its way. " * 4} for n in range(64)]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = Path(__file__).parents[1] / "core" / "starter" / "model"
    train = {"max_steps": steps, "micro_batch_size": 4, "accumulation": 2, "eval_every": steps, "save_every": steps}
    recipe = make_recipe({"model": str(model), "device": "cpu", "train": train, "samples": {"count": 0}})
    part = {**fingerprint(rows), "format": "prompt-completion", "rows": 64}
    spec = {"kind": "train", "id": folder.name, "name": folder.name, "recipe": recipe.model_dump(),
            "model": {"name": "starter", "path": str(model)}, "data": {"train": part}}  # fmt: skip
    write_json(folder / "spec.json", spec)
    return folder


@contextlib.contextmanager
def without() -> Generator[None]:
    """No clock is read."""
    from core.engine.step_time import StepTime

    with mock.patch.multiple(StepTime, start=lambda *_: None, stop=lambda *_: None):
        yield


def train(folder: Path) -> tuple[list[float], float]:
    """The losses, and the processor's seconds of the steps without the first two."""
    from core.engine import train as room
    from core.engine.job import Job
    from core.engine.trainer import Flow

    moments: list[float] = []
    original = Flow.on_log

    def on_log(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        moments.append(time.process_time())

    with (
        mock.patch.object(Flow, "on_log", on_log),
        # The export comes after the last step.
        mock.patch.object(room, "_export"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        room.train(Job(folder))
    losses = [event["loss"] for event in read_jsonl(folder / "events.jsonl")[0] if event["event"] == "step"]
    return losses, moments[len(losses) - 1] - moments[1]


def calls_cost(micro_batches: int) -> float:
    """Seconds that the calls of one optimizer step take, the best of some."""
    from core.engine.step_time import StepTime

    def step(found: StepTime) -> None:
        found.start("data")
        found.stop()
        for _ in range(micro_batches):
            found.start("forward")
            found.start("backward")
            found.stop()
        found.start("optimizer")
        found.stop()
        found.take(1.0)

    found, best = StepTime(cuda=False), float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(100):
            step(found)
        best = min(best, (time.perf_counter() - began) / 100)
    return best


def main() -> int:
    """Train and compare; 0 where the goal is met."""
    parser = argparse.ArgumentParser(description="What it costs to measure where a step's time goes.")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=12)
    args = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)
    measured: dict[bool, list[float]] = {True: [], False: []}
    losses: list[list[float]] = []
    with tempfile.TemporaryDirectory() as place:
        for pair in range(args.pairs + 1):
            for timed in (True, False) if pair % 2 else (False, True):
                with contextlib.nullcontext() if timed else without():
                    found, seconds = train(write_run(Path(place) / f"{pair}-{timed}", args.steps))
                losses.append(found)
                # The first pair only warms up.
                if pair:
                    measured[timed].append(seconds)
    changes = [100 * (a / b - 1) for a, b in zip(measured[True], measured[False])]
    mean = statistics.fmean(changes)
    margin = stats.t.ppf(0.975, len(changes) - 1) * statistics.stdev(changes) / len(changes) ** 0.5
    step = statistics.median(measured[False]) / (args.steps - 2)
    cost = calls_cost(micro_batches=2)
    same = all(found == losses[0] for found in losses)
    interval = f"95 % interval {mean - margin:+.2f} to {mean + margin:+.2f}"
    print(f"{args.pairs} pairs: {mean:+.2f} % of processor time ({interval})")
    print(f"calls of a step: {1e6 * cost:.1f} us of {1000 * step:.0f} ms, {100 * cost / step:.4f} %")
    print(f"losses of all {len(losses)} trainings {'the same' if same else 'DIFFER'}")
    return 0 if same and cost < GOAL * step else 1


if __name__ == "__main__":
    sys.exit(main())
