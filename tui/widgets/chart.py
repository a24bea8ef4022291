"""A line chart of braille dots: drawn in a few milliseconds, in the theme's colours, and never upset by a NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from tui.format import count, small

# Dot (column, row) of a braille cell → its bit (Unicode 15, block 2800: dots 1-8).
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
# Dot column, first and last row within a cell → the bits of all dots between them.
_RUNS = tuple(
    tuple(tuple(sum(column[first : last + 1]) for last in range(4)) for first in range(4)) for column in _BITS
)
Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line: points by ascending x; NaN is a gap. `band`: vertical strokes (x, low, high) instead of a line."""

    style: str
    points: Sequence[Point] = ()
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Marks:
    """Single signs at points."""

    style: str
    points: Sequence[Point]
    sign: str = "◆"


@dataclass(frozen=True)
class Plot:
    """All that a chart shows. Later curves lie over earlier ones, marks over curves.

    `ticks` are signs on the x axis: (x, sign, style). `levels` are faint lines across: (y, style), drawn where they
    are not far from the values. `cursor`: a faint line upright. `log`: logarithmic y; values that are not above zero
    are gaps. `zero`: the y axis begins at zero. `x_range`: that of all points where it is None.
    """

    curves: Sequence[Curve] = ()
    marks: Sequence[Marks] = ()
    ticks: Sequence[tuple[float, str, str]] = ()
    levels: Sequence[tuple[float, str]] = ()
    log: bool = False
    y_format: Callable[[float], str] = small
    x_format: Callable[[float], str] = count
    cursor: float | None = None
    empty: str = "nothing measured yet"
    zero: bool = False
    x_range: tuple[float, float] | None = None


# The square of it is still a number.
_LARGEST = 1e150
_TINY = 1e-150


@dataclass
class _Grid:
    """The cells of the drawing area, and where values fall in it."""

    width: int
    height: int
    x0: float
    x1: float
    y0: float
    y1: float
    log: bool
    bits: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    styles: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    signs: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])

    def __post_init__(self) -> None:
        self._right, self._bottom = self.width * 2 - 1, self.height * 4 - 1
        span = self.x1 - self.x0
        self._across = self._right / span if span else 0.0
        self._up = self._bottom / (self.y1 - self.y0)

    def column(self, x: float) -> int:
        """The dot column of `x`."""
        column = round((x - self.x0) * self._across)
        return 0 if column < 0 else min(column, self._right)

    def row(self, y: float) -> int:
        """The dot row of `y` (already on the scale), 0 at the top."""
        row = self._bottom - round((y - self.y0) * self._up)
        return 0 if row < 0 else min(row, self._bottom)

    def dots(self, column: int, top: int, bottom: int, style: str) -> None:
        """Set the dots of a column from row `top` down to `bottom`."""
        runs, bits, styles, across = _RUNS[column & 1], self.bits, self.styles, column >> 1
        first, last = top >> 2, bottom >> 2
        for down in range(first, last + 1):
            cell = (across, down)
            run = runs[top & 3 if down == first else 0][bottom & 3 if down == last else 3]
            bits[cell] = bits.get(cell, 0) | run
            styles[cell] = style


def draw(plot: Plot, width: int, height: int) -> list[Content]:
    """The chart in `height` lines of `width` cells: labels at the left, the x axis on the last line."""
    ys = [value for value in map(partial(scaled, log=plot.log), _all_ys(plot)) if value == value]  # noqa: PLR0124
    xs = plot.x_range or _all_xs(plot)
    if width < 12 or height < 2 or not ys or not xs:
        return [Content.styled(plot.empty[: max(0, width)], "$text-muted")]
    low, high = _range(ys, plot)
    rows = height - 1
    labels = _labels(low, high, rows, plot)
    margin = max(len(text) for text in labels.values()) + 1 if labels else 1
    grid = _Grid(width - margin - 1, rows, min(xs), max(xs), low, high, plot.log)
    if grid.width < 4:
        return [Content.styled(plot.empty[:width], "$text-muted")]
    for level, style in plot.levels:
        _draw_level(grid, scaled(level, plot.log), style)
    for curve in plot.curves:
        _draw_band(grid, curve) if curve.band else _draw_line(grid, curve)
    for marks in plot.marks:
        for x, y in marks.points:
            value = scaled(y, plot.log)
            if math.isfinite(value):
                cell = (grid.column(x) >> 1, grid.row(value) >> 2)
                grid.signs[cell], grid.styles[cell] = marks.sign, marks.style
    if plot.cursor is not None:
        _draw_cursor(grid, plot.cursor)
    filled: list[list[int]] = [[] for _ in range(rows)]
    for column, row in sorted(grid.styles):
        filled[row].append(column)
    lines = [_line(grid, row, filled[row], labels.get(row, ""), margin) for row in range(rows)]
    return [*lines, _axis(grid, plot, margin)]


