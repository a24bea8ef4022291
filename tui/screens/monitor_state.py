"""What the monitor shows of a run: read and prepared in a thread, handed over as plain values."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.runs.folder import RunFolder
from core.runs.series import number, whole
from core.runs.view import RunView
from core.runs.watch.board import RunWarning
from tui.widgets.chart import Curve, Point
from tui.widgets.decimate import Decimated, smooth

LOG_LINES = 400


@dataclass(frozen=True)
class JobState:
    """One job of the run: evaluate or generate."""

    kind: str
    status: str
    phase: str
    done: int
    total: int
    reason: str | None


@dataclass(frozen=True)
class Answer:
    """The answer to one validation prompt at one step."""

    index: int
    prompt: str
    answer: str
    reference: str


@dataclass(frozen=True)
class Shown:
    """One look at a run. Losses in nats a token, sizes in bytes, times in seconds."""

    id: str
    name: str
    status: str
    reason: str | None
    hint: str | None
    final: bool
    step: int
    total: int
    epoch: float
    epochs: float
    left: float | None
    elapsed: float
    best: tuple[int, float] | None
    evals: tuple[Point, ...]
    checkpoints: tuple[tuple[int, bool], ...]
    restarts: tuple[int, ...]
    rate: float
    norm: float
    speed: float
    tokens: float
    warnings: tuple[RunWarning, ...]
    peak: float
    machine: dict[str, Any]
    evaluated: bool
    jobs: tuple[JobState, ...]
    mirror: dict[str, Any] | None = None
    answers: dict[int, tuple[Answer, ...]] = field(default_factory=dict[int, tuple[Answer, ...]])
    curves: dict[str, tuple[Curve, ...]] = field(default_factory=dict[str, tuple[Curve, ...]])
    log: tuple[str, ...] = ()

    @property
    def sample_steps(self) -> list[int]:
        """Steps with answers to validation prompts, ascending."""
        return sorted(self.answers)


class MonitorReader:
    """Follows one run; used by one thread at a time."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._view: RunView | None = None
        self._series = {name: Decimated() for name in ("loss", "grad_norm", "learning_rate", "tokens_per_second")}
        self._log_mark: Any = None
        self._log: tuple[str, ...] = ()

    def read(self) -> Shown:
        """Look at the run now."""
        if self._view is None:
            self._view = RunView(self.folder)
        else:
            self._view.refresh()
        view = self._view
        steps = view.steps
        xs = [float(step) for step in steps.step]
        for name, series in self._series.items():
            series.follow(xs, getattr(steps, name))
        self._read_log(view)
        last = len(steps) - 1
        recipe = view.folder.spec().get("recipe")
        train = recipe.get("train") if isinstance(recipe, dict) else None
        epochs = number((view.start or {}).get("epochs"))
        if math.isnan(epochs):
            epochs = number(train.get("epochs")) if isinstance(train, dict) else math.nan
        return Shown(
            id=view.id,
            name=view.name,
            status=view.status,
            reason=view.reason,
            hint=view.hint,
            final=view.final,
            step=view.step,
            total=view.total_steps,
            epoch=view.epoch,
            epochs=epochs,
            left=view.eta_seconds,
            elapsed=view.elapsed_seconds,
            best=view.best,
            evals=tuple((number(row.get("step")), number(row.get("loss"))) for row in view.evals),
            checkpoints=tuple((whole(row.get("step")), bool(row.get("best"))) for row in view.checkpoints),
            restarts=tuple(view.restarts),
            rate=steps.learning_rate[last] if last >= 0 else math.nan,
            norm=steps.grad_norm[last] if last >= 0 else math.nan,
            speed=_recent_mean(steps.tokens_per_second),
            tokens=steps.tokens[last] if last >= 0 else math.nan,
            # Copies: the reader goes on with its own in another thread.
            warnings=tuple(replace(warning) for warning in view.warnings if warning.until is None),
            peak=number((view.preflight or {}).get("peak_memory_bytes")),
            machine=view.gpu or {},
            evaluated=(view.folder.evaluation / "result.json").is_file(),
            jobs=tuple(_job(job) for job in view.jobs()),
            mirror=view.mirror,
            answers=_answers(view.samples),
            curves={name: _curves(name, series) for name, series in self._series.items()},
            log=self._log,
        )

    def _read_log(self, view: RunView) -> None:
        path = view.folder.attempt_log(view.attempt)
        try:
            about = os.stat(path)  # noqa: PTH116
            mark: Any = (path, about.st_size, about.st_mtime_ns)
        except OSError:
            mark = (path, None, view.status)
        if mark != self._log_mark:
            self._log_mark = mark
            self._log = tuple(line.rstrip("\r\n").rpartition("\r")[2] for line in view.log_tail(LOG_LINES))


def _curves(name: str, series: Decimated) -> tuple[Curve, ...]:
    """The course of a column, raw and smooth."""
    buckets = series.buckets
    raw = Curve("$text-disabled", band=[(bucket.x, bucket.low, bucket.high) for bucket in buckets if bucket.count])
    points = sum(bucket.points for bucket in buckets)
    # The rate is exact: smoothing would show one that never was.
    span = 0.01 if name == "learning_rate" else max(2.0, points / 60)
    return raw, Curve("$accent" if name == "loss" else "$text-muted", smooth(buckets, span))


def _recent_mean(values: Sequence[float], count: int = 20) -> float:
    recent = [value for value in values[-count:] if math.isfinite(value)]
    return sum(recent) / len(recent) if recent else math.nan


def _job(view: RunView) -> JobState:
    progress = view.progress or {}
    return JobState(
        view.kind,
        view.status,
        str(progress.get("phase") or ""),
        whole(progress.get("done")),
        whole(progress.get("total")),
        view.reason,
    )


def _answers(samples: Sequence[dict[str, Any]]) -> dict[int, tuple[Answer, ...]]:
    """Step → answers by index of the prompt."""
    found: dict[int, list[Answer]] = {}
    for row in samples:
        prompt = row.get("prompt")
        messages = [item for item in prompt if isinstance(item, dict)] if isinstance(prompt, list) else []
        asked = str(messages[-1].get("content") or "") if messages else str(prompt or "")
        answer = Answer(whole(row.get("index")), asked, str(row.get("answer") or ""), str(row.get("reference") or ""))
        found.setdefault(whole(row.get("step")), []).append(answer)
    return {step: tuple(sorted(rows, key=lambda item: item.index)) for step, rows in found.items()}
