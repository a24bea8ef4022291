"""A histogram in block characters, a few lines high."""

from __future__ import annotations

from collections.abc import Sequence

from tui.format import count

Piece = tuple[str, str]
"""Text and what it is: "" for plain, "cut" for what lies behind a cut, "mark" for the cut itself."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def histogram(
    counts: Sequence[int], width: float, beyond: int = 0, height: int = 3, cut: float | None = None
) -> list[list[Piece]]:
    """Columns of eighths, the highest `height` lines high, and the axis below; no lines where all counts are 0.

    Args:
        counts: how many in each bin, one cell each.
        width: of a bin, in the unit of the axis.
        beyond: how many lie behind the last bin; told at the end of the axis.
        cut: where to draw a line, in the unit of the axis; left out where it lies behind the last bin.
    """
    top = max(counts, default=0)
    if not top:
        return []
    place = round(cut / width) if cut is not None else len(counts)
    has_cut = cut is not None and place < len(counts)
    # A count that is not 0 is shown, however small it is beside the highest.
    eighths = [max(1, round(number * height * 8 / top)) if number else 0 for number in counts]
    lines: list[list[Piece]] = []
    for line in range(height - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(8, max(0, part - 8 * line))] for part in eighths)
        lines.append([(cells[:place], ""), ("┆", "mark"), (cells[place:], "cut")] if has_cut else [(cells, "")])
    end = count(width * len(counts)) + (f", {count(beyond)} longer" if beyond else "")
    axis = "0"
    if has_cut and cut is not None:
        axis = axis.ljust(max(2, place - 4)) + f"cut {count(cut)}"
    axis = axis.ljust(max(len(axis) + 1, len(counts) + has_cut - len(end))) + end
    return [*lines, [(axis, "")]]
