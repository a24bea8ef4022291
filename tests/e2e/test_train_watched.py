"""Real tiny runs that go wrong: early stopping with its resume, and a learning rate that explodes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.files import read_json, write_json
from core.runs import checkpoints
from core.runs.folder import RunFolder
from core.runs.view import RunView
from tests.e2e.test_train import here, model  # noqa: F401
from tests.training import chat_rows, events, make_run, verdict

Here = Callable[..., int]


@pytest.fixture(scope="module")
def strangers() -> list[dict[str, Any]]:
    """Validation rows whose answers the training teaches to be unlikely."""
    rows = chat_rows(8, 100)
    for row in rows:
        row["messages"][1]["content"] = "Zyx, wvu! 9876 qpo?"
    return rows


def course(folder: Path) -> list[tuple[Any, ...]]:
    names = ("step", "loss", "best", "above_best", "standard_error")
    return [tuple(event[name] for name in names) for event in events(folder, "eval")]


def test_early_stopping_ends_it_with_the_best_weights(
    strangers: list[dict[str, Any]],
    model: Path,  # noqa: F811
    tmp_path: Path,
    here: Here,  # noqa: F811
) -> None:
    settings = {"max_steps": 60, "eval_every": 4, "early_stopping": 2, "schedule": "constant", "keep_checkpoints": 9}
    folder = make_run(tmp_path / "run", model, validation=strangers, train=settings, samples={"count": 0})
    assert here(folder) == 0, verdict(folder)
    assert verdict(folder)["status"] == "completed"
    evals = events(folder, "eval")
    last, best = evals[-1]["step"], max(event["step"] for event in evals if event["best"])
    assert best < last < 60 and events(folder, "step")[-1]["step"] == last
    assert all(event["above_best"] > event["standard_error"] > 0 for event in evals[-2:])
    ((said,)) = [event["message"] for event in events(folder, "log") if "Early stopping" in event["message"]]
    assert said.startswith(f"Early stopping at step {last}: 2 evaluations in a row") and f"at step {best})" in said
    assert any(f"The weights of step {best} are in adapter/" in event["message"] for event in events(folder, "log"))
    assert not (folder / "adapter" / "validation.json").exists()
    assert RunView(RunFolder(folder)).evals[-1]["above_best"] > 0

    # Killed between its decision and its end: it does not train on.
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    (again / "exit.1.json").unlink()
    assert here(again, 2) == 0 and verdict(again, 2)["status"] == "completed"
    assert events(again, "step")[-1]["step"] == last

    # Resumed from before its last evaluation: it comes to the same end.
    earlier = tmp_path / "earlier"
    shutil.copytree(folder, earlier)
    for name in ("exit.1.json", "events.jsonl"):
        (earlier / name).unlink()
    shutil.rmtree(earlier / "checkpoints" / f"checkpoint-{last}")
    assert read_json(earlier / "checkpoints" / f"checkpoint-{last - 4}" / "validation.json")["worse"] == 1
    assert here(earlier) == 0
    assert course(earlier) == course(folder)[-1:]


def test_the_best_checkpoint_is_never_rotated_over_a_resume_either(
    strangers: list[dict[str, Any]],
    model: Path,  # noqa: F811
    tmp_path: Path,
    here: Here,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import core.engine.trainer as trainer

    expected: list[int] = []
    make_room, on_log = trainer.make_room, trainer.Flow.on_log

    def room(job: Any, root: Path, size: int, best: int | None) -> None:
        expected.append(size)
        make_room(job, root, size, best)

    def stop_at_16(self: Any, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        on_log(self, args, state, control, logs, **kwargs)
        if state.global_step == 15:
            write_json(folder / "inbox.json", {"seq": 1, "commands": [{"id": "1", "command": "stop"}]})

    monkeypatch.setattr(trainer, "make_room", room)
    monkeypatch.setattr(trainer.Flow, "on_log", stop_at_16)
    settings = {"max_steps": 24, "eval_every": 4, "schedule": "constant", "keep_checkpoints": 1}
    # At once far from the untuned model: what the validation rows ask for only gets less likely.
    settings |= {"learning_rate": 0.2, "warmup": 0}
    folder = make_run(tmp_path / "run", model, validation=strangers, train=settings, samples={"count": 0})
    root = folder / "checkpoints"
    assert here(folder) == 0 and verdict(folder)["step"] == 16
    best = max(event["step"] for event in events(folder, "eval") if event["best"])
    assert best < 16 and checkpoints.steps(root) == [best, 16]
    assert here(folder, 2) == 0 and verdict(folder, 2)["status"] == "completed"
    assert max(event["step"] for event in events(folder, "eval") if event["best"]) == best
    assert checkpoints.steps(root) == [best, 24]
    name = "adapter_model.safetensors"
    assert (folder / "adapter" / name).read_bytes() == (checkpoints.at(root, best) / name).read_bytes()
    # What was reckoned before each save is what it took, but for tokenizer and small files.
    size = checkpoints.size(checkpoints.at(root, 24))
    assert len(expected) == 6 and all(0.6 * size < each < size for each in expected), (expected, size)


def test_a_learning_rate_that_explodes_is_noticed(
    model: Path,  # noqa: F811
    tmp_path: Path,
    here: Here,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import core.engine.trainer as trainer

    original = trainer.Flow.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        original(self, args, state, control, **kwargs)
        if state.global_step == 50:
            scheduler = self._trainer.lr_scheduler
            scheduler.base_lrs = [rate * 300 for rate in scheduler.base_lrs]

    monkeypatch.setattr(trainer.Flow, "on_step_end", on_step_end)
    settings = {"max_steps": 75, "eval_every": 75, "schedule": "constant", "learning_rate": 0.005, "warmup": 0}
    folder = make_run(tmp_path / "run", model, train=settings, samples={"count": 0})
    assert here(folder) == 0, verdict(folder)
    found = [(one.code, one.since) for one in RunView(RunFolder(folder)).warnings]
    assert found and found[0][0] == "loss_spike" and 50 < found[0][1] < 65, found
