"""What the browse screen shows, as inert text: findings, rows on one line, a record in its four ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from core.data.findings import CODES, Severity
from core.data.place import shown_name
from core.text import shorten, visible
from tui.format import bar, count

if TYPE_CHECKING:
    from core.data.checks.where import Mark
    from core.data.dataset import Row
    from core.data.example import Example
    from core.data.report import Finding, Report
    from tui.token_view import TokenView

MARKS: dict[str, tuple[str, str]] = {
    "error": ("✗", "bold $error"),
    "warning": ("!", "$warning"),
    "note": ("·", "$text-muted"),
}
MARKED: dict[str, str] = {
    "error": "bold reverse $error",
    "warning": "reverse $warning",
    "note": "underline $accent",
}
ROLES = {
    "system": "$text-muted", "user": "bold $accent", "assistant": "bold $success", "tool": "$warning",
    "tools": "$text-muted", "label": "bold $success", "chosen": "bold $success", "rejected": "bold $error",
    "text": "$text-muted",
}  # fmt: skip
# More than this of one record is not laid out: nobody reads it, and wrapping it would hold up the screen.
SHOWN_CHARS = 40_000
_PICTURES = re.compile("[␀-␉␋-␟␡]|⟨U\\+[0-9A-F]+⟩")
_MARGIN = 11


def finding_line(finding: Finding, total: int, width: int) -> Content:
    """One line of the report: mark, code, how many rows, a bar for the share, and what to do."""
    mark, style = MARKS[finding.severity]
    name = finding.code + (f" {finding.detail}" if finding.detail else "")
    share = finding.count / total if total else 0.0
    room = max(0, width - 48)
    return Content.assemble(
        (mark, style), " ", f"{shorten(name, 26):<26}", f"{count(finding.count):>9}", " ",
        (bar(min(1.0, share), 8) if len(finding.rows) else " " * 8, "$text-muted"), " ",
        (shorten(finding.message if room > 30 else finding.title, room) if room else "", "$text-muted"),
    )  # fmt: skip


def finding_help(finding: Finding, layout: str) -> Content:
    """What a finding means and what to do, on two lines."""
    by_row = layout == "json" and len(finding.rows) > 0
    places = [row + 1 for row in finding.rows[:8]] if by_row else finding.lines[:8]
    more = " …" if finding.count > len(places) and places else ""
    where = (
        f"{'rows' if by_row else 'lines'} {', '.join(count(place) for place in places)}{more} · " if places else ""
    )
    return Content.assemble(
        (f"{where}{visible(finding.message)}. {finding.why}", ""), "\n", (f"→ {finding.hint}", "$text-muted")
    )


def summary(report: Report) -> str:
    """The report's headline."""
    from tui.format import size

    took = f"{max(report.seconds, 0.1):.1f} s"
    rows = f"{count(report.rows_total)} row{'' if report.rows_total == 1 else 's'}"
    usable = f"{count(report.rows_valid)} usable"
    name = visible(shown_name(report.path))
    return " · ".join(
        [name, report.format or "unknown format", rows, usable, size(report.size), f"checked in {took}"]
    )


