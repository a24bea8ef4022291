"""Curves as SVG: no script, no font, no reference to anything outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 28
# Beyond this, differences and squares of values overflow; no curve that one can read has such values.
_MOST = 1e150
#: More points than this are put together, a mean for each column.
COLUMNS = 600
_COLOURS = ("#3b6ea5", "#c8553d", "#4f8a5b", "#8a6bb1")


Points = Sequence[tuple[float, float]]
Place = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: `marks` draws points instead of a line."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    marks: bool = False


def curves(lines: Sequence[Line], unit: str = "") -> str:
    """The curves in one picture over the steps; empty where there is no value to draw.

    Values that are not finite, or beyond 1e150, are gaps. Of more than 600 points each column shows its mean.
    """
    thin = [(line, _thinned(line)) for line in lines]
    points = [point for _, found in thin for point in found if math.isfinite(point[1])]
    if not points:
        return ""
    x0, x1 = min(x for x, _ in points), max(x for x, _ in points)
    y0, y1 = min(y for _, y in points), max(y for _, y in points)
    if y1 - y0 < 1e-12 * max(1.0, abs(y1)):
        room = abs(y1) * 0.1 or 0.5
        y0, y1 = y0 - room, y1 + room
    x1 = x1 if x1 > x0 else x0 + 1

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="11">'
    ]
    for share in (0.0, 0.5, 1.0):
        value = y0 + share * (y1 - y0)
        _, y = at(x0, value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{value:.4g}</text>')
    for x, anchor in ((x0, "start"), (x1, "end")):
        place, _ = at(x, y0)
        parts.append(
            f'<text x="{place:.1f}" y="{_HEIGHT - 10}" text-anchor="{anchor}" fill="#666">step {x:.0f}</text>'
        )
    for number, (line, found) in enumerate(thin):
        colour = _COLOURS[number % len(_COLOURS)]
        parts += _marks(found, at, colour) if line.marks else _strokes(found, at, colour)
        parts.append(
            f'<text x="{_LEFT + 8 + 130 * number}" y="{_TOP + 4}" fill="{colour}">'
            f"{escape(line.name)}{f' ({escape(unit)})' if unit and not number else ''}</text>"
        )
    return "".join([*parts, "</svg>"])


def _thinned(line: Line) -> list[tuple[float, float]]:
    pairs = [(x, y if abs(y) <= _MOST else math.nan) for x, y in zip(line.xs, line.ys, strict=True)]
    if line.marks or len(pairs) <= COLUMNS:
        return pairs
    found: list[tuple[float, float]] = []
    for column in range(COLUMNS):
        part = pairs[column * len(pairs) // COLUMNS : (column + 1) * len(pairs) // COLUMNS]
        finite = [y for _, y in part if math.isfinite(y)]
        found.append((part[len(part) // 2][0], math.fsum(finite) / len(finite) if finite else math.nan))
    return found


def _strokes(points: Points, at: Place, colour: str) -> list[str]:
    """A line for each stretch without a gap."""
    found: list[str] = []
    stretch: list[str] = []
    for x, y in [*points, (0.0, math.nan)]:
        if math.isfinite(y):
            px, py = at(x, y)
            stretch.append(f"{px:.1f},{py:.1f}")
        elif stretch:
            found.append(f'<polyline points="{" ".join(stretch)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            stretch = []
    return found


def _marks(points: Points, at: Place, colour: str) -> list[str]:
    places = [at(x, y) for x, y in points if math.isfinite(y)]
    return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
