"""Indexes of large files, kept in the home so that a second opening costs nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import orjson

from core.data.index import Index
from core.errors import DiapasonError
from core.home import cache_dir

_FILES = 24
_VERSION = 2


def load_index(key: tuple[object, ...]) -> tuple[Index, str] | None:
    """The index kept under `key`, and whether plain text has a row a line or a paragraph; None without one."""
    try:
        with np.load(_path(key), allow_pickle=False) as saved:
            notes = orjson.loads(saved["notes"].tobytes())
            index = Index(saved["starts"], saved["ends"], saved["lines"])
        index.blank_lines, index.blank_count, index.crlf_lines, index.ends_with_newline = notes[:4]
        index.problems = [(code, line, text) for code, line, text in notes[4]]
        index.bad = {int(row): why for row, why in notes[5]}
        return index, str(notes[6])
    except (OSError, ValueError, KeyError, IndexError, EOFError, DiapasonError):
        return None


def save_index(key: tuple[object, ...], index: Index, text_rows: str) -> None:
    """Keep `index` under `key`; the oldest of many are removed."""
    notes = [index.blank_lines, index.blank_count, index.crlf_lines, index.ends_with_newline, index.problems,
             list(index.bad.items()), text_rows]  # fmt: skip
    try:
        path = _path(key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
        np.savez(temporary, starts=index.starts, ends=index.ends, lines=index.lines,
                 notes=np.frombuffer(orjson.dumps(notes), np.uint8))  # fmt: skip
        os.replace(temporary, path)
        kept = sorted(path.parent.glob("*.npz"), key=lambda item: item.stat().st_mtime, reverse=True)
        for old in kept[_FILES:]:
            old.unlink(missing_ok=True)
    except (OSError, DiapasonError):
        # The cache only saves time: a full or read-only disk must not keep anyone from reading data.
        return


def _path(key: tuple[object, ...]) -> Path:
    name = "\0".join(str(part) for part in (*key, _VERSION)).encode("utf-8", "surrogateescape")
    return cache_dir() / "index" / f"{hashlib.blake2b(name, digest_size=16).hexdigest()}.npz"