def row_line(row: Row, width: int) -> tuple[str, Severity | None]:
    """A row on one line of `width` cells, and the worst of its own findings."""
    severities = [finding.severity for finding in row.findings]
    worst: Severity | None = "error" if "error" in severities else "warning" if "warning" in severities else None
    example = row.example
    if example is None:
        problem = next((finding for finding in row.findings if finding.severity == "error"), None)
        text = f"{problem.code}: {problem.message}" if problem else row.raw[:400].decode("utf-8", "replace")
        return shorten(text, width), worst
    if example.text is not None:
        return shorten(example.text, width), worst
    left = max(8, width * 6 // 10)
    question = shorten(_asked(example), left)
    answer = shorten(example.answer, max(4, width - len(question) - 3))
    return shorten(f"{question} → {answer}", width), worst


def _asked(example: Example) -> str:
    """What the last user message asks; a system message says the same in every row."""
    for message in reversed(example.prompt):
        if message.role == "user":
            return message.content
    return example.prompt_text


def record_conversation(row: Row, turns: Iterable[tuple[str, str]]) -> Content:
    """The row as a conversation, each turn under its speaker's name, what findings are about marked."""
    from core.data.checks.where import text_marks

    if row.example is None:
        return _unusable(row)
    parts: list[Content | tuple[str, str] | str] = []
    room = SHOWN_CHARS
    for number, (speaker, text) in enumerate(turns):
        if number:
            parts.append("\n\n")
        shown = text[:room]
        parts += [(f"{speaker}", ROLES.get(speaker, "bold")), "\n", marked(shown, text_marks(shown, row.findings))]
        room -= len(text)
        if room <= 0:
            parts.append((f"\n… {count(-room)} more characters", "$text-muted"))
            break
    return Content.assemble(*parts)


def origin(row: Row) -> str:
    """Where a row comes from that no person wrote, inert; empty for the others."""
    from core.data.augment.marks import origin

    return visible(origin(row.value))


def record_raw(row: Row) -> Content:
    """The row's bytes as text, the characters that findings are about marked."""
    from core.data.checks.where import Mark, row_marks, text_marks

    text = row.raw[: SHOWN_CHARS * 4].decode("utf-8", "replace")
    more = len(text) - SHOWN_CHARS
    text = text[:SHOWN_CHARS]
    at = next((finding.column for finding in row.findings if finding.column is not None), None)
    marks = row_marks(row, text) if more <= 0 else text_marks(text, row.findings)
    if at is not None and at <= len(text):
        marks = [Mark(at - 1, at, "bad_json", "error")]
    shown = marked(text, marks)
    return shown + Content.styled(f"\n… {count(more)} more characters", "$text-muted") if more > 0 else shown


def record_tokens(view: TokenView, model: str) -> Content:
    """The row as training sees it: bright carries loss, dim does not, struck through is cut off."""
    parts: list[tuple[str, str]] = []
    cutting = False
    room = SHOWN_CHARS
    for piece in view.pieces:
        if piece.cut and not cutting:
            parts.append((" ✂ ", "bold $error"))
            cutting = True
        style = "bold $foreground" if piece.loss else "$text-muted"
        text = piece.text.replace("⏎", "⏎\n")
        parts.append((text, f"{style} strike" if piece.cut else style))
        room -= len(text)
        if room <= 0:
            parts.append(("\n…", "$text-muted"))
            break
    foot = f"\n\n{view.summary()}\n{visible(model)}: answers found by {view.method}"
    return Content.assemble(*parts, (foot, "$text-muted"))


def record_findings(row: Row, others: Iterable[Finding], kin: Mapping[str, str]) -> Content:
    """What is wrong with this row, alone and beside others, why it matters and what to do.

    `kin` says for a finding, by its code and detail, which other rows are concerned.
    """
    parts: list[Content | tuple[str, str] | str] = []
    for finding in row.findings:
        code = CODES[finding.code]
        column = f" (column {finding.column})" if finding.column is not None else ""
        parts += _explained(finding.severity, finding.code, finding.message + column, code.why, code.hint)
    for finding in others:
        message = "\n".join([finding.title, kin.get(finding.code + finding.detail, "")]).strip()
        parts += _explained(finding.severity, finding.code, message, finding.why, finding.hint)
    if not parts:
        return Content.styled("Nothing is wrong with this row.", "$text-muted")
    return Content.assemble(*parts[:-1])


def _explained(severity: str, code: str, message: str, why: str, hint: str) -> list[Content | tuple[str, str] | str]:
    mark, style = MARKS[severity]
    return [(f"{mark} {code}", style), "\n", inert(message), "\n", (f"{why}\n→ {hint}", "$text-muted"), "\n\n"]


def _unusable(row: Row) -> Content:
    """Why there is no conversation, and the bytes that there are."""
    problem = next((finding for finding in row.findings if finding.severity == "error"), None)
    why = f"✗ {problem.code}: {visible(problem.message)}" if problem else "✗ this row makes no example"
    return Content.assemble((why, "bold $error"), "\n\n", record_raw(row))


def marked(text: str, marks: Sequence[Mark]) -> Content:
    """`text` made inert, with `marks` (in order, apart from each other) shown in the colour of their severity."""
    parts: list[Content | tuple[str, str]] = []
    done = 0
    for mark in marks:
        parts += [inert(text[done : mark.start]), (visible(text[mark.start : mark.end]), MARKED[mark.severity])]
        done = mark.end
    return Content.assemble(*parts, inert(text[done:]))


def inert(text: str) -> Content:
    """`text` made inert, with what stands for invisible characters marked."""
    return Content(visible(text, newlines=True)).highlight_regex(_PICTURES, style="$warning")
