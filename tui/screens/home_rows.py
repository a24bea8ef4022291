"""How the first screen draws its rows: columns that fit the width, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from core.text import cells, shorten
from tui.columns import Part, left, right
from tui.format import DASH, ago, bar, count, duration, loss
from tui.screens.home_state import DataRow, JudgingRow, NextStep, RunRow
from tui.widgets.rows import Row

SIGNS = {
    "running": ("●", "$accent"),
    "unsupervised": ("●", "$warning"),
    "paused": ("‖", "$warning"),
    "queued": ("○", "$text-muted"),
    "completed": ("✓", "$success"),
    "stopped": ("■", "$text-muted"),
    "failed": ("✗", "$error"),
    "interrupted": ("!", "$warning"),
}
WORDS = {"running": "training", "completed": "done", "interrupted": "cut off", "queued": "waiting"}


def home_rows(
    runs: Sequence[RunRow], data: Sequence[DataRow], step: NextStep | None, judgings: Sequence[JudgingRow] = ()
) -> list[Row]:
    """All rows of the first screen."""
    rows: list[Row] = []
    if step is not None:
        rows.append(Row("next", step, lambda width: _next(step, width)))
        if step.hint:
            rows.append(
                Row(
                    None,
                    step.hint,
                    lambda width: Content.assemble(("      ", ""), left(step.hint or "", width - 6, "$text-muted")),
                )
            )
        rows.append(_blank())
    rows.append(Row(None, ("runs", bool(runs)), lambda width: _run_heading(width, bool(runs))))
    rows += [Row(f"run:{row.id}", row, lambda width, row=row: _run(row, width)) for row in runs]
    if not runs:
        rows.append(Row(None, "none", lambda _: Content.styled("none yet", "$text-muted")))
    if judgings:
        rows.append(_blank())
        rows.append(Row(None, "judgings", lambda width: _judging_heading(width)))
        rows += [
            Row(f"judging:{row.run or row.name}", row, lambda width, row=row: _judging(row, width))
            for row in judgings
        ]
    rows.append(_blank())
    rows.append(Row(None, ("data", bool(data)), lambda width: _data_heading(width, bool(data))))
    rows += [Row(f"data:{row.path}", row, lambda width, row=row: _data(row, width)) for row in data]
    if not data:
        rows.append(
            Row(
                None,
                "nodata",
                lambda _: Content.assemble(
                    ("none yet: ", "$text-muted"), ("d", "bold $accent"), (" opens a file", "$text-muted")
                ),
            )
        )
    return rows


def _blank() -> Row:
    return Row(None, "", lambda _: Content())


def _next(step: NextStep, width: int) -> Content:
    verb = f"enter {step.verb}"
    room = width - cells(verb) - 2 - 6
    text = shorten(step.text, room)
    gap = " " * (room - cells(text) + 2)
    style = "bold $error" if step.bad else "bold $accent"
    return Content.assemble(
        ("Next: ", "$text-muted"), (text, style), gap, ("enter", "bold $accent"), (f" {step.verb}", "$text-muted")
    )


def _run_columns(width: int) -> tuple[int, int, int, int, int, int]:
    """Widths of name, what, status, progress, loss, left."""
    status, numbers, eta = 9, 10, 10
    progress = 14 if width < 90 else 30 if width < 150 else 44
    rest = max(20, width - 2 - status - progress - numbers - eta)
    name = min(36, rest * 52 // 100)
    return name, min(32, rest - name), status, progress, numbers, eta


def _run_heading(width: int, any_runs: bool) -> Content:
    name, what, status, progress, number, eta = _run_columns(width)
    if not any_runs:
        return Content.styled("Runs", "bold")
    muted = "$text-muted"
    return Content.assemble(
        left("Runs", name + 2, "bold"), left("", what), left("status", status, muted),
        left("progress", progress, muted), right("eval loss", number, muted), right("left", eta, muted),
    )  # fmt: skip


def _run(row: RunRow, width: int) -> Content:
    name, what, status, progress, number, eta = _run_columns(width)
    sign, colour = SIGNS.get(row.status, ("?", "$text-muted"))
    word = WORDS.get(row.status, row.status)
    parts: list[Part] = [
        (sign + " ", colour),
        left(row.name, name - 1),
        " ",
        left(row.what, what - 1, "$text-muted"),
        " ",
    ]
    reason = row.reason if row.status in ("queued", "failed", "unsupervised") else None
    if row.working or reason:
        style = "$error" if row.status == "failed" else "$text-muted"
        text = row.working or f"{word}: {reason}"
        return Content.assemble(*parts, left(text, status + progress + number + eta, style))
    parts.append(left(word, status, colour if row.status in _RUNNING_SIGNS else "$text-muted"))
    parts += _progress(row, progress)
    parts.append(right(loss(row.loss), number))
    parts.append(
        right(
            duration(row.left) if row.left is not None else DASH,
            eta,
            "" if row.left is not None else "$text-disabled",
        )
    )
    return Content.assemble(*parts)


_RUNNING_SIGNS = ("running", "unsupervised", "interrupted")


def _progress(row: RunRow, width: int) -> list[Part]:
    if not row.total:
        return [left(DASH, width, "$text-disabled")]
    if row.status == "completed" and row.epochs:
        return [left(f"{row.epoch:.1f} / {row.epochs:g} epochs", width, "$text-muted")]
    figures = f"{count(row.step)} / {count(row.total)}"
    room = width - cells(figures) - 2
    if room < 4:
        return [left(figures, width)]
    return [figures, " ", (bar(row.step / row.total, room), "$accent on $panel"), " "]


_JUDGED, _PAIRS, _WHEN = 9, 9, 14


def _judging_name(width: int) -> int:
    return max(14, min(60, width - _JUDGED - _PAIRS - _WHEN - 12))


def _judging_heading(width: int) -> Content:
    muted = "$text-muted"
    return Content.assemble(
        left("Judgings", _judging_name(width), "bold"), right("judged", _JUDGED, muted),
        right("pairs", _PAIRS, muted), right("last", _WHEN, muted),
    )  # fmt: skip


def _judging(row: JudgingRow, width: int) -> Content:
    return Content.assemble(
        left(row.name, _judging_name(width)), right(count(row.judged), _JUDGED), right(count(row.pairs), _PAIRS),
        right(ago(row.when), _WHEN, "$text-muted"),
    )  # fmt: skip


def _data_columns(width: int) -> tuple[int, int, int, int, int]:
    """Widths of name, format, rows, usable, findings."""
    layout, findings = (16, 22) if width < 90 else (20, 30)
    return max(14, min(38, width - layout - 18 - findings)), layout, 9, 9, findings


def _data_heading(width: int, any_files: bool) -> Content:
    if not any_files:
        return Content.styled("Data", "bold")
    name, layout, rows, usable, findings = _data_columns(width)
    muted = "$text-muted"
    return Content.assemble(
        left("Data", name, "bold"), left("", layout), right("rows", rows, muted), right("usable", usable, muted),
        left("  findings", findings, muted),
    )  # fmt: skip


def _data(row: DataRow, width: int) -> Content:
    name, layout, rows, usable, _ = _data_columns(width)
    parts: list[Part] = [left(row.path.name, name - 1), " "]
    if row.rows is None:
        parts.append(left("not checked yet", layout, "$text-muted"))
        return Content.assemble(*parts)
    parts += [
        left(row.format or "unknown", layout, "$text-muted"),
        right(count(row.rows), rows),
        right(count(row.usable), usable),
    ]
    words: list[Part] = []
    if row.errors:
        words.append((f"  ✗ {row.errors} error{'s' * (row.errors != 1)}", "$error"))
    if row.warnings:
        words.append((f"  ! {row.warnings} warning{'s' * (row.warnings != 1)}", "$warning"))
    return Content.assemble(*parts, *(words or [("  ✓ clean", "$success")]))
