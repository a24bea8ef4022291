"""That a data file is damaged, in words: for the commands and the screens that work with the rows that are left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from core.text import visible

if TYPE_CHECKING:
    from core.data.findings import RowFinding


def damage_lines(damage: Iterable[RowFinding]) -> Iterator[str]:
    """One line for each damage, with what it means for the rows."""
    for finding in damage:
        yield f"✗ {finding.code}: {visible(finding.message)}. The rest of it is missing here."
