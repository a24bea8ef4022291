"""What is wrong over the whole file: findings gathered by kind, with exact counts and capped lists."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.data.checks.repeats import Repeated
from core.data.findings import CODES, SEVERITIES, RowFinding, Severity

LISTED = 100
_KEPT = 1_000_000
_KINDS = 100


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
            "why": self.why,
            "hint": self.hint,
        }
        if layout == "json":
            document["rows"] = [row + 1 for row in self.rows[:LISTED]]
        if self.matches:
            document["matches"] = [list(pair) for pair in self.matches]
        return document


class Collector:
    """Gathers findings by code and detail: an exact count, capped lists."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}
        self._kinds = Counter[str]()
        self.invalid_lines: array[int] = array("q")
        self.invalid_rows: array[int] = array("q")

    def invalid(self, row: int, line: int) -> None:
        """Note a row that cannot be used."""
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

    def add_rows(self, finding: RowFinding, found: Repeated, line_of: Callable[[int], int]) -> None:
        """Count a finding over rows that belong together."""
        if found.rows:
            lines = [line_of(row) for row in found.rows[:LISTED]]
            self.add(finding, len(found.rows), found.rows, lines).firsts = found.firsts[:_KEPT]

    def merge(self, later: Collector) -> None:
        """Add what was found in the rows that follow."""
        self.invalid_rows.extend(later.invalid_rows)
        self.invalid_lines.extend(later.invalid_lines)
        for kept in later._found.values():
            finding = RowFinding(kept.code, kept.message, kept.detail, level=kept.severity)
            self.add(finding, kept.count, kept.rows, kept.lines)

    def add(self, finding: RowFinding, count: int, rows: Sequence[int], lines: list[int]) -> Finding:
        """Count a finding for `rows`; return what is kept of its kind."""
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
