"""What the runner and an open monitor cost a training, beside the same training by a bare TRL script.

The bundled starter is tuned (LoRA, on the processor, one thread) on made-up rows, `--pairs` times in each of three
ways, in changing order: by TRL alone (`bare`), by Diapason (`alone`), and by Diapason with the app's monitor open on
a terminal of 200x50 (`watched`). A training's time is that from the end of step 3 to the end of its last step, of
the clock. Printed are the mean differences of the pairs in percent with their 95 % intervals (Student's t), and the
most that the monitor wrote to its terminal in one second, the first ones after it was opened aside.

Exit code 0 where the upper bounds of watched against alone and of watched against bare are at most 3 %, and the
monitor wrote at most 40 kB a second (issue 4). It needs a machine with nothing else to do.

    OMP_NUM_THREADS=1 python bench/overhead.py [--pairs 10] [--steps 30]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Generator
from pathlib import Path

from scipy import stats

from core.files import read_jsonl, write_json
from core.recipe import Recipe, make_recipe
from core.runs.folder import RunFolder, list_runs

GOAL, MOST_BYTES = 3.0, 40_000
_FIRST = 3
# Seconds in which the screen is painted for the first time.
_OPENING = 5.0
_ARMS = ("bare", "alone", "watched")
_ROOT = Path(__file__).parents[1]


def recipe_of(rows: Path, steps: int) -> Recipe:
    """The same training for all."""
    train = {"max_steps": steps, "micro_batch_size": 4, "accumulation": 2, "eval_every": steps, "save_every": steps}
    data = {"train": str(rows), "validation_fraction": 0.0, "test_fraction": 0.0}
    model = str(_ROOT / "core" / "starter" / "model")
    return make_recipe({"name": "overhead", "model": model, "device": "cpu", "data": data, "train": train,
                        "samples": {"count": 0}, "report_to": "none"})  # fmt: skip


def bare(rows: Path, steps: int, out: Path) -> None:
    """Train by TRL alone, in this process, and write down when each step ended."""
    import torch
    import trl
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from core.chat import load_chat
    from core.engine.encode import encode_file
    from core.models import read_model

    recipe = recipe_of(rows, steps)
    model, train = Path(recipe.model), recipe.train
    encoded = encode_file(
        load_chat(read_model(model)), rows, "prompt-completion", max_length=train.max_length, loss=recipe.loss.on
    )
    moments: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            moments.append(time.monotonic())

    options = trl.SFTConfig(
        output_dir=str(out.with_suffix("")), per_device_train_batch_size=train.micro_batch_size,
        gradient_accumulation_steps=train.accumulation, learning_rate=train.learning_rate, max_steps=steps,
        lr_scheduler_type=train.schedule, warmup_steps=train.warmup, weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm, optim=train.optimizer, bf16=False, use_cpu=True, seed=train.seed,
        gradient_checkpointing=False, logging_steps=1, eval_strategy="no", save_strategy="no", report_to="none",
        disable_tqdm=True, max_length=train.max_length, dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
    )  # fmt: skip
    found = {"input_ids": [row.input_ids for row in encoded.rows], "labels": [row.labels for row in encoded.rows]}
    lora = recipe.lora
    adapter = LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets,
                         task_type="CAUSAL_LM")  # fmt: skip
    trainer = trl.SFTTrainer(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), args=options, peft_config=adapter,
        train_dataset=Dataset.from_dict(found), processing_class=AutoTokenizer.from_pretrained(model),
        callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    write_json(out, moments)


@contextlib.contextmanager
def monitor() -> Generator[list[tuple[float, int]]]:
    """The app on a terminal of its own, its monitor open; gives when it wrote how many bytes."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    app = subprocess.Popen(
        [sys.executable, "-m", "tui"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        cwd=_ROOT, env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    wrote: list[tuple[float, int]] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while block := os.read(master, 1 << 16):
                wrote.append((time.monotonic(), len(block)))

    threading.Thread(target=read, daemon=True).start()
    try:
        deadline = time.monotonic() + 60
        while not wrote and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(3)
        os.write(master, b"m")
        time.sleep(_OPENING)
        wrote.clear()
        yield wrote
    finally:
        app.terminate()
        app.wait(20)
        os.close(master)


def one(arm: str, place: Path, steps: int) -> tuple[float, float]:
    """The seconds of one training, and the monitor's bytes a second during it (the most of any second)."""
    rows = place / "rows.jsonl"
    if arm == "bare":
        out = place / f"bare-{time.monotonic_ns()}.json"
        command = [sys.executable, __file__, "--bare", str(rows), "--steps", str(steps), "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        moments = json.loads(out.read_text())
        return moments[-1] - moments[_FIRST - 1], 0.0
    from core.submit import submit

    before = {run.id for run in list_runs()}
    submit(recipe_of(rows, steps), text="name: overhead\n")
    run = next(run for run in list_runs() if run.id not in before)
    with monitor() if arm == "watched" else contextlib.nullcontext([]) as wrote:
        while run.state().get("status") not in ("completed", "failed", "stopped"):
            time.sleep(0.5)
    moments = [event["m"] for event in read_jsonl(run.events)[0] if event["event"] == "step"]
    if len(moments) != steps:
        raise RuntimeError(f"the run ended early: {run.state().get('reason')}")
    first, last = moments[_FIRST - 1], moments[-1]
    seconds: dict[int, int] = {}
    for moment, size in wrote:
        if first <= moment <= last:
            seconds[int(moment)] = seconds.get(int(moment), 0) + size
    _leave(run)
    return last - first, float(max(seconds.values(), default=0))


def _leave(run: RunFolder) -> None:
    """Wait for the run's runner to be gone: the next training has the machine to itself."""
    from core.files import is_locked

    while is_locked(run.lock_file):
        time.sleep(0.2)


def compared(name: str, ours: list[float], theirs: list[float]) -> float:
    """Print the mean difference in percent with its interval; gives the upper bound."""
    changes = [100 * (a / b - 1) for a, b in zip(ours, theirs)]
    mean = statistics.fmean(changes)
    margin = stats.t.ppf(0.975, len(changes) - 1) * statistics.stdev(changes) / len(changes) ** 0.5
    print(f"{name:<20} {mean:+6.2f} %   95 % interval {mean - margin:+6.2f} to {mean + margin:+6.2f} %")
    return mean + margin


def main() -> int:
    """Train and compare; 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
    if args.bare:
        bare(args.bare, args.steps, args.out)
        return 0
    seconds: dict[str, list[float]] = {arm: [] for arm in _ARMS}
    most = 0.0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ |= {"DIAPASON_HOME": str(place / "home"), "DIAPASON_LOCKS": str(place / "locks")}
        lines = [
            {"prompt": f"Where is order {n}?", "completion": f"Order {n} is on its way. " * 4} for n in range(64)
        ]
        (place / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for pair in range(args.pairs):
            for turn in range(3):
                arm = _ARMS[(pair + turn) % 3]
                found, sent = one(arm, place, args.steps)
                seconds[arm].append(found)
                most = max(most, sent)
            print(f"pair {pair + 1}: " + ", ".join(f"{arm} {seconds[arm][-1]:.2f} s" for arm in _ARMS), flush=True)
    bounds = [
        compared("watched ÷ alone", seconds["watched"], seconds["alone"]),
        compared("watched ÷ bare TRL", seconds["watched"], seconds["bare"]),
    ]
    compared("alone ÷ bare TRL", seconds["alone"], seconds["bare"])
    print(f"the monitor wrote at most {most / 1000:.1f} kB in a second")
    met = max(bounds) <= GOAL and most <= MOST_BYTES
    print(f"load a core {os.getloadavg()[0] / (os.cpu_count() or 1):.1f}; {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
