"""Makes a run folder as a real run leaves it, for tests of what reads one."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from core.files import JsonlWriter, new_ulid, write_json
from core.home import runs_dir
from core.runs.folder import RunFolder, slug
from core.runs.process import identify

_PROMPTS = ("My order has not arrived.", "How do I change my password?", "Puis-je être remboursé ?")


def make_run(
    *,
    name: str = "support voice",
    steps: int = 40,
    total_steps: int = 40,
    status: str = "completed",
    every: int = 10,
    parent: Path | None = None,
    reason: str | None = None,
    hint: str | None = None,
    mfu: float | None = None,
) -> RunFolder:
    """A training run's folder under the home with `steps` of `total_steps` done: evaluations, checkpoints and
    answers each `every` steps, a log, and a hardware sample. Nothing runs: a `status` that is not final shows as
    interrupted unless the test holds a `Lock` on its `lock_file`."""
    folder = RunFolder((parent or runs_dir()) / f"{new_ulid()}-{slug(name)}")
    for sub in (folder.path, folder.logs, folder.control, folder.checkpoints, folder.adapter):
        sub.mkdir(parents=True, mode=0o700)
    started = time.time() - steps * 0.5
    write_json(folder.spec_file, _spec(folder, name))
    folder.recipe_file.write_text(f"name: {name}\nmodel: starter\nmethod: lora\ndata:\n  train: train.jsonl\n")
    write_json(
        folder.state_file,
        {
            "schema": 1, "status": status, "attempt": 1, "step": steps - steps % every,
            "total_steps": total_steps,
            "reason": reason, "hint": hint, "micro_batch": 4, "accumulation": 4, "submitted": started - 2,
            "started": started, "ended": time.time() if status in ("completed", "stopped", "failed") else None,
            "runner": identify(os.getpid()), "job": None,
        },
    )  # fmt: skip
    write_events(folder, steps=steps, total_steps=total_steps, every=every, started=started, status=status, mfu=mfu)
    lines = [f"{step}/{total_steps} loss {_loss(step):.4f}" for step in range(1, steps + 1)]
    folder.attempt_log(1).write_text("loading the model\n" + "\n".join(lines) + "\n")
    folder.runner_log.write_text("runner started\n")
    sample = {"t": time.time(), "m": time.monotonic(), "gpus": [], "cpu_percent": 97.5,
              "ram_used": 3 << 30, "ram_total": 16 << 30,
              "job": {"cpu_percent": 188.0, "rss": 900 << 20}}  # fmt: skip
    JsonlWriter(folder.gpu).write(sample)
    return folder


def write_events(
    folder: RunFolder,
    *,
    steps: int,
    total_steps: int,
    every: int = 10,
    first: int = 1,
    attempt: int = 1,
    started: float | None = None,
    status: str = "running",
    mfu: float | None = None,
) -> None:
    """Append the events and answers of one attempt that trains the steps from `first` to `steps`."""
    t0 = time.time() - steps * 0.5 if started is None else started
    m0 = time.monotonic() - (time.time() - t0)
    events, samples = JsonlWriter(folder.events), JsonlWriter(folder.samples)

    def event(when: float, kind: str, **values: Any) -> None:
        events.write({"t": t0 + when * 0.5, "m": m0 + when * 0.5, "event": kind, **values})

    event(first - 1, "start", attempt=attempt, pid=os.getpid(), total_steps=total_steps, epochs=3.0, train_rows=240,
          validation_rows=30, trainable_parameters=262_144, total_parameters=5_500_000, device="cpu",
          flops_per_token=3.3e7, peak_flops=None if mfu is None else 3.3e7 * 4200 / mfu,
          resumed_from=None if first == 1 else first - 1)  # fmt: skip
    event(first - 1, "preflight", peak_memory_bytes=620 << 20, seconds=1.4, longest_tokens=212,
          eta_seconds=total_steps * 0.5, checks={"masked_rows": 0, "no_end_of_turn": 0})  # fmt: skip
    if first == 1:
        _answers(samples, 0)
    best = math.inf
    for step in range(first, steps + 1):
        event(step, "step", step=step, epoch=3 * step / total_steps, loss=_loss(step), grad_norm=1.5 + math.sin(step),
              learning_rate=2e-4 * (1 - step / (total_steps + 1)), tokens=step * 2100, tokens_per_second=4200.0,
              seconds=0.5, mfu=mfu, paused=0.0, ram_bytes=900 << 20, gpu_bytes=None,
              split={"data": 0.01, "forward": 0.15, "backward": 0.29, "optimizer": 0.04, "other": 0.01})  # fmt: skip
        if step % every == 0:
            loss = _loss(step) + 0.1 + (0.4 if step > 0.8 * total_steps else 0.0)
            event(step, "eval", step=step, epoch=3 * step / total_steps, loss=loss, rows=30, tokens=1800,
                  seconds=0.7, best=loss < best)  # fmt: skip
            _answers(samples, step)
            sealed = folder.checkpoints / f"checkpoint-{step}"
            sealed.mkdir(parents=True, exist_ok=True)
            write_json(sealed / "MANIFEST.json", {"files": {}, "step": step, "best": loss < best})
            event(step, "checkpoint", step=step, path=str(sealed), seconds=0.2, best=loss < best)
            best = min(best, loss)
    if status in ("completed", "stopped", "failed"):
        event(steps, "end", status=status, step=steps, seconds=steps * 0.5)
    events.close()
    samples.close()


def _loss(step: int) -> float:
    return 0.8 + 2.4 * math.exp(-step / 15) + 0.05 * math.sin(step * 1.7)


def _answers(samples: JsonlWriter, step: int) -> None:
    for index, prompt in enumerate(_PROMPTS):
        answer = "I am a model." if step == 0 else f"Hello, and thank you for writing! (after {step} steps)"
        samples.write({"step": step, "index": index, "prompt": [{"role": "user", "content": prompt}],
                       "answer": answer, "reference": "Hello! We look into it at once."})  # fmt: skip


def _spec(folder: RunFolder, name: str) -> dict[str, Any]:
    return {
        "schema": 1, "kind": "train", "id": folder.id, "name": name, "created": time.time(), "marker": folder.id,
        "recipe": {"name": name, "task": "style", "model": "starter", "method": "lora", "device": "auto",
                   "train": {"learning_rate": 2e-4, "epochs": 3.0, "micro_batch_size": 4, "accumulation": 4}},
        "model": {"name": "starter", "path": "starter"},
        "data": {"train": {"path": "train.jsonl", "format": "chat", "size": 90_000, "sha256": "0" * 64, "rows": 240},
                 "validation": {"path": "validation.jsonl", "format": "chat", "rows": 30},
                 "test": {"path": "test.jsonl", "format": "chat", "rows": 30}},
        "versions": {"torch": "2.13.0"}, "then": [],
    }  # fmt: skip


def add_result(folder: RunFolder, result: dict[str, Any], answers: list[dict[str, Any]]) -> None:
    """Put an evaluation's result and answers into the run folder."""
    folder.evaluation.mkdir(exist_ok=True)
    write_json(folder.evaluation / "result.json", result)
    (folder.evaluation / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
