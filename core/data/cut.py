"""How much of a file is lost for each length that its rows may be cut at, from the exact lengths of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.checks.tokens import TokenTally

LIMITS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lost:
    """What a cut at `max_length` takes away: tokens, rows that are cut, and of these rows without any answer left.

    share: of all tokens, 0 to 1.
    """

    max_length: int
    tokens: int
    share: float
    rows: int
    answers: int


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """The sequences of a file in a model's tokens: the row of each, its length, its first token with loss (-1: none),
    and the tokens of its last answer."""

    model: str
    max_length: int
    rows: Numbers
    length: Numbers
    first: Numbers
    answer: Numbers

    @property
    def total(self) -> int:
        """Tokens of all sequences."""
        return int(self.length.sum())

    def lost(self, max_length: int) -> Lost:
        """What cutting at `max_length` loses."""
        over = self.length > max_length
        tokens = int((self.length[over] - max_length).sum())
        learnt = np.unique(self.rows[(self.first >= 0) & (self.first < max_length)])
        behind = np.setdiff1d(self.rows[over & (self.first >= max_length)], learnt)
        share = tokens / self.total if self.total else 0.0
        return Lost(max_length, tokens, share, len(np.unique(self.rows[over])), len(behind))

    def table(self) -> list[Lost]:
        """The usual limits and `max_length`, up to the first at which nothing is cut."""
        found: list[Lost] = []
        for limit in sorted({*LIMITS, self.max_length}):
            found.append(self.lost(limit))
            if not found[-1].rows and limit >= self.max_length:
                break
        return found

    def to_json(self) -> dict[str, Any]:
        """The figures as `check --json` and `stats --json` write them."""
        return {
            "model": self.model,
            "max_length": self.max_length,
            "sequences": len(self.length),
            "total": self.total,
            "longest": int(self.length.max()) if len(self.length) else 0,
            "lost": [
                {
                    "max_length": lost.max_length,
                    "tokens": lost.tokens,
                    "share": round(lost.share, 6),
                    "rows": lost.rows,
                    "answers": lost.answers,
                }
                for lost in self.table()
            ],
        }


def token_lengths(tally: TokenTally, model: str, max_length: int) -> TokenLengths:
    """The lengths that `tally` has measured."""
    rows, length, first, prompt = (
        np.array(values, np.int64) for values in (tally.rows, tally.length, tally.first, tally.prompt)
    )
    return TokenLengths(model, max_length, rows, length, first, length - prompt)
