"""At most 84 bytes for each text, from which the pairs worth comparing are found without comparing all.

From 64 MB on they lie in a temporary file.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from core.data.near.figures import figures
from core.data.near.frames import Frames
from core.data.near.shingles import SHINGLE, Hashes, codes, mixed, shingle_hashes
from core.data.spool import Spool

_SEED = 20
_MOST = 80
_MISSED = 0.005
_BATCH = 1 << 19
_FIGURES = 4
_IN_MEMORY = 64 << 20
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@lru_cache
def banding(threshold: float) -> tuple[int, int]:
    """(bands, rows in a band) so that a pair just at `threshold` shares a band with 99.5 % at least.

    The chance is 1 - (1 - s^r)^b: Mining of Massive Datasets, 3.4.2. Of the shapes within 80 hashes, the most
    selective one.
    """
    for rows in range(12, 0, -1):
        chance = min(threshold, 0.9999) ** rows
        bands = math.ceil(math.log(_MISSED) / math.log1p(-chance))
        if bands * rows <= _MOST:
            return bands, rows
    return _MOST, 1


class Sketches:
    """Takes texts of one or two parts and keeps the last byte of each of their min-hashes (Li and König 2010).

    Each band holds hashes of both parts: two rows that share a long answer, but not the question, share no band.
    Nor do two whose numbers keep them from being near copies: of these four bytes of a hash are kept.

    Attributes:
        bands, rows: how many bands there are, of how many hashes each.
        shares: how many hashes of a band each part has, one part after the other.
    """

    def __init__(self, threshold: float, frames: Frames, parts: int = 1) -> None:
        self.threshold = threshold
        self._frames = frames
        self.bands, self.rows = banding(threshold)
        self.shares = [(self.rows + place) // parts for place in reversed(range(parts))]
        self._texts: list[list[str]] = [[] for _ in range(parts)]
        self._waiting = 0
        self._made: list[Bytes] = []
        self._held = 0
        self._spool: Spool | None = None

    def add(self, parts: Sequence[str]) -> None:
        """Remember a text, given in as many parts as all others."""
        for texts, part in zip(self._texts, parts, strict=True):
            texts.append(part)
            self._waiting += len(part)
        if self._waiting >= _BATCH:
            self._flush()

    def merge(self, later: Sketches) -> None:
        """Take the texts of `later`, made with the same threshold, frames and parts."""
        self._flush()
        self._keep(later.bytes())

    def __getstate__(self) -> dict[str, Any]:
        made = np.array(self.bytes())
        return {**self.__dict__, "_made": [made], "_held": made.nbytes, "_spool": None}

    def bytes(self) -> Bytes:
        """One row of bytes for each text; on disk where they are many."""
        self._flush()
        width = self.bands * self.rows + _FIGURES
        if self._spool is not None:
            self._spill(self._spool)
            return np.memmap(self._spool.finish(), np.uint8, "r", shape=(self._spool.size // width, width))
        if len(self._made) != 1:
            self._made = [np.concatenate(self._made) if self._made else np.zeros((0, width), np.uint8)]
        return self._made[0]

    def _keep(self, made: Bytes) -> None:
        self._made.append(made)
        self._held += made.nbytes
        if self._held > _IN_MEMORY:
            self._spool = self._spool or Spool("the sketches of its rows")
            self._spill(self._spool)

    def _spill(self, spool: Spool) -> None:
        for made in self._made:
            spool.write(made.tobytes())
        self._made, self._held = [], 0

    def keys(self, band: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """A number for each text; two texts with the same one are likely alike."""
        every = self.bytes()
        keys = np.zeros(len(every), np.uint64)
        for column in (*range(band * self.rows, (band + 1) * self.rows), *range(-_FIGURES, 0)):
            keys = keys * np.uint64(0x100000001B3) + every[:, column]
        return (mixed(keys) >> np.uint64(32)).astype(np.uint32)

    def _flush(self) -> None:
        count = len(self._texts[0])
        if count:
            pieces: list[Bytes] = []
            numbers = np.zeros(count, np.uint64)
            for texts, rows in zip(self._texts, self.shares, strict=True):
                hashed, own = self._hashed(texts, rows)
                pieces.append(hashed.reshape(count, self.bands, rows))
                numbers = mixed(numbers + own)
            last = numbers.astype(np.uint32).view(np.uint8).reshape(count, _FIGURES)
            self._keep(np.concatenate([np.concatenate(pieces, axis=2).reshape(count, -1), last], axis=1))
            self._texts = [[] for _ in self._texts]
            self._waiting = 0

    def _hashed(self, texts: list[str], rows: int) -> tuple[Bytes, Hashes]:
        """`rows` min-hashes for each band of each text, their last bytes; and the hash of each text's numbers."""
        from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]  (a compiled module without types)

        characters, starts, ends = self._frames.strip(*codes(texts))
        hashes = shingle_hashes(characters)
        # A text too short for a shingle is filled up from the gap behind it.
        counts = np.maximum(1, ends - starts - SHINGLE + 1)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        wanted = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            hashes[wanted], offsets.astype(np.uint64), self.bands * rows, _SEED
        )
        digests = np.frombuffer(b"".join(array("I", row) for row in matrix.to_rows()), np.uint32)
        return (digests & np.uint32(255)).astype(np.uint8), figures(characters, starts, ends, self.threshold)
