"""The verdict on a data file: every finding, where it is, and what to do."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.card_facts import check_facts
from core.data.checks.amount import check_amount, check_labels
from core.data.checks.frame import check_frame
from core.data.checks.language import check_languages
from core.data.checks.leakage import find_leaks
from core.data.checks.near import NearRows, sketched_parts
from core.data.checks.repeats import Repeated, Repeats
from core.data.checks.same import find_same
from core.data.collector import LISTED, Collector, Finding
from core.data.dataset import Dataset, open_dataset
from core.data.findings import SEVERITIES, RowFinding, Severity, grouped
from core.data.near.copies import USUAL
from core.data.near.sample import frames_of, spread
from core.data.near.shingles import row_parts
from core.data.opening import Shard
from core.data.scan import Scanner
from core.data.unreadable import EmptyFile, Unreadable
from core.data.workers import scan_all
from core.errors import DiapasonError

if TYPE_CHECKING:
    from core.data.cut import TokenLengths
    from core.data.tally import Maker, Tally
    from core.models import ModelInfo

Progress = Callable[[int, int], bool]
"""``progress(rows done, bytes done)``; False stops the check."""


class CheckCancelled(DiapasonError):
    """The check was stopped by its progress callback."""


@dataclass(slots=True)
class Report:
    """What `check` found. `labels` counts the classes of a classification set.

    container: what the rows were taken out of (gzip, parquet, folder …), None for a plain file. shards: the files
    of a folder. by_row: whether lines are the numbers of rows, because the original has no lines. tokens: how long
    the rows are for the model that was named.
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
    tokens: TokenLengths | None = None

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
        if self.tokens is not None:
            document["tokens"] = self.tokens.to_json()
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
    languages: bool = True,
    model: ModelInfo | None = None,
    max_length: int | None = None,
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
        languages: whether to tell the languages of a sample of the rows, which takes about two seconds.
        model: the model whose tokenizer and template say what training will see.
        max_length: tokens that rows are cut at, with `model`; the recipe's default where it is not given.

    Raises:
        CheckCancelled: `progress` returned False.
        Unreadable: the file cannot be read at all; `unreadable` makes a report of it. An empty file is a report
            with one finding.
        DiapasonError: there is no room for a copy that is needed, or the map is wrong.
    """
    began = time.monotonic()

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

    def told(rows: int, bytes_done: int) -> None:
        if progress and not progress(rows, bytes_done):
            raise CheckCancelled("the check was stopped", where=str(path))

    sample = spread(dataset)
    training = _Training(model, max_length, dataset) if model else None
    makers: list[Maker] = [training.maker] if training else []
    if near:
        makers.append(partial(NearRows, near, frames_of([sample], row_parts), sketched_parts(dataset.format)))
    found = scan_all(dataset, makers, told)
    collector, valid = found.collector, len(found.rows)
    repeats, heads = find_same(found.rows, found.prompts, Scanner(dataset).again, stop)
    leakage = find_leaks(dataset, sample, near, against, stop)
    if not total:
        collector.add(RowFinding("empty_file", "the file holds no rows"), 1, [], [])
    for finding, count, lines in check_frame(dataset.source):
        collector.add(finding, count, [], lines)
    _add_repeats(collector, repeats, dataset)
    for alike in found.tallies:
        if isinstance(alike, NearRows) and near:
            _add_near(collector, alike.found(dataset, heads(), stop), dataset, near)
    for leak, about in leakage:
        finding = RowFinding("leakage", about.message, detail=leak.kind)
        lines = [line for line, _ in about.matches]
        collector.add(finding, about.count, leak.rows, lines).matches = about.matches
    if training is not None:
        training.take(found.tallies[0])
        for finding, rows in training.findings():
            lines = [dataset.line(row) for row in rows[:LISTED]]
            collector.add(finding, len(rows) or 1, rows, lines)
    if dataset.format is not None and total:
        for finding in [*check_labels(found.labels), *check_amount(valid, task or _own_task(dataset.format))]:
            collector.add(finding, 1, [], [])
    for finding in [*(check_languages(sample) if languages else ()), *check_facts(path)]:
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
        labels=found.labels,
        container=dataset.source.container,
        map=str(dataset.mapping) if dataset.mapping else None,
        shards=dataset.source.shards,
        by_row=dataset.source.by_row,
        near=near,
        against=None if against is None else Path(against),
        tokens=training.lengths() if training else None,
    )


class _Training:
    """What training with a model will see; loaded only where a model is named."""

    def __init__(self, model: ModelInfo, max_length: int | None, dataset: Dataset) -> None:
        from core.data.checks.tokens import reader_for, token_maker
        from core.recipe import Recipe

        self._model = model
        self._max_length = max_length if max_length is not None else Recipe().train.max_length
        self._reader = reader_for(model, dataset)
        self._reader.load()  # a model that cannot be read is told of before the rows are
        self.maker = token_maker(self._reader)
        self.tally = self.maker()

    def take(self, tally: Tally) -> None:
        """Go by what the pass over the rows has measured."""
        from core.data.checks.tokens import TokenTally

        assert isinstance(tally, TokenTally)
        self.tally = tally

    def findings(self) -> Iterator[tuple[RowFinding, array[int]]]:
        from core.data.checks.training import training_findings

        return training_findings(self.tally, self._reader.load(), self._model, self._max_length)

    def lengths(self) -> TokenLengths:
        from core.data.cut import token_lengths

        return token_lengths(self.tally, self._model.name, self._max_length)


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


def _add_repeats(collector: Collector, repeats: Repeats, dataset: Dataset) -> None:
    copies, near = repeats.exact(), repeats.folded()
    collector.add_rows(RowFinding("exact_duplicate", _copies(len(copies.rows), "extra ")), copies, dataset.line)
    text = f"{_copies(len(near.rows))} but for case, spaces and punctuation"
    collector.add_rows(RowFinding("near_duplicate", text, detail="folded"), near, dataset.line)
    exact, folded = repeats.contradictions(), repeats.folded_contradictions()
    text = f"{_prompts(exact.groups)} with different answers"
    collector.add_rows(RowFinding("contradiction", text), exact, dataset.line)
    text = f"{_prompts(folded.groups)}, equal but for case, spaces and punctuation, with different answers"
    collector.add_rows(RowFinding("contradiction", text, detail="folded"), folded, dataset.line)


def _add_near(collector: Collector, found: Repeated, dataset: Dataset, threshold: float) -> None:
    number = len(found.rows)
    rows = "1 row shares" if number == 1 else f"{grouped(number)} rows share"
    text = f"{rows} {round(100 * threshold)} % or more of what an earlier row says"
    collector.add_rows(RowFinding("near_duplicate", text, detail="near"), found, dataset.line)


def _prompts(number: int) -> str:
    return "1 prompt" if number == 1 else f"{grouped(number)} prompts"


def _copies(number: int, kind: str = "") -> str:
    return f"1 {kind}copy" if number == 1 else f"{grouped(number)} {kind}copies"
