"""What the evaluation screen shows: the result, the answers row by row, and the job that makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.evaluation.result import ANSWERS, METRICS, Comparison, EvaluationResult, read_result
from core.files import read_jsonl
from core.runs.course_cache import quick
from core.runs.folder import RunFolder
from core.runs.glimpse import glimpse
from core.runs.series import number, whole
from core.runs.view import RunView

SURE = 0.05
TUNED = "tuned"


@dataclass(frozen=True)
class Case:
    """One test row with the answer of each arm. `losses`: nats an answer token by arm, where they were measured."""

    row: int
    line: int | None
    prompt: str
    turns: int
    reference: str
    answers: dict[str, str]
    losses: dict[str, float]

    @property
    def differ(self) -> bool:
        """Whether the arms answered differently, white space at the ends aside."""
        return len({answer.strip() for answer in self.answers.values()}) > 1

    @property
    def gain(self) -> float:
        """Nats a token by which tuning made the reference likelier than the base finds it; NaN where unknown."""
        return self.losses.get("base", math.nan) - self.losses.get(TUNED, math.nan)


@dataclass(frozen=True)
class Evaluation:
    """One look: the result where there is one, its answers, and the evaluation that works now or failed last."""

    name: str
    status: str
    result: EvaluationResult | None
    cases: tuple[Case, ...]
    working: tuple[str, int, int] | None
    failure: str | None


class EvaluationReader:
    """Follows the evaluation of one run; used by one thread at a time."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._view: RunView | None = None
        self._mark: Any = None
        self._result: EvaluationResult | None = None
        self._cases: tuple[Case, ...] = ()

    def read(self) -> Evaluation:
        """Look at the run now; the answers are read again only when they changed."""
        if self._view is None:
            self._view = (quick(self.folder) or glimpse(self.folder))[0]
        else:
            self._view.refresh()
        mark = _mark(self.folder.evaluation / "result.json")
        if mark != self._mark:
            self._result = read_result(self.folder)
            self._cases = read_cases(self.folder.evaluation / ANSWERS)
            self._mark = mark
        working, failure = _jobs(self._view)
        return Evaluation(self._view.name, self._view.status, self._result, self._cases, working, failure)


def _jobs(view: RunView) -> tuple[tuple[str, int, int] | None, str | None]:
    """(phase, done, total) of the evaluation that works or waits, and why the newest one failed."""
    jobs = [job for job in view.jobs() if job.kind == "evaluate"]
    if not jobs:
        return None, None
    newest = jobs[-1]
    if newest.status in ("queued", "running", "unsupervised", "paused"):
        progress = newest.progress or {}
        phase = str(progress.get("phase") or (newest.reason or "waiting" if newest.status == "queued" else "loading"))
        return (phase, whole(progress.get("done")), whole(progress.get("total"))), None
    if newest.status == "completed":
        return None, None
    return None, f"the evaluation {newest.status}: {newest.reason or 'its log says why'}"


def read_cases(path: Path) -> tuple[Case, ...]:
    """The rows of an answers.jsonl by test row; records that lack a part are passed over."""
    found: dict[int, Case] = {}
    for record in read_jsonl(path)[0]:
        row, arm, answer = record.get("row"), record.get("arm"), record.get("answer")
        if not isinstance(row, int) or not isinstance(arm, str) or not isinstance(answer, str):
            continue
        case = found.get(row)
        if case is None:
            prompt = record.get("prompt")
            messages = [item for item in prompt if isinstance(item, dict)] if isinstance(prompt, list) else []
            line = record.get("line")
            found[row] = case = Case(
                row=row,
                line=line if isinstance(line, int) else None,
                prompt=str(messages[-1].get("content") or "") if messages else "",
                turns=len(messages),
                reference=str(record.get("reference") or ""),
                answers={},
                losses={},
            )
        case.answers[arm] = answer
        tokens = number(record.get("answer_tokens"))
        if tokens > 0:
            case.losses[arm] = number(record.get("nll")) / tokens
    return tuple(found[row] for row in sorted(found))


def better(comparison: Comparison) -> bool | None:
    """True where the arm is surely better, False where surely worse, None where nothing is shown (p of .05)."""
    info = METRICS.get(comparison.metric)
    if info is None or comparison.p >= SURE or not comparison.difference:
        return None
    return (comparison.difference > 0) == info.higher_is_better


def verdict(result: EvaluationResult) -> str:
    """The answer in one sentence: did tuning make it better than the base, and than examples in the prompt?"""
    metrics = result.metrics
    if not metrics:
        return "nothing was measured"
    metric = metrics[0]
    label = METRICS[metric].label
    found = [item for item in result.comparisons if item.metric == metric and item.arm == TUNED]
    if not found:
        return f"{len(result.arms)} arms on {result.rows} rows"
    wins = [item.against for item in found if better(item)]
    losses = [item.against for item in found if better(item) is False]
    even = [item.against for item in found if better(item) is None]
    parts: list[str] = []
    if wins:
        parts.append(f"beats {_and(wins)}")
    if losses:
        parts.append(f"is worse than {_and(losses)}")
    if even:
        parts.append(f"shows no difference from {_and(even)}")
    return f"tuned {', '.join(parts)} on {label}"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns
