"""The first rows of data whose text takes time to make: packed, Parquet, in another encoding, a folder of files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO

from core.data import arrow
from core.data.dataset import Dataset, open_dataset
from core.data.encodings import sniff_encoding
from core.data.folder import choose_split, read_folder
from core.data.opening import HEAD, Opened, needs_copy, open_place
from core.data.place import PACKED_SUFFIXES, find_place
from core.data.spool import Spool
from core.data.unpack import packing, unpack_into
from core.errors import DiapasonError
from core.home import cache_dir, expand

_ENOUGH = 1 << 20
_BATCH = 50


class _EnoughError(Exception):
    """There is enough text for a page."""


class _Beginning(Spool):
    """A copy that ends soon."""

    def write(self, data: bytes) -> None:
        """Append bytes. Raises _EnoughError where there is enough."""
        super().write(data)
        if self.size >= _ENOUGH:
            raise _EnoughError


def open_preview(path: Path | str, format: str | None = None, map: str | None = None) -> Dataset | None:
    """A data set of the first rows of `path` alone: to `peek` at and show while the whole is made ready.

    None where nothing stands in the way of reading the data itself, or nothing can be shown sooner. Errors are left
    to whoever opens the whole.

    Args:
        path, format, map: as `open_dataset` takes them.
    """
    try:
        opened = open_place(find_place(expand(path)))
    except DiapasonError:
        return None
    try:
        if opened.place.kind == "folder":
            return _of_folder(opened, format, map)
        if opened.place.kind != "file" or opened.file is None or not needs_copy(opened):
            return None
        return _opened(*_beginning(opened.file, opened.place.path), opened.place.part, format, map)
    except (DiapasonError, OSError):
        return None
    finally:
        if opened.file is not None:
            opened.file.close()


def _of_folder(opened: Opened, format: str | None, map: str | None) -> Dataset | None:
    place = opened.place
    split = choose_split(read_folder(place.path), place.part, str(place.path))
    if not split.files:
        return None
    if not split.arrow:
        return open_preview(split.files[0], format, map) or open_dataset(split.files[0], format, map)
    spool = _Beginning(str(place.path))
    try:
        arrow.stream_rows(split.files[:1], spool, batch_rows=_BATCH)
    except _EnoughError:
        pass
    return _opened(spool.finish(), ".jsonl", "", format, map)


def _beginning(file: IO[bytes], path: Path) -> tuple[IO[bytes], str]:
    """The first megabyte or so of a file's text, and the suffix that says what it is."""
    suffix = path.suffix.lower()
    suffix = path.with_suffix("").suffix.lower() if suffix in PACKED_SUFFIXES else suffix
    head = os.pread(file.fileno(), HEAD, 0)
    spool = _Beginning(str(path))
    try:
        if head.startswith(arrow.PARQUET):
            suffix = ".jsonl"
            with os.fdopen(os.dup(file.fileno()), "rb") as copy:
                copy.seek(0)
                arrow.parquet_rows(copy, spool, batch_rows=_BATCH)
        elif kind := packing(head):
            file.seek(0)
            unpack_into(spool, file, kind)
        else:
            encoding = sniff_encoding(head)
            for _, piece in encoding.stream(lambda start, end: os.pread(file.fileno(), end - start, start), _ENOUGH):
                spool.write(piece.encode("utf-8", "replace"))
    except _EnoughError:
        pass
    return spool.finish(), suffix


def _opened(copy: IO[bytes], suffix: str, part: str, format: str | None, map: str | None) -> Dataset:
    """The data set that a copy makes. Its name is gone again at once; the source keeps the file open."""
    with tempfile.NamedTemporaryFile(dir=cache_dir(), suffix=suffix) as named:
        copy.seek(0)
        named.write(copy.read())
        named.flush()
        copy.close()
        name = f"{named.name}#{part}" if part else named.name
        return open_dataset(name, format, map)
