"""What looks at every row of a file, in several processes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from core.data.dataset import Row


class Tally(Protocol):
    """Takes rows one by one and keeps little of each. It can be pickled, and put together with the one that follows.

    A check makes one for each range of rows, in the process that reads the range, and merges them in order.
    """

    def add(self, row: Row) -> None:
        """Take the next row; `row.example` is None where it is not usable."""
        ...

    def merge(self, later: Any) -> None:
        """Take what a tally of the same kind has found in the rows that follow."""
        ...


Maker = Callable[[], Tally]
"""Makes an empty tally; it can be pickled too."""
