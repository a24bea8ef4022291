"""What a report is made of, whatever it is written as. All texts are raw: whoever writes them makes them inert."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `strong` where it is what one should read first."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; numbers stand right where `right` says so by column."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: bool = True


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text whose lines stay as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as SVG, made by `core.report.curves`, and what it shows."""

    svg: str
    caption: str


Block = Heading | Text | Table | Verbatim | Figure
