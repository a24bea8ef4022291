"""What the first screen shows, read from the run folders in a thread: plain values, compared to draw only changes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Literal

from core.errors import DiapasonError
from core.files import read_json, read_jsonl, write_json
from core.home import cache_dir
from core.runs.folder import RunFolder, list_runs
from core.runs.view import RunView
from tui.format import ago, count, duration
from tui.looks import Looks
from tui.recent import recent

# A larger file is checked when the person opens it, not behind the first screen's back.
CHECKED_BYTES = 20_000_000
DATA_SHOWN = 6
_RUNNING = ("running", "unsupervised", "paused")
NextAction = Literal["data", "new", "monitor", "evaluation", "judge", "resume"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the first screen shows it. `working`: what a job of it does now; `pairs`: answers to judge."""

    id: str
    name: str
    what: str
    status: str
    reason: str | None
    hint: str | None
    step: int
    total: int
    epoch: float
    epochs: float
    loss: float | None
    left: float | None
    when: float
    working: str | None
    evaluated: bool
    judged: int
    pairs: int
    verdict: str | None


@dataclass(frozen=True, slots=True)
class DataRow:
    """One data file as the first screen shows it; None where it was not checked."""

    path: Path
    when: float
    size: int | None
    format: str | None = None
    rows: int | None = None
    usable: int | None = None
    errors: int | None = None
    warnings: int | None = None


@dataclass(frozen=True, slots=True)
class JudgingRow:
    """A judging with a name of its own, or one of a run that was begun and not ended; `run`: that run's id."""

    name: str
    judged: int
    pairs: int
    judges: tuple[str, ...]
    when: float
    run: str | None = None


@dataclass(frozen=True, slots=True)
class NextStep:
    """The one thing to do next, and the run or the data file that it is about. `verb` is what enter does."""

    text: str
    verb: str
    action: NextAction
    run: str | None = None
    hint: str | None = None
    bad: bool = False
    path: Path | None = None
    judging: str | None = None


class HomeReader:
    """Follows every run of the home; used by one thread at a time."""

    def __init__(self) -> None:
        self.looks = Looks()
        self._judged: dict[str, tuple[Any, tuple[int, int, str | None]]] = {}
        self._named: dict[str, tuple[Any, JudgingRow]] = {}

    def runs(self) -> tuple[RunRow, ...]:
        """Every run, newest first."""
        rows: list[RunRow] = []
        for folder in list_runs():
            rows.append(self._row(self.looks.look(folder), partial=self.looks.is_partial(folder)))
        return tuple(rows)

    def _row(self, view: RunView, *, partial: bool) -> RunRow:
        spec = _dict(_spec(view.folder))
        recipe = _dict(spec.get("recipe"))
        judged, pairs, verdict = self._judging(view.folder)
        evaluated = (view.folder.evaluation / "result.json").is_file()
        return RunRow(
            id=view.id,
            name=view.name,
            what=_what(recipe, spec),
            status=view.status,
            reason=view.reason,
            hint=view.hint,
            step=view.step,
            total=view.total_steps,
            epoch=view.epoch,
            epochs=_number((view.start or {}).get("epochs"))
            or _number(_dict(recipe.get("train")).get("epochs"))
            or 0.0,
            loss=view.best[1] if view.best and not partial else None,
            left=view.eta_seconds,
            when=_number(view.state.get("ended")) or _number(spec.get("created")) or 0.0,
            working=_working(view),
            evaluated=evaluated,
            judged=judged,
            pairs=pairs,
            verdict=verdict,
        )

    def _judging(self, folder: RunFolder) -> tuple[int, int, str | None]:
        from core.judging.place import vote_files

        files = (
            folder.judging / "session.json",
            *vote_files(folder.judging),
            folder.judging / "answers.jsonl",
            folder.evaluation / "answers.jsonl",
        )
        marks = tuple(_mark(path) for path in files)
        kept = self._judged.get(folder.id)
        if kept is None or kept[0] != marks:
            value = _judging(folder.path) if any(marks) else (0, 0, None)
            kept = self._judged[folder.id] = (marks, value)
        return kept[1]

    def judgings(self, runs: tuple[RunRow, ...]) -> tuple[JudgingRow, ...]:
        """The named judgings, the one with the latest vote first, then those of `runs` that were begun, not ended."""
        from core.judging.place import SESSION, list_judgings, vote_files
        from core.judging.progress import progress_of

        found: list[JudgingRow] = []
        for judging in list_judgings():
            marks = tuple(_mark(path) for path in (judging.folder / SESSION, *vote_files(judging.folder)))
            kept = self._named.get(judging.name)
            if kept is None or kept[0] != marks:
                progress = progress_of(judging)
                if progress is None or progress.problem:
                    continue
                row = JudgingRow(judging.name, progress.judged, progress.asked, progress.judges, progress.when)
                kept = self._named[judging.name] = (marks, row)
            found.append(kept[1])
        begun = (row for row in runs if 0 < row.judged < row.pairs)
        return (*found, *(JudgingRow(row.name, row.judged, row.pairs, (), row.when, row.id) for row in begun))


