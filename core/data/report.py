"""The verdict on a data file: every finding, where it is, and what to do."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.data.checks.amount import check_amount, check_labels
from core.data.checks.frame import check_frame
from core.data.checks.leakage import Leakage
from core.data.checks.near import NearRows
from core.data.checks.repeats import Repeated, Repeats
from core.data.dataset import Dataset, open_dataset
from core.data.findings import CODES, SEVERITIES, RowFinding, Severity, grouped
from core.data.near.copies import USUAL
from core.data.near.sample import spread
from core.data.opening import Shard
from core.data.unreadable import EmptyFile, Unreadable
from core.errors import DiapasonError

LISTED = 100
_KEPT = 1_000_000
_EVERY = 500
_KINDS = 100
Progress = Callable[[int, int], bool]
"""``progress(rows done, bytes done)``; False stops the check."""


class CheckCancelled(DiapasonError):
    """The check was stopped by its progress callback."""


@dataclass(slots=True)
class Finding:
    """One kind of finding over the whole file. `count` is exact; `rows` (from 0) keeps a million at most.

    `firsts` holds, for copies and contradictions, the first row of the group to which each of `rows` belongs;
    `matches`, for leakage, the line on which each of the first 100 rows starts and the one that it was found on.
    """

    code: str
    severity: Severity
    detail: str = ""
    count: int = 0
    message: str = ""
    rows: array[int] = field(default_factory=lambda: array("q"))
    lines: list[int] = field(default_factory=list[int])
    firsts: array[int] = field(default_factory=lambda: array("q"))
    matches: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def title(self) -> str:
        """What kind of thing it is."""
        return CODES[self.code].title

    @property
    def why(self) -> str:
        """Why it matters."""
        return CODES[self.code].why

    @property
    def hint(self) -> str:
        """What to do about it."""
        return CODES[self.code].hint

    def group(self, row: int) -> list[int]:
        """The rows that belong together with `row`, itself included; none where this finding does not touch it."""
        place = bisect_left(self.rows, row)
        if not self.firsts or place >= len(self.rows) or self.rows[place] != row:
            return []
        first = self.firsts[place]
        members = [other for other, start in zip(self.rows, self.firsts, strict=False) if start == first]
        return members if members[0] == first else [first, *members]

    def match(self, row: int) -> int | None:
        """The line, in the other file or side, that leaks into `row`; None where it does not, or is not listed."""
        place = bisect_left(self.rows, row, hi=len(self.matches)) if self.matches else 0
        return self.matches[place][1] if place < len(self.matches) and self.rows[place] == row else None

    def to_json(self, layout: str) -> dict[str, Any]:
        """The finding as `check --json` writes it."""
        document: dict[str, Any] = {
            "code": self.code,
            "detail": self.detail,
            "severity": self.severity,
            "count": self.count,
            "lines": self.lines[:LISTED],
            "message": self.message,
            "hint": self.hint,
        }
        if layout == "json":
            document["rows"] = [row + 1 for row in self.rows[:LISTED]]
        if self.matches:
            document["matches"] = [list(pair) for pair in self.matches]
        return document


@dataclass(slots=True)
class Report:
    """What `check` found. `labels` counts the classes of a classification set.

    container: what the rows were taken out of (gzip, parquet, folder …), None for a plain file. shards: the files
    of a folder. by_row: whether lines are the numbers of rows, because the original has no lines.
    """

    path: Path
    layout: str
    format: str | None
    size: int
    rows_total: int
    rows_valid: int
    invalid_lines: array[int]
    invalid_rows: array[int]
    findings: list[Finding]
    seconds: float
    task: str | None = None
    labels: Counter[str] = field(default_factory=Counter[str])
    container: str | None = None
    map: str | None = None
    shards: tuple[Shard, ...] = ()
    by_row: bool = False
    near: float | None = None
    against: Path | None = None

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def reaches(self, severity: Severity) -> bool:
        """Whether a finding is as bad as `severity` or worse."""
        worst = SEVERITIES.index(severity)
        return any(SEVERITIES.index(finding.severity) <= worst for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The document of `diapason data check --json`, schema 1 (docs/json.md)."""
        document: dict[str, Any] = {
            "schema": 1,
            "path": str(self.path),
            "layout": self.layout,
            "container": self.container,
            "format": self.format,
            "map": self.map,
            "task": self.task,
            "near": self.near,
            "against": str(self.against) if self.against else None,
            "size": self.size,
            "seconds": round(self.seconds, 3),
            "rows": {
                "total": self.rows_total,
                "valid": self.rows_valid,
                "invalid": self.rows_total - self.rows_valid,
            },
            "invalid_lines": list(self.invalid_lines),
            "findings": [finding.to_json(self.layout) for finding in self.findings],
        }
        if self.shards:
            document["files"] = [{"path": str(shard.path), "line": shard.line} for shard in self.shards]
        if self.layout == "json":
            document["invalid_rows"] = [row + 1 for row in self.invalid_rows]
        return document


