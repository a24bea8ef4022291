"""The watchers on real runs: the bundled starter is tuned (LoRA, on the processor) with a trouble and without.

Each run goes through the queue and its runner as any other; the trouble comes from `bench/_troubled.py`: noise on the
weights (once: spike, growing: divergence), weights that are NaN, a step that hangs, steps that take four times as
long; for overfitting there are twelve rows and a high learning rate. Caught means: the run has the warning (nan: it
failed because of the loss; stall: the runner ended the job and started it again). Healthy runs must have no warning.
`bench/watchers.py` has the rates, over thousands of simulated courses; this shows that the whole chain works.

Exit code 0 where every trouble is caught and no healthy run is warned of.

    OMP_NUM_THREADS=1 python bench/watchers_real.py [--healthy 3] [--steps 140] [--only KIND]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.files import is_locked, read_jsonl
from core.recipe import make_recipe
from core.runs.folder import RunFolder
from core.runs.view import RunView

CODES = {
    "spike": "loss_spike",
    "divergence": "slow_divergence",
    "overfitting": "overfitting",
    "slow": "slow_throughput",
}
_ROOT = Path(__file__).parents[1]
_DATA = _ROOT / "core" / "starter" / "data" / "support_en.jsonl"


def recipe_of(kind: str, place: Path, steps: int, seed: int) -> Any:
    """The run's recipe; its rows are written into `place`."""
    train: dict[str, Any] = {"max_steps": steps, "micro_batch_size": 4, "accumulation": 1, "seed": seed,
                             "learning_rate": 1e-3, "eval_every": 10}  # fmt: skip
    lines = _DATA.read_text().splitlines(keepends=True)
    parts = {"train": lines[:320], "validation": lines[320:380]}
    if kind == "overfitting":
        parts = {"train": lines[:12], "validation": lines[12:212]}
        train |= {"learning_rate": 5e-3, "schedule": "constant"}
    data: dict[str, Any] = {"test_fraction": 0.0}
    for role, rows in parts.items():
        data[role] = str(place / f"{kind}-{seed}-{role}.jsonl")
        Path(data[role]).write_text("".join(rows))
    model = str(_ROOT / "core" / "starter" / "model")
    return make_recipe({"name": f"{kind} {seed}", "model": model, "device": "cpu", "data": data, "train": train,
                        "samples": {"count": 0}, "report_to": "none"})  # fmt: skip


def trained(kind: str, place: Path, steps: int, seed: int) -> RunFolder:
    """Train through the queue to the end of the run."""
    from core.submit import submit

    os.environ |= {"DIAPASON_TROUBLE": kind, "DIAPASON_FROM": str(steps // 2)}
    recipe = recipe_of(kind, place, steps, seed)
    run = submit(recipe, text=f"name: {recipe.name}\n")
    while run.state().get("status") not in ("completed", "failed", "stopped") or is_locked(run.lock_file):
        time.sleep(0.3)
    return run


def caught(kind: str, run: RunFolder) -> tuple[bool, str]:
    """Whether what went wrong was noticed, and what was said."""
    view = RunView(run)
    codes = [warning.code for warning in view.warnings]
    if kind == "nan":
        return view.status == "failed" and "step" in (view.reason or ""), view.reason or ""
    if kind == "stall":
        notes = [note.get("event") for note in read_jsonl(run.runner_events)[0]]
        return "stall" in notes and "restart" in notes and view.status == "completed", ", ".join(map(str, notes))
    if kind == "healthy":
        return view.status == "completed" and not codes, ", ".join(codes) or "no warning"
    return CODES[kind] in codes, "; ".join(f"{one.code} at {one.since}" for one in view.warnings) or "no warning"


def main() -> int:
    """Train all of them; 0 where all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healthy", type=int, default=3, help="runs without a trouble (3)")
    parser.add_argument("--steps", type=int, default=140, help="steps of each run (140)")
    parser.add_argument("--only", action="append", metavar="KIND", help="only this trouble; may be repeated")
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "DIAPASON_ENGINE": "_troubled", "DIAPASON_STALL_SECONDS": "60",
                   "PYTHONPATH": os.pathsep.join((str(_ROOT), str(_ROOT / "bench")))}  # fmt: skip
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    right = True
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"DIAPASON_HOME": f"{name}/home", "DIAPASON_LOCKS": f"{name}/locks"}
        kinds = args.only or ("spike", "divergence", "nan", "overfitting", "stall", "slow")
        for kind, seed in [*((kind, 0) for kind in kinds), *zip(itertools.repeat("healthy"), range(args.healthy))]:
            began = time.monotonic()
            run = trained(kind, Path(name), args.steps, seed)
            good, said = caught(kind, run)
            right = right and good
            word = "as it should be" if good else "WRONG"
            print(f"{kind:<12} {word:<16} {time.monotonic() - began:5.0f} s   {said}", flush=True)
            if not good:
                print(json.dumps([event for event in read_jsonl(run.events)[0] if event["event"] == "eval"][-3:]))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
