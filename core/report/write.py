"""A report as HTML, as Markdown or as plain text: one file that needs no other, in which nothing of the data acts."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from core.data.card import inert
from core.report.blocks import Block, Figure, Heading, Table, Text, Verbatim
from core.text import cells, visible

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}th,td{padding:.2em .8em;text-align:left;"
    "border-bottom:1px solid #ddd}"
    ".n td:not(:first-child),.n th:not(:first-child){text-align:right;font-variant-numeric:tabular-nums}"
    "pre{background:#f6f6f4;padding:1em;overflow-x:auto;white-space:pre-wrap}figure{margin:1em 0}"
    "figcaption{color:#666}"
)
# The page loads nothing and runs nothing, whatever a data set has put into it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def as_html(title: str, blocks: Iterable[Block]) -> str:
    """One HTML page."""
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_STYLE}</style></head><body>'
    )
    return head + "\n".join(_html(block) for block in blocks) + "</body></html>\n"


def _safe(text: str) -> str:
    return html.escape(visible(text, newlines=True))


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_safe(text)}</h{level}>"
        case Text(text, strong):
            return f"<p><strong>{_safe(text)}</strong></p>" if strong else f"<p>{_safe(text)}</p>"
        case Verbatim(text):
            return f"<pre>{_safe(text)}</pre>"
        case Figure(svg, caption):
            return f"<figure>{svg}<figcaption>{_safe(caption)}</figcaption></figure>"
        case Table(head, rows, right):
            top = "".join(f"<th>{_safe(cell)}</th>" for cell in head)
            body = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in rows)
            return f"<table{' class=n' if right else ''}><tr>{top}</tr>{body}</table>"


def as_markdown(blocks: Iterable[Block]) -> str:
    """One Markdown file; pictures are in it as data URIs."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {inert(text)}"
        case Text(text, strong):
            return f"**{inert(text, 2000)}**" if strong else inert(text, 2000)
        case Verbatim(text):
            shown = visible(text, newlines=True)
            fence = "`" * max(3, 1 + max((len(run) for run in _ticks(shown)), default=0))
            return f"{fence}\n{shown}\n{fence}"
        case Figure(svg, caption):
            data = base64.b64encode(svg.encode()).decode()
            return f"![{inert(caption)}](data:image/svg+xml;base64,{data})\n\n_{inert(caption)}_"
        case Table(head, rows, right):
            line = "|" + "|".join("---:" if right and at else "---" for at in range(len(head))) + "|"
            return "\n".join([_row(head), line, *(_row(row) for row in rows)])


def as_text(blocks: Iterable[Block]) -> str:
    """For a terminal: tables in columns; everything inert."""
    found, before = "", None
    for block in blocks:
        if not isinstance(block, Figure):
            gap = "" if before is None else "\n" if isinstance(block, Text) and isinstance(before, Text) else "\n\n"
            found += gap + _plain(block)
            before = block
    return found


def _plain(block: Heading | Text | Table | Verbatim) -> str:
    if not isinstance(block, Table):
        return visible(block.text, newlines=isinstance(block, Verbatim))
    table = [[visible(cell) for cell in row] for row in (block.head, *block.rows)]
    widths = [max(cells(row[at]) for row in table) for at in range(len(block.head))]
    return "\n".join(
        "  ".join(cell + " " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _row(row: Sequence[str]) -> str:
    return "| " + " | ".join(inert(cell) for cell in row) + " |"


def _ticks(text: str) -> list[str]:
    return [run for run in "".join(char if char == "`" else " " for char in text).split() if run]