def check(
    path: Path | str,
    *,
    format: str | None = None,
    task: str | None = None,
    near: float | None = USUAL,
    against: Path | str | None = None,
    progress: Progress | None = None,
    dataset: Dataset | None = None,
    map: str | None = None,
) -> Report:
    """Look at every row of a data file once, in constant memory but for the hashes of the rows.

    Args:
        path: the file.
        format: one of core.recipe.FORMATS; recognised where it is not given.
        task: one of core.recipe.TASKS, whose recommended size the file is held to.
        near: share of shingles, 0.5 to 1, from which on two texts are near copies; None leaves them out.
        against: another file, such as the training rows of these test rows, whose prompts must not be here.
        progress: called every 500 rows (and while rows are located, with 0 rows); False stops the check.
        dataset: the opened file, where the caller has it already.
        map: which fields are which, as `open_dataset` takes it.

    Raises:
        CheckCancelled: `progress` returned False.
        Unreadable: the file cannot be read at all; `unreadable` makes a report of it. An empty file is a report
            with one finding.
        DiapasonError: there is no room for a copy that is needed, or the map is wrong.
    """
    began = time.monotonic()
    collector = _Collector()

    def located(bytes_done: int) -> None:
        if progress and not progress(0, bytes_done):
            raise CheckCancelled("the check was stopped", where=str(path))

    def stop() -> None:
        if progress and not progress(total, size):
            raise CheckCancelled("the check was stopped", where=str(path))

    try:
        dataset = dataset or open_dataset(path, format, map, lazy=True)
        total, size = dataset.index(located), dataset.size
    except EmptyFile as error:
        return unreadable(path, error, time.monotonic() - began)
    repeats, labels = Repeats(), Counter[str]()
    sample = spread(dataset)
    alike = NearRows(dataset, sample, near) if near else None
    leakage = Leakage(dataset, sample, near, against, lambda: located(0))
    valid, done = 0, 0
    for row in dataset:
        done += len(row.raw) + 1
        if row.findings:
            collector.add_row(row.index, row.line, row.findings)
        if row.example is not None:
            valid += 1
            repeats.add(row.example, _verdict(row.value))
            leakage.add(row)
            if alike is not None:
                alike.add(row.example)
            if row.example.label is not None:
                labels[row.example.label] += 1
        else:
            collector.invalid(row.index, row.line)
        if progress and row.index % _EVERY == 0 and not progress(row.index + 1, done):
            raise CheckCancelled("the check was stopped", where=str(path))
    if not total:
        collector.add(RowFinding("empty_file", "the file holds no rows"), 1, [], [])
    for finding, count, lines in check_frame(dataset.source):
        collector.add(finding, count, [], lines)
    _add_repeats(collector, repeats, dataset)
    if alike is not None and near is not None:
        _add_near(collector, alike.found(repeats.heads(), stop), dataset, near)
    for leak, about in leakage.found(near, stop):
        finding = RowFinding("leakage", about.message, detail=leak.kind)
        lines = [line for line, _ in about.matches]
        collector.add(finding, about.count, leak.rows, lines).matches = about.matches
    if dataset.format is not None:
        for finding in [*check_labels(labels), *check_amount(valid, task or _own_task(dataset.format))]:
            collector.add(finding, 1, [], [])
    return Report(
        path=Path(path),
        layout=dataset.layout,
        format=dataset.format,
        size=dataset.size,
        rows_total=total,
        rows_valid=valid,
        invalid_lines=collector.invalid_lines,
        invalid_rows=collector.invalid_rows,
        findings=collector.sorted(),
        seconds=time.monotonic() - began,
        task=task,
        labels=labels,
        container=dataset.source.container,
        map=str(dataset.mapping) if dataset.mapping else None,
        shards=dataset.source.shards,
        by_row=dataset.source.by_row,
        near=near,
        against=None if against is None else Path(against),
    )


def _verdict(value: Any) -> bool | None:
    """Whether an answer is said to be good or bad (KTO's boolean label)."""
    label = value.get("label") if isinstance(value, dict) else None
    return label if isinstance(label, bool) else None


def _own_task(format: str) -> str | None:
    """The task that a format is for, where there is only one."""
    return {
        "classification": "classification",
        "preference": "preference",
        "kto": "preference",
        "text": "domain",
    }.get(format)


def unreadable(path: Path | str, error: Unreadable, seconds: float = 0.0) -> Report:
    """The report on a file of which no row can be read: one finding, which says why."""
    finding = Finding(error.code, "error", error.detail, 1, error.message)
    layout = "empty" if isinstance(error, EmptyFile) else "unreadable"
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        size = 0
    return Report(Path(path), layout, None, size, 0, 0, array("q"), array("q"), [finding], seconds)


def _add_repeats(collector: _Collector, repeats: Repeats, dataset: Dataset) -> None:
    copies, near = repeats.exact(), repeats.folded()
    collector.add_rows(RowFinding("exact_duplicate", _copies(len(copies.rows), "extra ")), copies, dataset)
    text = f"{_copies(len(near.rows))} but for case, spaces and punctuation"
    collector.add_rows(RowFinding("near_duplicate", text, detail="folded"), near, dataset)
    exact, folded = repeats.contradictions(), repeats.folded_contradictions()
    text = f"{_prompts(exact.groups)} with different answers"
    collector.add_rows(RowFinding("contradiction", text), exact, dataset)
    text = f"{_prompts(folded.groups)}, equal but for case, spaces and punctuation, with different answers"
    collector.add_rows(RowFinding("contradiction", text, detail="folded"), folded, dataset)


def _add_near(collector: _Collector, found: Repeated, dataset: Dataset, threshold: float) -> None:
    number = len(found.rows)
    rows = "1 row shares" if number == 1 else f"{grouped(number)} rows share"
    text = f"{rows} {round(100 * threshold)} % or more of what an earlier row says"
    collector.add_rows(RowFinding("near_duplicate", text, detail="near"), found, dataset)


def _prompts(number: int) -> str:
    return "1 prompt" if number == 1 else f"{grouped(number)} prompts"


def _copies(number: int, kind: str = "") -> str:
    return f"1 {kind}copy" if number == 1 else f"{grouped(number)} {kind}copies"


class _Collector:
    """Gathers findings by code and detail: an exact count, capped lists."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}
        self._kinds = Counter[str]()
        self.invalid_lines: array[int] = array("q")
        self.invalid_rows: array[int] = array("q")

    def invalid(self, row: int, line: int) -> None:
        self.invalid_rows.append(row)
        self.invalid_lines.append(line)

    def add_row(self, row: int, line: int, findings: Iterable[RowFinding]) -> None:
        """Count each kind once for the row."""
        seen: set[tuple[str, str, str]] = set()
        for finding in findings:
            key = (finding.code, finding.detail, finding.severity)
            if key not in seen:
                seen.add(key)
                self.add(finding, 1, [row], [line])

    def add_rows(self, finding: RowFinding, found: Repeated, dataset: Dataset) -> None:
        """Count a finding over rows that belong together."""
        if found.rows:
            lines = [dataset.line(row) for row in found.rows[:LISTED]]
            self.add(finding, len(found.rows), found.rows, lines).firsts = found.firsts[:_KEPT]

    def add(self, finding: RowFinding, count: int, rows: Sequence[int], lines: list[int]) -> Finding:
        key = (finding.code, finding.detail, finding.severity)
        kept = self._found.get(key)
        if kept is None:
            self._kinds[finding.code] += 1
            if self._kinds[finding.code] > _KINDS:
                # What varies comes from the rows: a file of a million names must not make a million findings.
                key = (finding.code, "other", finding.severity)
                finding = replace(finding, detail="other")
                kept = self._found.get(key)
        if kept is None:
            message = _with_column(finding)
            kept = self._found[key] = Finding(finding.code, finding.severity, finding.detail, 0, message)
        kept.count += count
        if len(kept.rows) < _KEPT:
            kept.rows.extend(rows[:_KEPT])
        if len(kept.lines) < LISTED:
            kept.lines.extend(lines[: LISTED - len(kept.lines)])
        return kept

    def sorted(self) -> list[Finding]:
        """The worst first, then those that touch most rows."""
        return sorted(
            self._found.values(),
            key=lambda item: (SEVERITIES.index(item.severity), -item.count, item.code, item.detail),
        )


def _with_column(finding: RowFinding) -> str:
    return f"{finding.message} (column {finding.column})" if finding.column is not None else finding.message
