"""What a run reports to TensorBoard, Weights & Biases and trackio, through the callbacks of transformers.

Each tracker works in a thread of its own: one that is slow, asks for a login, or hangs costs the training nothing.
One that fails is named in a warning and hears no more.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from transformers import TrainerControl, TrainerState
from transformers.integrations import TensorBoardCallback, TrackioCallback, WandbCallback
from transformers.integrations.integration_utils import rewrite_logs

from core.engine.job import Job
from core.files import read_jsonl
from core.text import shorten

PROJECT = "diapason"
_LABELS = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "trackio": "trackio"}
# How long the end of a training waits for what is still to be sent, all trackers together.
_LIMIT = 60.0
_WAITING = 10_000
_PLACE = "train/global_step"


class Trackers:
    """The trackers of a training; none before `begin`."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self._workers: list[_Worker] = []

    def begin(self, job: Job, names: Sequence[str], trainer: Any, resumed: bool) -> None:
        """Report to the trackers called `names` from here on; on rank 0 alone."""
        if not names or not trainer.is_world_process_zero():
            return
        self._job = job
        known = _reported(job) if job.attempt > 1 else {}
        for name in dict.fromkeys(names):
            self._workers.append(_Worker(name, job, trainer, job.step + 1 if resumed else 0, known))

    def log(self, step: int, values: dict[str, Any]) -> None:
        """Report the numbers among `values`; those whose name begins with ``eval_`` count as evaluation."""
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        for worker in self._workers:
            worker.put(step, numbers)
        self._warn()

    def close(self, limit: float = _LIMIT) -> None:
        """End the reports, and wait at most `limit` seconds for what is still to be sent."""
        for worker in self._workers:
            worker.finish()
        end = time.monotonic() + limit
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))
            if worker.is_alive() and worker.problem is None:
                worker.problem = f"it did not end within {limit:.0f} seconds"
        self._warn()
        self._workers = []

    def _warn(self) -> None:
        for worker in [worker for worker in self._workers if worker.problem is not None and not worker.told]:
            worker.told = True
            assert self._job is not None
            self._job.log(
                "warning",
                f"{_LABELS[worker.name]}: {worker.problem}; nothing more is reported to it, the training goes on.",
            )


class _Worker(threading.Thread):
    """One tracker; `problem` is set where it has failed."""

    def __init__(self, name: str, job: Job, trainer: Any, first: int, known: dict[bool, int]) -> None:
        super().__init__(name=name, daemon=True)
        self.problem: str | None = None
        self.told = False
        self._job, self._trainer, self._first, self._known = job, trainer, first, known
        self._waiting: queue.Queue[tuple[int, dict[str, float]] | None] = queue.Queue(_WAITING)
        self.start()

    def put(self, step: int, values: dict[str, float]) -> None:
        """Have `values` reported; never waits."""
        # TensorBoard hides what was written after the step that we went on from; the others would show it twice.
        if self.name != "tensorboard" and step <= self._known.get("eval_loss" in values, -1):
            return
        if self.problem is None:
            try:
                self._waiting.put_nowait((step, values))
            except queue.Full:
                self.problem = f"it is {_WAITING} reports behind"

    def finish(self) -> None:
        """Have it end once all is reported."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            self.problem = self.problem or f"it is {_WAITING} reports behind"

    def run(self) -> None:
        """The thread's work."""
        try:
            arguments, control, model = self._trainer.args, TrainerControl(), self._trainer.model
            callback = _MAKERS[self.name](self._job, self._first)
            callback.on_train_begin(arguments, _state(self._job.step), control, model=model)
            while (item := self._waiting.get()) is not None and self.problem is None:
                step, values = item
                callback.on_log(arguments, _state(step), control, model=model, logs=values)
            callback.on_train_end(arguments, _state(self._job.step), control, model=model)
            if self.name == "wandb":
                callback.finish()
        # A login that is missing makes some trackers leave the process.
        except (Exception, SystemExit) as error:
            text = str(error).strip()
            self.problem = shorten(f"{type(error).__name__}: {text.splitlines()[0] if text else 'no reason given'}", 300)


def _state(step: int) -> TrainerState:
    """What the callbacks want to know of a step; the Trainer's own state has gone on by then."""
    return TrainerState(global_step=step, is_world_process_zero=True, is_local_process_zero=True)


def _reported(job: Job) -> dict[bool, int]:
    """The last steps that earlier attempts have reported: of the evaluations (True) and of the training (False)."""
    found: dict[bool, int] = {}
    for event in read_jsonl(job.folder / "events.jsonl")[0]:
        if event.get("event") in ("step", "eval"):
            kind = event["event"] == "eval"
            found[kind] = max(found.get(kind, -1), int(event.get("step") or 0))
    return found


def _tensorboard(job: Job, first: int) -> TensorBoardCallback:
    from torch.utils.tensorboard import SummaryWriter

    folder = job.folder / "tensorboard"
    return TensorBoardCallback(SummaryWriter(str(folder), purge_step=first if folder.is_dir() else None))


class _Wandb(WandbCallback):
    """As transformers', on the axis of the steps, which W&B never goes back on."""

    def on_log(self, args: Any, state: Any, control: Any, model: Any = None, logs: Any = None, **kwargs: Any) -> None:
        self._wandb.log({**rewrite_logs(logs), _PLACE: state.global_step}, step=state.global_step)

    def finish(self) -> None:
        """Send what is left."""
        self._wandb.finish()


def _start_wandb(job: Job, first: int) -> _Wandb:
    # Its log is ours, and its end must not wait for a network that is gone.
    settings = {"DIR": str(job.folder), "CONSOLE": "off", "FINISH_TIMEOUT": str(int(_LIMIT)), "PROJECT": PROJECT}
    for name, value in settings.items():
        os.environ.setdefault(f"WANDB_{name}", value)
    import wandb

    wandb.init(
        project=os.environ["WANDB_PROJECT"],
        id=job.folder.name,
        name=str(job.spec.get("name") or job.folder.name),
        resume="allow",
        config={"recipe": job.spec.get("recipe"), "run": job.folder.name},
    )
    return _Wandb()


class _Trackio(TrackioCallback):
    """As transformers', on the axis of the steps."""

    def on_log(self, args: Any, state: Any, control: Any, model: Any = None, logs: Any = None, **kwargs: Any) -> None:
        self._trackio.log({**rewrite_logs(logs), _PLACE: state.global_step}, step=state.global_step)


_MAKERS: dict[str, Any] = {
    "tensorboard": _tensorboard,
    "wandb": _start_wandb,
    "trackio": lambda job, first: _Trackio(),
}
