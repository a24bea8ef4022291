"""What a run reports to TensorBoard, Weights & Biases and trackio, through the callbacks of transformers.

Each tracker works in a thread of its own: one that is slow, asks for a login, or hangs costs the training nothing.
One that fails is named in a warning and hears no more.
"""

from __future__ import annotations

import math
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
from core.reporting import PROJECT
from core.text import shorten

_LABELS = {"tensorboard": "TensorBoard", "wandb": "Weights & Biases", "trackio": "trackio"}
_WAITING = 10_000
# Seconds that W&B itself takes at most to send what is left.
_FINISH = 60
# W&B takes no longer identifiers; ours begin with a ULID.
_WANDB_ID = 64
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
        for name in dict.fromkeys(names):
            self._workers.append(_Worker(name, job, trainer, job.step + 1 if resumed else 0))

    def log(self, step: int, values: dict[str, Any]) -> None:
        """Report the numbers among `values`; those whose name begins with ``eval_`` count as evaluation."""
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        numbers = {name: value for name, value in numbers.items() if math.isfinite(value)}
        for worker in self._workers:
            worker.put(step, numbers)
        self._warn()

    def close(self, limit: float) -> None:
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

    def __init__(self, name: str, job: Job, trainer: Any, first: int) -> None:
        super().__init__(name=name, daemon=True)
        self.problem: str | None = None
        self.told = False
        self._job, self._trainer, self._first = job, trainer, first
        self._waiting: queue.Queue[tuple[int, dict[str, float]] | None] = queue.Queue(_WAITING)
        self.start()

    def put(self, step: int, values: dict[str, float]) -> None:
        """Have `values` reported; never waits."""
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
            known = callback.known(self._job)
            while (item := self._waiting.get()) is not None and self.problem is None:
                step, values = item
                # What a restart trains again would show twice.
                if step > known.get("eval" if "eval_loss" in values else "step", -1):
                    callback.on_log(arguments, _state(step), control, model=model, logs=values)
            callback.on_train_end(arguments, _state(self._job.step), control, model=model)
        # A login that is missing makes some trackers leave the process.
        except (Exception, SystemExit) as error:
            first = (str(error).strip() or "no reason given").splitlines()[0]
            self.problem = shorten(f"{type(error).__name__}: {first}", 300)


def _state(step: int) -> TrainerState:
    """What the callbacks want to know of a step; the Trainer's own state has gone on by then."""
    return TrainerState(global_step=step, is_world_process_zero=True, is_local_process_zero=True)


class _TensorBoard(TensorBoardCallback):
    """As transformers', in the run's folder; it hides by itself what was written after the step we went on from."""

    def __init__(self, job: Job, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = job.folder / "tensorboard"
        super().__init__(SummaryWriter(str(folder), purge_step=first if folder.is_dir() else None))

    def known(self, job: Job) -> dict[str, int]:
        """The last steps (``step``, ``eval``) that it shows, whatever is reported; empty where there are none."""
        return {}


class _Wandb(WandbCallback):
    """As transformers', on the axis of the steps, which W&B never goes back on."""

    def __init__(self, job: Job, first: int) -> None:
        # Its log is ours, and its end must not wait for a network that is gone.
        settings = {"DIR": str(job.folder), "CONSOLE": "off", "FINISH_TIMEOUT": str(int(_FINISH)), "PROJECT": PROJECT}
        for name, value in settings.items():
            os.environ.setdefault(f"WANDB_{name}", value)
        super().__init__()
        self._wandb.init(
            project=os.environ["WANDB_PROJECT"],
            id=job.folder.name[:_WANDB_ID],
            name=str(job.spec.get("name") or job.folder.name),
            resume="allow",
            config={"recipe": job.spec.get("recipe"), "run": job.folder.name},
        )

    def known(self, job: Job) -> dict[str, int]:
        """The last steps that the server has; offline, those that earlier attempts have reported."""
        begin = int(self._wandb.run.step)
        return {"step": begin - 1, "eval": begin - 1} if begin else _reported(job)

    def on_log(self, args: Any, state: Any, control: Any, model: Any = None, logs: Any = None, **kwargs: Any) -> None:
        """As transformers', by the step."""
        self._wandb.log({**rewrite_logs(logs), _PLACE: state.global_step}, step=state.global_step)

    def on_train_end(self, *arguments: Any, **options: Any) -> None:
        """Send what is left."""
        super().on_train_end(*arguments, **options)
        self._wandb.finish()


class _Trackio(TrackioCallback):
    """As transformers', on the axis of the steps."""

    def __init__(self, job: Job, first: int) -> None:
        super().__init__()

    def known(self, job: Job) -> dict[str, int]:
        """The last steps that it has; where it does not tell, those that earlier attempts have reported."""
        begin = getattr(self._trackio.context_vars.current_run.get(), "_next_step", None)
        return _reported(job) if begin is None else {"step": begin - 1, "eval": begin - 1}

    def on_log(self, args: Any, state: Any, control: Any, model: Any = None, logs: Any = None, **kwargs: Any) -> None:
        """As transformers', by the step."""
        self._trackio.log({**rewrite_logs(logs), _PLACE: state.global_step}, step=state.global_step)


def _reported(job: Job) -> dict[str, int]:
    """The last ``step`` and ``eval`` that earlier attempts have reported."""
    found: dict[str, int] = {}
    if job.attempt > 1:
        for event in _before(job):
            if event.get("event") in ("step", "eval"):
                found[event["event"]] = max(found.get(event["event"], -1), int(event.get("step") or 0))
    return found


def _before(job: Job) -> list[dict[str, Any]]:
    """The events of earlier attempts: this one may have written some already."""
    events = read_jsonl(job.folder / "events.jsonl")[0]
    begin = max((place for place, event in enumerate(events) if event.get("event") == "start"), default=0)
    return events[:begin]


_MAKERS = {"tensorboard": _TensorBoard, "wandb": _Wandb, "trackio": _Trackio}
