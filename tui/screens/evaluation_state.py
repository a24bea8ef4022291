"""What the evaluation screen shows: the result, the answers row by row, and the job that makes them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evaluation.records import references_of
from core.evaluation.result import ANSWERS, EvaluationResult, read_result
from core.files import read_jsonl
from core.runs.course_cache import quick
from core.runs.folder import RunFolder
from core.runs.glimpse import glimpse
from core.runs.series import number, whole
from core.runs.view import RunView


@dataclass(frozen=True)
class Case:
    """One test row with the answer of each arm. `references`: all accepted answers. `losses`: nats a reference token
    by arm, where they were measured. `given`: what an arm had beside the prompt: documents, lines of examples."""

    row: int
    line: int | None
    prompt: str
    turns: int
    references: tuple[str, ...]
    answers: dict[str, str]
    losses: dict[str, float]
    given: dict[str, str] = field(default_factory=dict[str, str])

    def differ(self, left: str, right: str) -> bool:
        """Whether two arms answered differently, white space at the ends aside."""
        return self.answers.get(left, "").strip() != self.answers.get(right, "").strip()

    def gain(self, left: str, right: str) -> float:
        """Nats a token by which `right` finds the reference likelier than `left` does; NaN where unknown."""
        return self.losses.get(left, math.nan) - self.losses.get(right, math.nan)

    def distance(self, left: str, right: str) -> float:
        """How far the wording of two answers is apart: 0 for the same words, 1 for none in common (Dice, 1945)."""
        ours, theirs = (Counter(self.answers.get(arm, "").split()) for arm in (left, right))
        total = ours.total() + theirs.total()
        return 1 - 2 * (ours & theirs).total() / total if total else 0.0


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
            arms = [arm.name for arm in self._result.arms] if self._result else []
            self._cases = tuple(
                case for case in read_cases(self.folder.evaluation / ANSWERS) if set(arms) <= case.answers.keys()
            )
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
                references=tuple(references_of({"reference": "", **record})),
                answers={},
                losses={},
            )
        case.answers[arm] = answer
        case.given[arm] = _given(record)
        tokens = number(record.get("answer_tokens"))
        if tokens > 0:
            case.losses[arm] = number(record.get("nll")) / tokens
    return tuple(found[row] for row in sorted(found))


def _given(record: dict[str, Any]) -> str:
    """The documents, or the lines of training examples, that an arm had in its prompt; empty where it had none."""
    sources, lines = (
        found if isinstance(found := record.get(name), list) else [] for name in ("sources", "examples")
    )
    names = [str(item.get("source")) for item in sources if isinstance(item, dict)]
    if names:
        return "from " + ", ".join(dict.fromkeys(names))
    return "training lines " + ", ".join(map(str, lines)) if lines else ""


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns
