"""What the monitor shows of a run: read and prepared in a thread, handed over as plain values."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import DiapasonError
from core.preferring import preference_line
from core.runs.course import Course
from core.runs.folder import RunFolder, list_runs
from core.runs.portions import Portion
from core.runs.series import number, whole
from core.runs.tail import Tail, last_lines, lines_with
from core.runs.view import RunView
from core.runs.watch.board import RunWarning
from tui.screens.monitor_axis import Knots, knots
from tui.screens.monitor_curves import Line, Lines
from tui.screens.monitor_reading import Reading
from tui.screens.monitor_rounds import Rounds
from tui.widgets.chart import Point

LOG_LINES = 400
EVENTS = 500


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
    """One look at a run. Losses in nats a token, sizes in bytes, times in seconds, `mfu` in percent.

    `card_known`: whether the speed of its card is known; None where the run does not say.
    """

    id: str
    name: str
    status: str
    reason: str | None
    hint: str | None
    partial: bool
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
    knots: Knots = field(default_factory=Knots, compare=False)
    lines: dict[str, Line] = field(default_factory=dict[str, Line])
    hardware: dict[str, tuple[Line, ...]] = field(default_factory=dict[str, tuple[Line, ...]])
    portions: tuple[Portion, ...] = field(default=(), compare=False)
    mfu: float = math.nan
    card_known: bool | None = None
    clip: float = math.nan
    retries: tuple[float, ...] = ()
    log: tuple[str, ...] = ()
    needle: str = ""
    events: tuple[dict[str, Any], ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    beside: tuple[Shown, ...] = ()
    runs: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    margin: str | None = None

    @property
    def sample_steps(self) -> list[int]:
        """Steps with answers to validation prompts, ascending."""
        return sorted(self.answers)


class MonitorReader:
    """Follows one run; used by one thread at a time."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._reading = Reading(folder)
        self._course: Course | None = None
        self._taken = -1
        self._knots = Knots()
        self._lines = Lines()
        self._portions: tuple[Portion, ...] = ()
        self._runner = Tail(folder.runner_events)
        self._retries: list[float] = []
        self._notes: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self.needle = ""
        self.wanted: tuple[str, ...] = ()
        self.beside: tuple[MonitorReader, ...] = ()
        self._log_mark: Any = None
        self._log: tuple[str, ...] = ()
        self._rounds = Rounds(folder)

    def read(self) -> Shown:
        """Look at the run now, and at those beside it; only the loss, and what is `wanted`, comes in lines."""
        wanted = ("loss", *self.wanted)
        view, course, machine = self._reading.look()
        for event in self._runner.read():
            self._notes.append(event)
            if event.get("event") == "oom_retry":
                self._retries.append(number(event.get("t")))
        if course is not self._course:
            self._course, self._taken, self._lines = course, -1, Lines()
        if course.taken != self._taken:
            self._taken, self._knots = course.taken, knots(course)
            self._portions = course.portions.now()
        self._read_log(view)
        recipe = _recipe(view.folder)
        train = _mapping(recipe.get("train"))
        epochs = number((view.start or {}).get("epochs"))
        return Shown(
            id=view.id,
            name=view.name,
            status=view.status,
            reason=view.reason,
            hint=view.hint,
            partial=self._reading.partial,
            final=view.final,
            step=view.step,
            total=view.total_steps,
            epoch=view.epoch,
            epochs=epochs if math.isfinite(epochs) else number(train.get("epochs")),
            left=view.eta_seconds,
            elapsed=view.elapsed_seconds,
            best=view.best,
            evals=tuple((number(row.get("step")), number(row.get("loss"))) for row in view.evals),
            checkpoints=tuple((whole(row.get("step")), bool(row.get("best"))) for row in view.checkpoints),
            restarts=tuple(view.restarts),
            rate=_last(course.learning_rate),
            norm=_last(course.grad_norm),
            speed=_recent_mean(course.tokens_per_second),
            tokens=_last(course.tokens),
            # Copies: the reader goes on with its own in another thread.
            warnings=tuple(replace(warning) for warning in view.warnings if warning.until is None),
            peak=number((view.preflight or {}).get("peak_memory_bytes")),
            machine=view.gpu or {},
            evaluated=(view.folder.evaluation / "result.json").is_file(),
            jobs=tuple(_job(job) for job in view.jobs()),
            mirror=view.mirror,
            answers=_answers(view.samples),
            knots=self._knots,
            lines=self._lines.of_steps(course, wanted),
            hardware=self._lines.of_machine(machine, wanted),
            portions=self._portions,
            mfu=100 * _recent_mean(course.mfu),
            card_known=_card_known(view.start or {}),
            clip=number(train.get("max_grad_norm")),
            retries=tuple(self._retries),
            log=self._log,
            needle=self.needle,
            events=_happened(self._notes, view.log),
            recipe=recipe,
            beside=tuple(reader.read() for reader in self.beside),
            runs=tuple(run.id for run in list_runs()),
            rounds=self._rounds.read(view.status),
            margin=preference_line(view.evals),
        )

    def close(self) -> None:
        """End what reads for it."""
        self._reading.close()
        for reader in self.beside:
            reader.close()

    def _read_log(self, view: RunView) -> None:
        path, needle = view.log_file, self.needle
        try:
            about = path.stat()
            mark: Any = (path, about.st_size, about.st_mtime_ns, needle)
        except OSError:
            mark = (path, None, view.status, needle)
        if mark != self._log_mark:
            self._log_mark = mark
            lines = lines_with(path, needle, LOG_LINES) if needle else last_lines(path, LOG_LINES)
            self._log = tuple(lines)


def _card_known(start: dict[str, Any]) -> bool | None:
    return None if "peak_flops" not in start else math.isfinite(number(start["peak_flops"]))


def _recipe(folder: RunFolder) -> dict[str, Any]:
    """Its recipe; empty where its spec.json is damaged: what it did can be seen all the same."""
    try:
        return _mapping(folder.spec().get("recipe"))
    except DiapasonError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _happened(notes: Iterable[dict[str, Any]], log: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """What the runner did and what the job said, by the clock."""
    found = [*notes, *log[-EVENTS:]]
    return tuple(sorted(found, key=lambda event: _clock(event.get("t")))[-EVENTS:])


def _clock(value: Any) -> float:
    moment = number(value)
    return moment if math.isfinite(moment) else 0.0


def _last(values: Sequence[float]) -> float:
    return values[-1] if values else math.nan


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
