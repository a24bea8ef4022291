"""What the mending screen shows, as inert text: a kind on one line, and what a fix does to one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.content import Content

from core.data.mend.catalogue import FIXES, is_safe
from core.text import shorten, visible
from tui.format import count

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.mend.plan import Plan
    from core.data.mend.row import Change
    from core.data.report import Finding, Report

_CHANGES = 12
_SHOWN = 400
_MEMBERS = 8
Part = Content | tuple[str, str] | str


def kind_line(code: str, number: int, choice: str, done: str, single: int, width: int) -> Content:
    """One kind: whether it is decided, its code, how many rows, and by which choice."""
    mark, style = ("✓", "bold $success") if done else ("•", "$accent") if single else (" ", "")
    way = choice if not done or done == choice else f"{done} (now {choice})"
    safe = "safe" if is_safe(code, choice) else ""
    return Content.assemble(
        (mark, style), " ", f"{shorten(code, 22):<22}", f"{count(number):>8}", "  ",
        (f"{shorten(way, max(4, width - 42)):<10}", ""), " ", (safe, "$success"),
        (f" {count(single)} single" if single else "", "$text-muted"),
    )  # fmt: skip


def preview(
    dataset: Dataset,
    report: Report,
    findings: list[Finding],
    plan: Plan,
    row: int | None,
    kept: frozenset[int] = frozenset(),
) -> Content:
    """What the one fix of `plan` does to row `row`; `kept` are rows that a person wants kept.

    It reads rows, so it is called in a thread.
    """
    ((code, choice),) = plan.fixes.items()
    fix = FIXES[code]
    head: list[Part] = [(fix.does, ""), "\n"]
    if findings:
        head += [(f"{visible(findings[0].message)}. {findings[0].why}", "$text-muted"), "\n\n"]
    if row is None:
        return Content.assemble(*head)
    if fix.scope == "group":
        return Content.assemble(*head, *_group(dataset, report, code, choice, row, kept))
    return Content.assemble(*head, *_row(dataset, plan, row))


def _row(dataset: Dataset, plan: Plan, number: int) -> Iterator[Part]:
    from core.data.mend.row import Mender

    row = dataset.row(number)
    made = Mender(dataset, plan).mend(row)
    if not made.raws:
        yield ("the row is dropped", "bold $error")
        yield "\n"
        yield (visible(row.raw[:4000].decode("utf-8", "replace"), newlines=True), "strike $text-muted")
        return
    if not made.changed:
        yield ("This row stays as it is.", "$text-muted")
        return
    for change in made.changes[:_CHANGES]:
        yield from _change(change)
    if len(made.changes) > _CHANGES:
        yield (f"… and {count(len(made.changes) - _CHANGES)} more changes in this row", "$text-muted")


def _change(change: Change) -> Iterator[Part]:
    """A change on two lines: what stands there, struck out, and what will."""
    if change.place:
        yield (f"{shorten(change.place, 60)}\n", "$text-muted")
    left, right = visible(change.around[0]), visible(change.around[1])
    before, after = shorten(change.before, _SHOWN), shorten(change.after, _SHOWN)
    yield ("− ", "$error")
    yield left
    yield (before, "strike $error")
    yield right
    yield "\n"
    yield ("+ ", "$success")
    yield left
    yield (after, "bold $success")
    yield right
    yield "\n\n"


def _group(
    dataset: Dataset, report: Report, code: str, choice: str, number: int, kept: frozenset[int]
) -> Iterator[Part]:
    """The rows that belong together, those that go struck out."""
    from core.data.mend.groups import group_drops, group_of

    members = group_of(report, code, number)

    def answer(row: int) -> str:
        example = dataset.row(row).example
        return example.answer if example is not None else ""

    small = _only(report, code, members)
    gone = group_drops(small, {code: choice}, lambda row: len(dataset.raw(row)), answer, kept.__contains__)
    for member in members[:_MEMBERS]:
        example = dataset.row(member).example
        text = f"{shorten(example.prompt_text, 200)} → {shorten(example.answer, 200)}" if example else ""
        drops = member in gone
        yield (f"{'− ' if drops else '  '}row {count(member + 1)}", "bold $error" if drops else "bold $success")
        yield " goes\n" if drops else " stays\n"
        yield (text, "strike $text-muted" if drops else "")
        yield "\n\n"
    if len(members) > _MEMBERS:
        yield (f"… and {count(len(members) - _MEMBERS)} more rows", "$text-muted")


def _only(report: Report, code: str, members: list[int]) -> Report:
    """The report on these rows alone, so that one group costs no more than itself."""
    from array import array
    from dataclasses import replace

    wanted = set(members)
    findings: list[Finding] = []
    for finding in report.findings:
        if finding.code not in (code, "exact_duplicate") or not finding.firsts and code != "leakage":
            continue
        places = [place for place, row in enumerate(finding.rows) if row in wanted]
        firsts = array("q", [finding.firsts[place] for place in places]) if finding.firsts else array("q")
        rows = array("q", [finding.rows[place] for place in places])
        findings.append(replace(finding, rows=rows, firsts=firsts))
    return replace(report, findings=findings)
