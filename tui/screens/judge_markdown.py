"""An answer's Markdown as inert text with styles: no links, no HTML, no pictures, nothing that acts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from textual.content import Content

from core.text import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    from core.judging.diff import Parts

# Beyond this many characters parsing would be felt between two pairs; such an answer shows as it is written.
LONGEST = 100_000
_MARKS = {"strong": "bold", "em": "italic", "s": "strike"}
_QUOTE, _CODE = ("▌ ", "$text-muted"), ("│ ", "$text-muted")
_LEAST_CELL = 3

_parser: MarkdownIt | None = None


def plain_lines(text: str, width: int) -> list[Content]:
    """`text` as it is written, in lines of `width` cells."""
    return _wrapped(Content(visible(text, newlines=True)), width)


def marked_lines(parts: Parts, width: int) -> list[Content]:
    """The parts of a `word_diff` in lines of `width` cells; what the other lacks is underlined and bold."""
    return _wrapped(
        Content.assemble(*((part, "bold underline" if changed else "") for part, changed in parts)), width
    )


def _wrapped(content: Content, width: int) -> list[Content]:
    return [line.rstrip() for line in content.wrap(max(8, width))]


# Two sides of this pair and of the next one, twice, as the person may turn Markdown off and on.
@lru_cache(maxsize=8)
def markdown_lines(text: str, width: int) -> list[Content]:
    """`text` as CommonMark with tables, in lines of `width` cells; plain where it is too long for that.

    A line feed ends a line, as chat programs have it. Every piece passes `visible`, after entities were decoded.
    HTML shows as written, a link as its text and address, a picture as its description and address.
    """
    if len(text) > LONGEST:
        return plain_lines(text, width)
    lines = _blocks(_tokens(visible(text, newlines=True)), max(8, width))
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _tokens(text: str) -> Sequence[Token]:
    global _parser
    if _parser is None:
        from markdown_it import MarkdownIt

        _parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return _parser.parse(text)


class _Frame:
    """Where blocks stand: what goes before their lines. `first` is for the next line alone (a bullet)."""

    def __init__(self, prefix: Content, first: Content | None = None, number: int | None = None) -> None:
        self.prefix = prefix
        self.first = first
        self.number = number

    def take(self) -> Content:
        """What goes before the next line."""
        taken, self.first = self.first, None
        return self.prefix if taken is None else taken


def _blocks(tokens: Sequence[Token], width: int) -> list[Content]:
    lines: list[Content] = []
    frames = [_Frame(Content())]
    lists: list[_Frame] = []
    style = ""
    place = 0

    def put(content: Content, *, wrap: bool = True) -> None:
        frame = frames[-1]
        room = max(8, width - frame.prefix.cell_length)
        for part in content.wrap(room) if wrap else [content]:
            lines.append(frame.take() + part.rstrip())

    def gap() -> None:
        # Inside a tight list, and before the first block of an item, nothing stands between.
        if lines and lines[-1].plain.strip(" ▌│") and frames[-1].first is None:
            lines.append(frames[-1].prefix.rstrip() if frames[-1].prefix.plain.strip() else Content())

    while place < len(tokens):
        token = tokens[place]
        match token.type:
            case "heading_open":
                gap()
                style = "bold $accent"
            case "paragraph_open":
                if not token.hidden:
                    gap()
            case "inline":
                content = _inline(token.children or ())
                put(content.stylize_before(style) if style else content)
            case "heading_close":
                style = ""
            case "bullet_list_open" | "ordered_list_open":
                if not lists:
                    gap()
                start = token.attrGet("start")
                ordered = token.type == "ordered_list_open"
                lists.append(_Frame(Content(), number=int(start if start is not None else 1) if ordered else None))
            case "bullet_list_close" | "ordered_list_close":
                lists.pop()
            case "list_item_open":
                listed, outer = lists[-1], frames[-1]
                mark = "• " if listed.number is None else f"{listed.number}. "
                if listed.number is not None:
                    listed.number += 1
                first = outer.take() + Content.styled(mark, "$text-muted")
                frames.append(_Frame(outer.prefix + Content(" " * len(mark)), first))
            case "list_item_close":
                frame = frames.pop()
                if frame.first is not None:
                    lines.append(frame.first.rstrip())
            case "blockquote_open":
                gap()
                outer = frames[-1]
                first = outer.first + Content.styled(*_QUOTE) if outer.first is not None else None
                outer.first = None
                frames.append(_Frame(outer.prefix + Content.styled(*_QUOTE), first))
            case "blockquote_close":
                frames.pop()
            case "fence" | "code_block":
                gap()
                if token.info.strip():
                    put(Content.assemble(_CODE, (visible(token.info.strip()), "italic $text-muted")), wrap=False)
                room = max(8, width - frames[-1].prefix.cell_length - len(_CODE[0]))
                for line in token.content.removesuffix("\n").split("\n"):
                    for part in _code_line(visible(line, newlines=True), room):
                        put(Content.assemble(_CODE, (part, "$foreground")), wrap=False)
            case "hr":
                gap()
                put(Content.styled("─" * min(40, max(8, width - frames[-1].prefix.cell_length)), "$text-muted"))
            case "table_open":
                gap()
                end = next(n for n in range(place, len(tokens)) if tokens[n].type == "table_close")
                for line in _table(tokens[place:end], max(8, width - frames[-1].prefix.cell_length)):
                    put(line, wrap=False)
                place = end
            case _:
                pass
        place += 1
    return lines


def _code_line(line: str, room: int) -> list[str]:
    """`line` cut into pieces of `room` cells: code keeps its blanks, and its lines are not wrapped at words."""
    return [part.plain for part in Content(line).fold(max(2, room))] or [""]


def _inline(tokens: Sequence[Token]) -> Content:
    parts: list[tuple[str, str]] = []
    marks: list[str] = []
    links: list[tuple[str, int]] = []
    for token in tokens:
        kind, _, end = token.type.rpartition("_")
        style = " ".join(_MARKS[mark] for mark in marks)
        if kind in _MARKS and end == "open":
            marks.append(kind)
        elif kind in _MARKS and end == "close":
            marks.remove(kind)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(("\n", ""))
        elif token.type == "code_inline":
            parts.append((f"`{visible(token.content)}`", style))
        elif token.type == "link_open":
            links.append((str(token.attrGet("href") or ""), len(parts)))
        elif token.type == "link_close":
            address, begin = links.pop()
            if address and "".join(text for text, _ in parts[begin:]) != visible(address):
                parts.append((f" ({visible(address)})", "$text-muted"))
        elif token.type == "image":
            parts.append((f"[{visible(token.content)}] ({visible(str(token.attrGet('src') or ''))})", "$text-muted"))
        else:
            parts.append((visible(token.content, newlines=True), style))
    return Content.assemble(*parts)


def _table(tokens: Sequence[Token], width: int) -> list[Content]:
    """A table with its columns side by side; where they are too wide, each cell on a line under its heading."""
    rows: list[list[Content]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(Content(" ").join(_inline(token.children or ()).split("\n")))
    head, body = rows[0], rows[1:]
    sizes = [max(_LEAST_CELL, *(row[n].cell_length for row in rows if n < len(row))) for n in range(len(head))]
    muted = "$text-muted"
    if sum(sizes) + 3 * (len(sizes) - 1) <= width:
        bar = Content.styled(" │ ", muted)
        drawn = [bar.join(cell.pad_right(size - cell.cell_length) for cell, size in zip(row, sizes)) for row in rows]
        line = Content.styled("─┼─".join("─" * size for size in sizes), muted)
        return [drawn[0].stylize_before("bold"), line, *drawn[1:]]
    lines: list[Content] = []
    for row in body:
        for name, cell in zip(head, row):
            pair = Content.assemble(name.stylize_before("bold"), (": ", muted), cell)
            lines += pair.wrap(width)
        lines.append(Content.styled("─" * min(width, 20), muted))
    return lines or [Content(" ").join(head)]
