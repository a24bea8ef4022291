"""Copies of data as plain text: unnamed temporary files that never fill the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO

from core.data.unreadable import Unreadable
from core.errors import DiapasonError
from core.home import cache_dir, free_bytes

Tell = Callable[[int], None]
"""``tell(bytes done of the original)``; it may raise to stop the copy."""

# A file of 5 MB may hold 1 GB, one of 1 GB 200 GB: no text that people write packs better than 200 : 1, while a
# bomb reaches gzip's limit of 1,032 : 1 (zlib.net/zlib_tech.html).
_SMALL = 1 << 30
_RATIO = 200
# Left to everybody else on the disk.
_RESERVE = 512 << 20
_LOOK_EVERY = 32 << 20


class Spool:
    """A temporary copy being written: bytes go in until `finish` gives the file.

    Args:
        where: the name of the original, for messages.
        original: its size in bytes, which sets how large the copy may become; 0 where it is not known.
    """

    def __init__(self, where: str, original: int = 0) -> None:
        self.where = where
        self.size = 0
        self._limit = max(_SMALL, _RATIO * original) if original else None
        self._room = 0
        # The copy lives as long as the source that reads it.
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=cache_dir())  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Append bytes. Raises Unreadable where the copy grows past its limit or the disk runs full."""
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            self._file.close()
            raise Unreadable(
                "compressed",
                f"it unpacks to more than {self._limit >> 20:,} MB, far more than text does",
                where=self.where,
                hint="If that is right, unpack it yourself and name the unpacked file.",
                detail="too_large",
            )
        self._room -= len(data)
        if self._room < 0:
            self._room = _LOOK_EVERY
            if free_bytes(cache_dir()) < _RESERVE + _LOOK_EVERY:
                self._full()
        try:
            self._file.write(data)
        except OSError:
            self._full()

    def cut(self, size: int) -> None:
        """Drop what lies behind byte `size`."""
        self._file.flush()
        self._file.truncate(size)
        self._file.seek(size)
        self.size = size

    def finish(self) -> IO[bytes]:
        """The file, written out."""
        try:
            self._file.flush()
        except OSError:
            self._full()
        return self._file

    def _full(self) -> None:
        self._file.close()
        raise DiapasonError(
            f"there is no room for its text: {self.size >> 20:,} MB so far",
            where=self.where,
            hint=f"Make room in {cache_dir()}, or point DIAPASON_HOME at a larger disk.",
        )