def scaled(y: float, log: bool) -> float:
    """`y` on the scale of the chart; NaN where it cannot be shown: not finite, or too large to be reckoned with."""
    if not -_LARGEST <= y <= _LARGEST or (log and y <= 0):
        return math.nan
    return math.log10(y) if log else y


def _all_ys(plot: Plot) -> list[float]:
    found: list[float] = []
    for curve in plot.curves:
        found += [y for _, y in curve.points]
        found += [low for _, low, _ in curve.band]
        found += [high for _, _, high in curve.band]
    for marks in plot.marks:
        found += [y for _, y in marks.points]
    return found


def _all_xs(plot: Plot) -> list[float]:
    lines = [curve.points for curve in plot.curves] + [marks.points for marks in plot.marks]
    return [x for points in lines for x, _ in points] + [x for curve in plot.curves for x, _, _ in curve.band]


def _range(ys: Sequence[float], plot: Plot) -> tuple[float, float]:
    low, high = min(ys), max(ys)
    if plot.zero and not plot.log:
        low = min(0.0, low)
    for level in (scaled(y, plot.log) for y, _ in plot.levels):
        # Further away than the values are apart it would only press them flat.
        if abs(level - min(high, max(low, level))) <= high - low:
            low, high = min(low, level), max(high, level)
    if high - low < 1e-12 * max(1.0, abs(high)):
        # Of the smallest numbers that there are a tenth is none.
        room = abs(high) * 0.1 if abs(high) > _TINY else 0.5
        low, high = low - room, high + room
    return low, high