def _judging(run: Path) -> tuple[int, int, str | None]:
    """(pairs judged, pairs to judge, the verdict once all are judged) of a run."""
    from core.judging import results, session, votes

    try:
        found = session.load(run)
        if found is not None:
            cast = votes.read_votes(found)
            asked = found.asked
            seen = cast.by_pair()
            judged = sum(bool(seen.get(pair.id)) for pair in asked)
            verdict = results.results(found, cast).verdict() if asked and judged >= len(asked) else None
            return judged, len(asked), verdict
        answers = session.find_answers(run)
    except DiapasonError:
        return 0, 0, None
    if answers is None:
        return 0, 0, None
    from core.judging.pairs import pair_up

    ready = sum(not pair.identical for pair in pair_up(read_jsonl(answers)[0]))
    return 0, min(session.COUNT, ready), None


def _what(recipe: dict[str, Any], spec: dict[str, Any]) -> str:
    method = str(recipe.get("method", ""))
    rank = _dict(recipe.get("lora")).get("r")
    shown = {"lora": "LoRA", "qlora": "QLoRA", "dpo": "DPO", "kto": "KTO"}.get(method, method) + (
        f" r{rank}" if rank and method != "full" else ""
    )
    model = str(_dict(spec.get("model")).get("name") or recipe.get("model") or "")
    return f"{shown} {model.rpartition('/')[2]}".strip()


def _working(view: RunView) -> str | None:
    for job in view.jobs():
        if job.final or job.status == "interrupted":
            continue
        verb = {"evaluate": "evaluating", "generate": "answering"}.get(job.kind, job.kind)
        if job.status == "queued":
            return f"{verb}: waiting"
        done, total = (job.progress or {}).get("done"), (job.progress or {}).get("total")
        return f"{verb} {count(done)} / {count(total)}" if done is not None and total else verb
    return None


def what_next(runs: tuple[RunRow, ...], data: tuple[DataRow, ...], judgings: tuple[JudgingRow, ...] = ()) -> NextStep:
    """The one thing to do next: what was cut off first, then what runs, then the newest run's own next step.

    A judging that waits comes before a run that needs nothing more.
    """
    for row in runs:
        if row.status == "interrupted":
            where = f" at step {count(row.step)} of {count(row.total)}" if row.total else " before its first step"
            return NextStep(f"{row.name} was cut off{where}", "resume", "resume", row.id, row.reason)
    for row in runs:
        if row.status in _RUNNING:
            left = f", {duration(row.left)} left" if row.left is not None else ""
            steps = f"step {count(row.step)} of {count(row.total)}{left}" if row.total else "getting ready"
            return NextStep(f"watch {row.name}: {steps}", "watch", "monitor", row.id)
    for row in runs:
        if row.working:
            return NextStep(f"{row.name} is trained, now {row.working}", "watch", "monitor", row.id)
    for row in runs:
        if row.status == "queued":
            return NextStep(f"{row.name} waits{': ' + row.reason if row.reason else ''}", "watch", "monitor", row.id)
    waiting = next((row for row in judgings if row.judged < row.pairs), None)
    if waiting is not None and (not runs or _settled(runs[0])):
        text = f"judge {waiting.name} ({waiting.judged} of {waiting.pairs} judged)"
        return NextStep(text, "judge", "judge", waiting.run, judging=None if waiting.run else waiting.name)
    if not runs:
        if data and data[0].usable == 0:
            text = f"no row of {data[0].path.name} can be trained on"
            return NextStep(text, "see why", "data", path=data[0].path, bad=True)
        if data:
            return NextStep(f"make a run from {data[0].path.name}", "new run", "new")
        return NextStep("open a data file, or run `diapason demo` in a shell to see it all", "open", "data")
    return _after(runs[0])


