"""A run as a reader sees it: its files followed as they grow. Any number of readers may look at one run."""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.runs.folder import FINAL, RunFolder
from core.runs.process import boot_id
from core.runs.sample import Had, own
from core.runs.series import Series, number, whole
from core.runs.status import status_of
from core.runs.tail import Tail, last_lines, last_object
from core.runs.watch.board import RunWarning
from core.runs.watch.outside import Outside
from core.runs.watch.watch import Watch

_ETA_STEPS = 50
_KEPT = ("evals", "checkpoints", "samples", "restarts", "log", "preflight", "progress", "start", "end")


class RunView:
    """The present of one run. `refresh` reads what is new; the rest are plain attributes and properties.

    Attributes:
        status: see `core.runs.status.status_of`.
        steps: the logged steps. evals: the ``eval`` events. checkpoints: the ``checkpoint`` events.
        samples: the lines of samples.jsonl. restarts: the steps from which later attempts went on.
        log: the ``log`` events. progress: the last ``progress`` event of an evaluate or generate job.
        preflight, start, end: the last event of that name. gpu: the last hardware sample, of the run's own cards.
    """

    def __init__(
        self,
        folder: RunFolder,
        steps: Series | None = None,
        kept: dict[str, Any] | None = None,
        events: Tail | None = None,
    ) -> None:
        """Look at `folder`; the steps go to `steps`. `kept`: what `keep` gave an earlier reader with the same steps.

        `events`: reads events.jsonl; where it leaves some out, no watcher judges them.

        Raises:
            KeyError, TypeError, ValueError: where `kept` is none of that.
        """
        self.folder = folder
        self.status = ""
        self.state: dict[str, Any] = {}
        self.gpu: dict[str, Any] | None = None
        self._signature: tuple[Any, ...] = ()
        self._jobs: dict[str, RunView] = {}
        self._outside = Outside(folder)
        self._had = Had(folder)
        self._sampled = events is not None
        self._reset(Series() if steps is None else steps, events or Tail(folder.events))
        if kept is not None:
            self._take_back(kept)
        self.refresh()

    def _reset(self, steps: Series, events: Tail) -> None:
        self.steps = steps
        self.evals: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.restarts: list[int] = []
        self.log: list[dict[str, Any]] = []
        self.preflight: dict[str, Any] | None = None
        self.progress: dict[str, Any] | None = None
        self.start: dict[str, Any] | None = None
        self.end: dict[str, Any] | None = None
        self._events = events
        self._answers = Tail(self.folder.samples)
        self._seconds = 0.0
        self._first: float | None = None
        self._last: float | None = None
        self._watch = Watch()

    def keep(self) -> dict[str, Any]:
        """All that was read but the steps, as JSON (with NaN), to go on from later."""
        return {
            **{name: getattr(self, name) for name in _KEPT},
            "events": self._events.position,
            "answers": self._answers.position,
            "worked": [self._seconds, self._first, self._last],
            "watch": self._watch.keep(),
        }

    def _take_back(self, kept: dict[str, Any]) -> None:
        for name in _KEPT:
            setattr(self, name, kept[name])
        for tail, name in ((self._events, "events"), (self._answers, "answers")):
            inode, offset = kept[name]
            tail.seek((int(inode), int(offset)))
        self._seconds, self._first, self._last = kept["worked"]
        self._watch.take_back(kept["watch"])

    def refresh(self) -> bool:
        """Read what was written since the last call. True where anything changed."""
        before = (self._signature, self.status)
        signature = (_mark(self.folder.state_file), _mark(self.folder.gpu))
        if signature[0] != (self._signature or (None,))[0] or not self.state:
            self.state = self.folder.state()
        if signature[1] != (self._signature or (None, None))[1]:
            self._had.refresh()
            sample = last_object(self.folder.gpu)
            self.gpu = None if sample is None else own(sample, self._had.at(number(sample.get("t"))))
        changed = False
        for event in self._events.read():
            self._take(event)
            changed = True
        for sample in self._answers.read():
            self._take_sample(sample)
            changed = True
        self._signature = signature
        self.status = status_of(self.folder, self.state)
        if self.status in FINAL and self.state.get("status") != self.status:
            self.state = self.folder.state()
        held = set(self._watch.holding)
        self._look_around()
        changed = changed or held != set(self._watch.holding)
        return changed or before != (self._signature, self.status)

    def _look_around(self) -> None:
        if self._sampled:
            return
        if self.status in ("running", "unsupervised") and self.start is not None and self.end is None:
            self._watch.look(self._outside.look(self.start, self.checkpoints, self.attempt))
        else:
            self._watch.rest()

    def _take(self, event: dict[str, Any]) -> None:
        if not self._sampled:
            self._watch.take(event)
        name = event.get("event")
        moment = number(event.get("m"))
        if name == "start":
            self._begin(event, moment)
        elif math.isfinite(moment):
            # Jobs that do not train write no start.
            self._first = moment if self._first is None else self._first
            self._last = moment
        if name == "step":
            self.steps.add(event)
        elif name == "eval":
            self.evals.append(event)
        elif name == "checkpoint":
            self.checkpoints.append(event)
        elif name == "log":
            self.log.append(event)
        elif name == "preflight":
            self.preflight = event
        elif name == "progress":
            self.progress = event
        elif name == "end":
            self.end = event

    def _begin(self, event: dict[str, Any], moment: float) -> None:
        if self._first is not None and self._last is not None:
            self._seconds += max(0.0, self._last - self._first)
        self._first = self._last = moment if math.isfinite(moment) else None
        if self.start is not None:
            # What was trained after the checkpoint that this attempt goes on from is lost: it comes again.
            back = whole(event.get("resumed_from"))
            self.restarts.append(back)
            self.steps.cut(back)
            for rows in (self.evals, self.checkpoints):
                rows[:] = [row for row in rows if whole(row.get("step")) <= back]
            self.samples[:] = [row for row in self.samples if whole(row.get("step")) <= back]
        self.start = event
        self.end = None

    def _take_sample(self, sample: dict[str, Any]) -> None:
        key = (sample.get("step"), sample.get("index"))
        for place in range(len(self.samples) - 1, -1, -1):
            if (self.samples[place].get("step"), self.samples[place].get("index")) == key:
                self.samples[place] = sample
                return
        self.samples.append(sample)

    @property
    def id(self) -> str:
        """The run's identifier."""
        return self.folder.id

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """train, evaluate or generate."""
        return self.folder.kind

    @property
    def final(self) -> bool:
        """Whether the run has ended for good."""
        return self.status in FINAL

    @property
    def reason(self) -> str | None:
        """Why the run is where it is, in one sentence."""
        if self.status == "interrupted":
            return "its runner and its job are gone: the machine was restarted, or both were killed"
        if self.status == "unsupervised":
            return "its runner was killed; the job works on"
        found = self.state.get("reason")
        return str(found) if found else None

    @property
    def hint(self) -> str | None:
        """What a person can do about it."""
        owner = self.folder.parent
        if self.status == "interrupted":
            if owner is not None:
                return "Ask for it again: what was answered by then is kept."
            return f"`diapason resume {self.folder.id}` goes on from the last sealed checkpoint."
        if self.status == "unsupervised":
            return "The next `diapason` command takes charge of it again."
        found = self.state.get("hint")
        return re.sub(r"\bRUN\b", (owner or self.folder).id, str(found)) if found else None

    @property
    def mirror(self) -> dict[str, Any] | None:
        """How far it is copied elsewhere: ``{status: copying|ok|failing, step, at, reason}``; None: it is not."""
        found = self.state.get("mirror")
        return found if isinstance(found, dict) else None

    @property
    def attempt(self) -> int:
        """Number of times that the job was started."""
        return whole(self.state.get("attempt"))

    @property
    def step(self) -> int:
        """The last optimizer step that was logged or sealed."""
        last = self.steps.step[-1] if self.steps.step else 0
        return max(last, whole((self.end or {}).get("step")), self.restarts[-1] if self.restarts else 0)

    @property
    def total_steps(self) -> int:
        """Optimizer steps that the run will take; 0 while unknown."""
        return whole((self.start or {}).get("total_steps")) or whole(self.state.get("total_steps"))

    @property
    def epoch(self) -> float:
        """Passes over the training rows so far."""
        return self.steps.epoch[-1] if self.steps.epoch else 0.0

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, validation loss) of the lowest finite validation loss."""
        found = [(number(row.get("loss")), whole(row.get("step"))) for row in self.evals]
        finite = [pair for pair in found if math.isfinite(pair[0])]
        if not finite:
            return None
        loss, step = min(finite)
        return step, loss

    @property
    def elapsed_seconds(self) -> float:
        """Seconds that the job has worked, over all attempts, by the monotonic clock."""
        total = self._seconds
        if self._first is None or self._last is None:
            return total
        total += max(0.0, self._last - self._first)
        runner = self.state.get("runner") or {}
        # The monotonic clock is the machine's: it can be compared only within one boot.
        if self.status in ("running", "unsupervised") and not self.end and runner.get("boot_id") == boot_id():
            total += max(0.0, time.monotonic() - self._last)
        return total

    @property
    def gpu_hours(self) -> float | None:
        """Hours worked times the cards that it has; None where it does not work on a GPU."""
        start = self.start or {}
        # A GPU is told by its name.
        if start.get("device") in (None, "", "cpu"):
            return None
        return self.elapsed_seconds / 3600 * max(1, whole(start.get("world_size"), 1))

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the last step at the pace of the last 50, evaluations included; None while unknown."""
        if self.final or self.status == "interrupted" or not self.total_steps:
            return None
        left = self.total_steps - self.step
        # The pace of this attempt only: time passes between two, and a reboot starts another clock.
        first = bisect_right(self.steps.step, self.restarts[-1]) if self.restarts else 0
        begin = max(first, len(self.steps) - _ETA_STEPS - 1)
        done = self.steps.step[-1] - self.steps.step[begin] if begin < len(self.steps) else 0
        if done > 0:
            return max(0.0, left * (self.steps.m[-1] - self.steps.m[begin]) / done)
        expected = number((self.preflight or {}).get("eta_seconds"))
        return expected if math.isfinite(expected) else None

    @property
    def warnings(self) -> Sequence[RunWarning]:
        """What the watchers noticed, oldest first; ``until`` is None for what holds still."""
        return self._watch.warnings

    def log_tail(self, count: int) -> list[str]:
        """The last `count` lines of the job's log (the runner's, before the first attempt), raw: not yet inert."""
        return last_lines(self.log_file, count)

    @property
    def log_file(self) -> Path:
        """The job's log of the present attempt; the runner's, before the first."""
        log = self.folder.attempt_log(self.attempt)
        return log if self.attempt and log.exists() else self.folder.runner_log

    def jobs(self) -> list[RunView]:
        """The run's own jobs (evaluate, generate), oldest first, refreshed."""
        folders = self.folder.jobs()
        for folder in folders:
            if folder.id in self._jobs:
                self._jobs[folder.id].refresh()
            else:
                self._jobs[folder.id] = RunView(folder)
        return [self._jobs[folder.id] for folder in folders]


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
