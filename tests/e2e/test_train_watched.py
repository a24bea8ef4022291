"""Real tiny runs that go wrong: early stopping with its resume, and a learning rate that explodes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.files import read_json
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
