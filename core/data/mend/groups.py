"""Rows that belong together, by a report: which of them go, so that one of each stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from core.data.report import Finding, Report

Size = Callable[[int], int]
Answer = Callable[[int], str]


def group_drops(
    report: Report, fixes: Mapping[str, str], size: Size, answer: Answer, kept: Callable[[int], bool]
) -> dict[int, str]:
    """The rows to drop, each with the code for which it goes.

    Args:
        fixes: code → choice; those of other codes are passed over.
        size: how long a row is, for `longest`.
        answer: what a row answers, for contradictions.
        kept: whether a person wants the row kept: it stays, and it is the one of its group that counts.
    """
    drops: dict[int, str] = {}
    copies = _Groups(find(report, "exact_duplicate"))
    if "exact_duplicate" in fixes:
        _keep_one(copies.groups(), fixes["exact_duplicate"], size, kept, "exact_duplicate", drops, lambda row: row)
    if "near_duplicate" in fixes:
        near = _Groups([*find(report, "near_duplicate"), *find(report, "exact_duplicate")])
        touched = {near.head(row) for finding in find(report, "near_duplicate") for row in finding.rows}
        groups = [group for group in near.groups() if near.head(group[0]) in touched]
        # A copy of the row that stays is no near copy of it: only `exact_duplicate` takes it out.
        _keep_one(groups, fixes["near_duplicate"], size, kept, "near_duplicate", drops, copies.head)
    if "contradiction" in fixes:
        _settle(find(report, "contradiction"), fixes["contradiction"], answer, kept, drops)
    if "leakage" in fixes:
        for finding in find(report, "leakage"):
            drops.update({row: "leakage" for row in finding.rows if not kept(row) and row not in drops})
    return drops


def find(report: Report, code: str) -> list[Finding]:
    """The report's findings of `code`, one for each detail."""
    return [finding for finding in report.findings if finding.code == code and len(finding.rows)]


def group_of(report: Report, code: str, row: int) -> list[int]:
    """The rows that belong together with `row` by the findings of `code`, itself included, in order."""
    groups = _Groups(find(report, code))
    head = groups.head(row)
    return next((group for group in groups.groups() if group[0] == head), [row])


class _Groups:
    """Union-find over the rows of findings: each row belongs with the first row of its group."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._heads: dict[int, int] = {}
        for finding in findings:
            for row, first in zip(finding.rows, finding.firsts, strict=False):
                one, other = sorted((self.head(row), self.head(first)))
                self._heads[one] = one
                self._heads[other] = one
                self._heads.setdefault(row, one)
                self._heads.setdefault(first, one)

    def head(self, row: int) -> int:
        """The first row of the group; the row itself where it belongs to none."""
        path: list[int] = []
        while self._heads.get(row, row) != row:
            path.append(row)
            row = self._heads[row]
        for passed in path:
            self._heads[passed] = row
        return row

    def groups(self) -> list[list[int]]:
        """The groups, each in order."""
        made: dict[int, list[int]] = {}
        for row in sorted(self._heads):
            made.setdefault(self.head(row), []).append(row)
        return list(made.values())


def _keep_one(
    groups: Iterable[list[int]],
    choice: str,
    size: Size,
    kept: Callable[[int], bool],
    code: str,
    drops: dict[int, str],
    same: Callable[[int], int],
) -> None:
    """Drop all of each group but one, those that a person wants kept, and those that are the `same` as they."""
    for group in groups:
        left = [row for row in group if row not in drops]
        wanted = [row for row in left if kept(row)] or [_best(left, choice, size)] if left else []
        stay = {same(row) for row in wanted}
        for row in left:
            if row not in wanted and same(row) not in stay:
                drops[row] = code


def _best(rows: list[int], choice: str, size: Size) -> int:
    return max(rows, key=lambda row: (size(row), -row)) if choice == "longest" else rows[0]


def _settle(
    findings: list[Finding], choice: str, answer: Answer, kept: Callable[[int], bool], drops: dict[int, str]
) -> None:
    """Leave one answer to each prompt, or none."""
    for finding in findings:
        groups: dict[int, list[int]] = {}
        for row, first in zip(finding.rows, finding.firsts, strict=False):
            groups.setdefault(first, []).append(row)
        for first, members in groups.items():
            left = [row for row in sorted({first, *members}) if row not in drops]
            held = [row for row in left if kept(row)]
            if held:
                right = {answer(row) for row in held}
            elif choice == "drop" or not left:
                right = set[str]()
            else:
                right = {answer(_best(left, choice, lambda row: len(answer(row))))}
            drops.update({row: "contradiction" for row in left if row not in held and answer(row) not in right})