def _settled(row: RunRow) -> bool:
    """Whether a run needs nothing more."""
    return row.status == "completed" and row.evaluated and row.judged >= row.pairs


def _after(row: RunRow) -> NextStep:
    """The next step of a run that has ended."""
    if row.status == "failed":
        return NextStep(f"{row.name} failed: {row.reason or 'see its log'}", "see", "monitor", row.id, row.hint, True)
    if row.status == "stopped":
        where = f" at step {count(row.step)} of {count(row.total)}" if row.total else ""
        return NextStep(f"{row.name} was stopped{where}", "resume", "resume", row.id)
    if not row.evaluated:
        return NextStep(f"evaluate {row.name} (tuned {ago(row.when)})", "evaluate", "evaluation", row.id)
    if row.pairs and row.judged < row.pairs:
        left = f"{row.judged} of {row.pairs} judged" if row.judged else f"{row.pairs} pairs ready"
        return NextStep(f"judge {row.name} (tuned {ago(row.when)}, {left})", "judge", "judge", row.id)
    verdict = f": {row.verdict}" if row.verdict else " is evaluated"
    return NextStep(f"{row.name}{verdict}", "see", "evaluation", row.id, f"diapason chat {row.name}")


def data_files(runs: tuple[RunFolder, ...]) -> tuple[DataRow, ...]:
    """The files opened or trained on lately that are still there, the latest first, with what is known of them."""
    moments: dict[Path, float] = {}
    for path, when in recent():
        moments[path] = max(when, moments.get(path, 0.0))
    for folder in runs:
        spec = _dict(_spec(folder))
        for value in _dict(_dict(spec.get("recipe")).get("data")).values():
            # Beside paths the section holds the format, shares and seeds.
            if isinstance(value, str) and value.startswith("/"):
                path = Path(value)
                moments[path] = max(_number(spec.get("created")) or 0.0, moments.get(path, 0.0))
    known = _dict(read_json(cache_dir() / "home-data.json"))
    rows: list[DataRow] = []
    for path, when in sorted(moments.items(), key=lambda item: -item[1]):
        mark = _mark(path)
        if mark is None:
            continue
        row = DataRow(path, when, mark[0])
        entry = _dict(known.get(str(path)))
        if entry.get("mark") == list(mark):
            row = replace(row, **{key: entry.get(key) for key in _KEPT})
        rows.append(row)
        if len(rows) == DATA_SHOWN:
            break
    return tuple(rows)


_KEPT = ("format", "rows", "usable", "errors", "warnings")


def check_data(row: DataRow, left: Event) -> DataRow:
    """Check the file of `row` and keep the figures in the cache.

    Raises:
        CheckCancelled: `left` was set.
        DiapasonError: it cannot be read.
    """
    from core.data.report import check

    mark = _mark(row.path)
    report = check(row.path, progress=lambda rows, size: not left.is_set())
    severities = [finding.severity for finding in report.findings]
    found = replace(
        row,
        format=report.format or "unknown",
        rows=report.rows_total,
        usable=report.rows_valid,
        errors=severities.count("error"),
        warnings=severities.count("warning"),
    )
    known = _dict(read_json(cache_dir() / "home-data.json"))
    known[str(row.path)] = {"mark": mark, **{key: getattr(found, key) for key in _KEPT}}
    write_json(cache_dir() / "home-data.json", known)
    return found


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns


def _spec(folder: RunFolder) -> Any:
    try:
        return folder.spec()
    except DiapasonError:
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
