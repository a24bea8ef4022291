"""What was planted and what was found, by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from _planted import WORDS, Mutation

from core.data.collector import LISTED
from core.data.report import Report

BAR = 0.98
FALSE_ERRORS = 1.0
OF_FILES = frozenset(WORDS["of_files"])
"""What shows only in the whole file, or belongs to no row."""


@dataclass(slots=True)
class Score:
    """Counts by code over all files: planted, found of these, told in all, right of these."""

    planted: Counter[str] = field(default_factory=Counter[str])
    found: Counter[str] = field(default_factory=Counter[str])
    told: Counter[str] = field(default_factory=Counter[str])
    right: Counter[str] = field(default_factory=Counter[str])
    clean: int = 0
    false_errors: int = 0
    notes: list[str] = field(default_factory=list[str])

    def plant(self, code: str, found: bool, where: str) -> None:
        """Count one defect that was planted."""
        self.planted[code] += 1
        self.found[code] += found
        if not found:
            self.notes.append(f"missed {code} in {where}")

    def tell(self, code: str, right: bool, where: str) -> None:
        """Count one that was told."""
        self.told[code] += 1
        self.right[code] += right
        if not right:
            self.notes.append(f"false {code} in {where}")

    def rates(self, code: str) -> tuple[float, float]:
        """Recall and precision of a code; 0 for what was never planted or never told."""
        planted, told = self.planted[code], self.told[code]
        return self.found[code] / planted if planted else 0.0, self.right[code] / told if told else 0.0


def judge_rows(
    report: Report, planted: Sequence[Mutation | None], lines: Sequence[bytes], score: Score, first_line: int = 0
) -> None:
    """Add what was found in the rows of a file, one of `lines` each, to the score.

    first_line: the line of the first row where each row is one line, which the findings then must name; 0 where rows
    have more than one.
    """
    told: list[set[str]] = [set() for _ in planted]
    errors: set[int] = set()
    for finding in report.findings:
        if finding.code in OF_FILES:
            continue
        if first_line and any(line != row + first_line for row, line in zip(finding.rows, finding.lines)):
            raise RuntimeError(f"{finding.code} names the lines {finding.lines[:9]} of rows {list(finding.rows[:9])}")
        for row in finding.rows:
            told[row].add(finding.code)
            if finding.severity == "error":
                errors.add(row)
    if report.rows_total != len(planted):
        raise RuntimeError(f"{report.path.name} has {report.rows_total} rows, not {len(planted)}")
    for row, (mutation, codes) in enumerate(zip(planted, told, strict=True)):
        code, also = (mutation.code, mutation.also) if mutation else ("", frozenset[str]())
        where = f"{report.path.name}: {_shown(lines[row])}"
        if code:
            score.plant(code, code in codes, where)
        else:
            score.clean += 1
            score.false_errors += row in errors
        for one in codes - also:
            score.tell(one, one == code, f"{code or 'a clean row'}, {where}")


def judge_file(
    report: Report, code: str, also: Collection[str], lines: Iterable[int] | None, score: Score, name: str
) -> None:
    """Add what was found in a file with one planted defect, or with none where `code` is empty.

    Args:
        also: codes that follow from the defect.
        lines: the lines where it must be found; None where it has none, or all of them.
    """
    wanted = None if lines is None else sorted(lines)[:LISTED]
    right = False
    for finding in report.findings:
        good = finding.code == code and (wanted is None or sorted(finding.lines) == wanted)
        right |= good
        if finding.code not in also:
            at = f" at lines {finding.lines[:9]}" if finding.lines else ""
            score.tell(finding.code, good, f"{name}{at}: {finding.message}")
    if code:
        score.plant(code, right, name)


def _shown(line: bytes) -> str:
    return repr(line[:1500]) + (f" … {line[-300:]!r}" if len(line) > 1500 else "")


def print_score(score: Score, codes: Iterable[str], left_out: dict[str, str], shown: int) -> bool:
    """Print the score of `codes` and in all, with `shown` of the misses; whether the bars are met.

    left_out: codes that are not planted, each with the reason.
    """
    print(f"{'code':<24} {'planted':>8} {'recall':>7} {'precision':>10}")
    good = True
    for code in codes:
        if code in left_out:
            print(f"{code:<24} not planted: {left_out[code]}")
            continue
        recall, precision = score.rates(code)
        met = recall >= BAR and precision >= BAR
        good &= met
        print(f"{code:<24} {score.planted[code]:>8} {recall:>7.3f} {precision:>10.3f}{'' if met else '   MISSED'}")
    recall = score.found.total() / max(1, score.planted.total())
    precision = score.right.total() / max(1, score.told.total())
    print(f"{'in all':<24} {score.planted.total():>8} {recall:>7.3f} {precision:>10.3f}")
    false = 10_000 * score.false_errors / max(1, score.clean)
    print(f"{score.clean:,} clean rows, {score.false_errors} false errors:"
          f" {false:.2f} in 10,000 (asked: {FALSE_ERRORS:.0f})")  # fmt: skip
    for note in score.notes[:shown]:
        print(note)
    return good and false <= FALSE_ERRORS