def _labels(low: float, high: float, rows: int, plot: Plot) -> dict[int, str]:
    """Row → the label of a round value there."""
    found: dict[int, str] = {}
    for value in round_values(low, high, max(2, min(8, rows // 2)), plot.log):
        share = (value - low) / (high - low)
        row = (rows * 4 - 1 - round(share * (rows * 4 - 1))) >> 2
        found.setdefault(row, plot.y_format(10**value if plot.log else value))
    return found


def round_values(low: float, high: float, most: int, log: bool = False) -> list[float]:
    """At most about `most` round values from `low` to `high`; with `log` both are exponents of ten."""
    if log and high - low >= 1:
        step = max(1, math.ceil((high - low) / most))
        return [float(n) for n in range(math.ceil(low), math.floor(high) + 1, step)]
    if log:
        return [math.log10(value) for value in round_values(10**low, 10**high, most) if value > 0]
    raw = (high - low) / max(1, most)
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _draw_band(grid: _Grid, curve: Curve) -> None:
    for x, low, high in curve.band:
        bottom, top = scaled(low, grid.log), scaled(high, grid.log)
        if math.isfinite(bottom) and math.isfinite(top):
            grid.dots(grid.column(x), grid.row(top), grid.row(bottom), curve.style)


def _draw_level(grid: _Grid, level: float, style: str) -> None:
    if grid.y0 <= level <= grid.y1:
        row = grid.row(level)
        for column in range(0, grid.width * 2, 3):
            grid.dots(column, row, row, style)


def _draw_cursor(grid: _Grid, x: float) -> None:
    if grid.x0 <= x <= grid.x1:
        across = grid.column(x) >> 1
        for row in range(grid.height):
            cell = (across, row)
            if cell not in grid.bits and cell not in grid.signs:
                grid.signs[cell], grid.styles[cell] = "┊", "$text-muted"


def _draw_line(grid: _Grid, curve: Curve) -> None:
    before: tuple[int, int] | None = None
    for x, y in curve.points:
        value = scaled(y, grid.log)
        if not math.isfinite(value):
            before = None
            continue
        here = (grid.column(x), grid.row(value))
        if before is None:
            grid.dots(here[0], here[1], here[1], curve.style)
        else:
            _stroke(grid, before, here, curve.style)
        before = here


def _stroke(grid: _Grid, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
    (x0, y0), (x1, y1) = start, end
    if x1 <= x0:
        grid.dots(x1, min(y0, y1), max(y0, y1), style)
        return
    at = y0
    for column in range(x0 + 1, x1 + 1):
        to = round(y0 + (y1 - y0) * (column - x0) / (x1 - x0))
        # The dot that the line comes from is there already: a steep line stays one dot wide.
        grid.dots(column, min(to, at + 1) if to > at else to, max(to, at - 1) if to < at else to, style)
        at = to


def _line(grid: _Grid, row: int, filled: Sequence[int], label: str, margin: int) -> Content:
    parts: list[tuple[str, str]] = [
        (label.rjust(margin - 1), "$text-muted"),
        (" ┤" if label else " │", "$text-disabled"),
    ]
    text, style, at = "", "", 0
    for column in filled:
        cell = (column, row)
        sign, look = grid.signs.get(cell) or chr(0x2800 + grid.bits[cell]), grid.styles[cell]
        # Blanks look the same in any style: they go with what is before them.
        text += " " * (column - at)
        at = column + 1
        if look != style:
            parts.append((text, style))
            text, style = "", look
        text += sign
    parts.append((text + " " * (grid.width - at), style))
    return Content.assemble(*parts)


def _axis(grid: _Grid, plot: Plot, margin: int) -> Content:
    """The x axis: its ends, the ticks between them, and the foot of the cursor."""
    cells: list[tuple[str, str]] = [("─", "$text-disabled")] * grid.width
    first, last = plot.x_format(grid.x0), plot.x_format(grid.x1)
    for x, sign, style in plot.ticks:
        if grid.x0 <= x <= grid.x1:
            cells[min(grid.width - 1, grid.column(x) >> 1)] = (sign, style)
    if plot.cursor is not None and grid.x0 <= plot.cursor <= grid.x1:
        cells[grid.column(plot.cursor) >> 1] = ("┴", "$foreground")
    if len(first) + len(last) + 4 <= grid.width:
        for text, start in ((f"{first} ", 0), (f" {last}", grid.width - len(last) - 1)):
            for place, char in enumerate(text):
                cells[start + place] = (char, "$text-muted")
    return Content.assemble((" " * margin + "└", "$text-disabled"), *cells)


def _same(before: list[Content], after: list[Content]) -> bool:
    return [(line.plain, line.spans) for line in before] == [(line.plain, line.spans) for line in after]


class Chart(Widget, can_focus=True):
    """Shows a Plot; drawn again only when the plot or the size changes."""

    DEFAULT_CSS = "Chart { height: 1fr; width: 1fr; }"

    def __init__(self, title: str = "", *, id: str | None = None, classes: str = "panel") -> None:
        super().__init__(id=id, classes=classes)
        self.border_title = title
        self._plot = Plot(empty="reading …")
        self._lines: list[Content] = []
        self._drawn: tuple[int, int] | None = None

    def show(self, plot: Plot) -> None:
        """Show `plot` from now on; only lines that differ are painted again."""
        self._plot = plot
        size = (self.content_size.width, self.content_size.height)
        if self._drawn != size:
            self._drawn = None
            self.refresh()
            return
        before, self._lines = self._lines, draw(plot, *size)
        for y in range(max(len(before), len(self._lines))):
            if not _same(before[y : y + 1], self._lines[y : y + 1]):
                self.refresh(Region(0, y, size[0], 1))

    @property
    def lines(self) -> list[Content]:
        """What was last drawn."""
        return self._lines

    @property
    def columns(self) -> int:
        """Columns of the drawing area as it was last drawn."""
        axis = self._lines[-1].plain if len(self._lines) > 1 else ""
        return max(1, len(axis) - axis.find("└") - 1)

    def render_lines(self, crop):  # pyright: ignore
        """Draw the plot for the present size before its lines are asked for."""
        size = (self.content_size.width, self.content_size.height)
        if self._drawn != size:
            self._drawn = size
            self._lines = draw(self._plot, *size)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the chart."""
        width = self.content_size.width
        style = self.visual_style
        if y >= len(self._lines):
            return Strip.blank(width, style.rich_style)
        return Visual.to_strips(self, self._lines[y].truncate(width), width, 1, style, pad=True)[0]
