"""The queue as lines of inert text, for the command and for the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.text import cells, shorten, visible

if TYPE_CHECKING:
    from core.worker.overview import Entry


def queue_lines(entries: Sequence[Entry], end: dict[str, Any] | None) -> Iterator[str]:
    """A line for each run, and one for the command that waits for the end."""
    if not entries:
        yield "Nothing runs or waits."
    rows = [(place(entry), shorten(entry.folder.name, 40), entry.status, about(entry)) for entry in entries]
    widths = [max((cells(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        fixed = [text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=False)]
        yield "  ".join([*fixed, row[3]]).rstrip()
    if end is not None:
        yield end_line(end)


def place(entry: Entry) -> str:
    """Its place in the queue."""
    return "" if entry.place is None else f"{entry.place}."


def about(entry: Entry) -> str:
    """What it waits for, or the memory that it asks for."""
    if entry.reason:
        return visible(entry.reason)
    if entry.request.device == "cpu":
        return "on the processor"
    return f"{entry.request.bytes / 2**30:.1f} GiB on one GPU" if entry.request.bytes else ""


def end_line(end: dict[str, Any]) -> str:
    """What happens once all is done, or why it did not."""
    held = f" · not run: {visible(str(end['held']))}" if end.get("held") else ""
    return f"once all is done: {visible(str(end['command']))}{held}"
