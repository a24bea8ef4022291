"""What a split has made, as lines: for the command and for the screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from core.text import cells, visible
from tui.commands.data import amount
from tui.damage_view import damage_lines
from tui.format import count

if TYPE_CHECKING:
    from core.data.prompts import Kind
    from core.data.split import SplitResult


def split_lines(result: SplitResult) -> Iterator[str]:
    """The parts with their rows, the rows left out, and the leakage beside that of a plain random split."""
    files = {"train": result.train, "validation": result.validation, "test": result.test}
    width = max(cells(visible(str(path))) for path in files.values() if path)
    for name, path in files.items():
        if path is not None:
            shown = visible(str(path))
            yield f"{name:<10} {shown}{' ' * (width - cells(shown))}  {count(result.counts[name]):>9} rows"
    yield from damage_lines(result.damage)
    if result.skipped:
        yield f"left out   {amount(result.skipped, 'row')} with errors; `diapason data check` lists them"
    if result.leakage is not None:
        yield (
            f"leakage    {_leaking(result.leakage.remaining)} held out ask what a training row asks; "
            f"a plain random split: {_leaking(result.leakage.random)}"
        )


def _leaking(counts: Mapping[Kind, int]) -> str:
    """``0 rows``; ``12 rows (exact 4, near 8)``."""
    kinds = ", ".join(f"{kind} {count(number)}" for kind, number in counts.items() if number)
    return amount(sum(counts.values()), "row") + (f" ({kinds})" if kinds else "")
