"""The data card: a data set on one page of Markdown, what was found, counted and decided, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.data.card_facts import FACTS, Facts, facts_path, read_facts
from core.data.dataset import fingerprint
from core.data.findings import grouped
from core.data.place import STDIN, beside, shown_name
from core.data.report import Finding, Report
from core.data.stats import QUANTILES, Lengths, Stats, ranked
from core.text import shorten

_LINES = 12
_LISTED = 20
_SPECIAL = "\\`*_{}[]<>()#+!|~$&"


def card(report: Report, stats: Stats | None, facts: Facts, parts: Mapping[str, int] | None = None) -> str:
    """The card of a checked data set as Markdown; all that comes from data is made inert.

    Args:
        parts: rows of train, validation and test, where the set was split.
    """
    return "\n".join(_lines(report, stats, facts, parts or {})).rstrip() + "\n"


def write_card(path: Path | str, report: Report, stats: Stats | None, parts: Mapping[str, int] | None = None) -> str:
    """The card with the facts that lie beside the data set. Raises UsageError where these cannot be read."""
    return card(report, stats, read_facts(path), parts)


def _lines(report: Report, stats: Stats | None, facts: Facts, parts: Mapping[str, int]) -> Iterator[str]:
    yield f"# Data card: {inert(shown_name(report.path))}"
    yield ""
    yield from _source(report)
    yield ""
    yield "## What a person has to say"
    yield ""
    for name, title, told in FACTS:
        text = facts.values.get(name)
        yield f"- **{title}**: {inert(text, 2000)}" if text else f"- **{title}**: _not filled in: {told}_"
    if facts.missing:
        file = facts_path(report.path).name
        yield ""
        yield f"Fill in {inert(file)} (`diapason data card --init` makes it) and make the card again."
    if parts:
        yield ""
        yield "## Splits"
        yield ""
        yield "| part | rows |"
        yield "|---|--:|"
        for name, rows in parts.items():
            yield f"| {inert(name)} | {grouped(rows)} |"
    yield ""
    yield from _findings(report)
    if stats is not None and stats.tally.usable:
        yield ""
        yield from _statistics(stats)
    decisions = list(_decisions(report.path))
    if decisions:
        yield ""
        yield "## Decisions taken"
        yield ""
        yield from decisions


def _source(report: Report) -> Iterator[str]:
    yield f"- File: {inert(str(report.path))}, {grouped(report.size)} bytes"
    if str(report.path) != STDIN:
        yield f"- SHA-256: `{fingerprint(report.path)['sha256']}`"
    layout = f"{report.layout}{f' in {report.container}' if report.container else ''}"
    fields = f", fields by {inert(report.map)}" if report.map else ""
    yield f"- Format: {inert(report.format or 'unknown')} ({inert(layout)}){fields}"
    yield f"- Rows: {grouped(report.rows_total)}, of which {grouped(report.rows_valid)} can be trained on"
    if report.task:
        yield f"- Task: {inert(report.task)}"
    yield f"- Checked: {datetime.now(UTC):%Y-%m-%d}"


def _findings(report: Report) -> Iterator[str]:
    yield "## Findings"
    yield ""
    if not report.findings:
        yield "None."
        return
    yield "| | finding | rows | where | what | why it matters | what to do |"
    yield "|---|---|--:|---|---|---|---|"
    for finding in report.findings:
        name = f"`{finding.code}`" + (f" {inert(finding.detail)}" if finding.detail else "")
        cells = (
            finding.severity,
            name,
            grouped(finding.count),
            _places(finding, report),
            inert(finding.message),
            finding.why,
            finding.hint,
        )
        yield f"| {' | '.join(cells)} |"


def _places(finding: Finding, report: Report) -> str:
    rows = bool(finding.rows) and (report.layout == "json" or report.by_row)
    places = [row + 1 for row in finding.rows[:_LINES]] if rows else finding.lines[:_LINES]
    more = " …" if finding.count > len(places) and places else ""
    word = "row" if rows else "line"
    return f"{word}{'s' if len(places) > 1 else ''} {', '.join(map(str, places))}{more}" if places else ""


def _statistics(stats: Stats) -> Iterator[str]:
    yield "## Statistics"
    yield ""
    names = ["mean", *(f"p{round(share * 100)}" for share in QUANTILES), "max"]
    yield f"| characters | {' | '.join(names)} |"
    yield f"|---|{'--:|' * len(names)}"
    for title, lengths in (("prompt", stats.tally.prompt), ("answer", stats.tally.answer)):
        yield _length_row(title, lengths, names)
    yield ""
    for title, counts in (("Languages", stats.languages), ("Labels", stats.labels), ("Turns", stats.tally.turns)):
        if counts:
            total = sum(counts.values())
            told = [f"{inert(str(name))} {100 * rows / total:.1f} %" for name, rows in counts.most_common(_LISTED)]
            more = f", {len(counts) - _LISTED} more" if len(counts) > _LISTED else ""
            yield f"- {title}: {', '.join(told)}{more}"
    if stats.tally.by is not None:
        yield ""
        yield f"| {inert(stats.tally.by)} | rows | prompt, mean | answer, mean |"
        yield "|---|--:|--:|--:|"
        for name, part in ranked(stats.tally.slices)[:_LISTED]:
            means = f"{part.prompt / part.rows:.0f} | {part.answer / part.rows:.0f}"
            yield f"| {inert(name)} | {grouped(part.rows)} | {means} |"


def _length_row(title: str, lengths: Lengths, names: list[str]) -> str:
    found = lengths.summary()
    return f"| {title} | {' | '.join(grouped(round(found[name])) for name in names)} |"


def _decisions(path: Path) -> Iterator[str]:
    """What the log of mending beside the file says was done to make it."""
    log = beside(path, ".log.jsonl")
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            head: Any = json.loads(next(lines, "{}"))
    except (OSError, ValueError):
        return
    if not isinstance(head, dict):
        return
    source = head.get("source")
    if isinstance(source, dict):
        yield f"- Mended from {inert(str(source.get('path', '')))}, SHA-256 `{inert(str(source.get('sha256', '')))}`"
    counts = head.get("counts") or head.get("rows")
    if isinstance(counts, dict):
        yield f"- Rows: {', '.join(f'{inert(str(name))} {inert(str(value))}' for name, value in counts.items())}"
    fixes = head.get("fixes") or head.get("only") or head.get("options")
    if fixes:
        yield f"- Fixes: {inert(json.dumps(fixes, ensure_ascii=False), 2000)}"
    yield f"- Row by row: {inert(log.name)}"


def inert(text: str, width: int = 300) -> str:
    """`text` on one line, cut to `width` cells, with nothing in it that Markdown or a terminal acts on."""
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in shorten(text, width))
