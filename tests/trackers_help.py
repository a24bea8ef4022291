"""A training that reports: to stand-ins for wandb and trackio, and to TensorBoard where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from core.files import read_json, write_json
from tests.training import curve, events

_TENSORBOARD = importlib.util.find_spec("tensorboard") is not None


def report(folder: Path) -> dict[str, str]:
    """Have the run report; the variables that its process needs."""
    trackers = ["wandb", "trackio", *(["tensorboard"] if _TENSORBOARD else [])]
    write_json(folder / "spec.json", {**read_json(folder / "spec.json"), "report_to": trackers})
    stand_ins = Path(__file__).parent / "trackers"
    return {"PYTHONPATH": os.pathsep.join([str(stand_ins), *filter(None, [os.environ.get("PYTHONPATH")])])}


def check_reports(folder: Path) -> None:
    """Each tracker heard each step and evaluation of the finished run once; trackio failed and was left alone."""
    wanted = curve(folder)
    last = max(step for _, step in wanted)
    lines = [json.loads(line) for line in (folder / "wandb.jsonl").read_text().splitlines()]
    begun = [line for line in lines if "init" in line]
    assert len(begun) == len(events(folder, "start")) and all(line["console"] == "off" for line in begun)
    for line in begun:
        assert line["init"]["id"] == folder.name and line["init"]["resume"] == "allow"
        assert line["init"]["project"] == "diapason"
    steps = {line["step"]: line for line in lines if "train/loss" in line}
    evals = {line["step"]: line for line in lines if "eval/loss" in line}
    assert sum("train/loss" in line for line in lines) == len(steps) and lines[-1] == {"finish": True}
    for step, line in steps.items():
        loss, norm, rate, tokens = wanted["step", step]
        assert line["train/global_step"] == step and (line["train/loss"], line["train/grad_norm"]) == (loss, norm)
        assert (line["train/learning_rate"], line["train/tokens"]) == (rate, tokens)
        assert line["train/tokens_per_second"] > 0
    # What waited to be sent when the job was killed is lost, the rest is not.
    since = events(folder, "start")[-1]["resumed_from"] or 0
    assert set(range(since + 1, last + 1)) - set(steps) <= set(range(since + 1, since + 2))
    assert all(line["eval/loss"] == wanted["eval", step][0] for step, line in evals.items()) and {0, last} <= set(
        evals
    )
    losses = [wanted["eval", step][0] for step in range(1, last + 1) if ("eval", step) in wanted]
    assert evals[last]["eval/best_loss"] == min(losses)

    warned = [event["message"] for event in events(folder, "log") if event["level"] == "warning"]
    assert any(line.startswith("trackio: OSError: no room for the third report; nothing more") for line in warned)
    if _TENSORBOARD:
        _check_tensorboard(folder)


def _check_tensorboard(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    for tag, kind in (("train/loss", "step"), ("eval/loss", "eval")):
        wanted = {step: values[0] for (name, step), values in curve(folder).items() if name == kind}
        seen = [(one.step, one.value) for one in found.Scalars(tag)]
        assert [step for step, _ in seen] == sorted(wanted)
        assert [value for _, value in seen] == pytest.approx([wanted[step] for step, _ in seen])
