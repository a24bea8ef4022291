"""The data files that were used lately, kept in the home for the first screen."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from core.files import read_json, write_json
from core.home import expand, home

KEPT = 20


def remember(path: Path | str) -> None:
    """Note that the file `path` was opened now. A home that cannot be written to is passed over."""
    full = str(expand(path).absolute())
    rows = [row for row in _read() if row["path"] != full]
    with contextlib.suppress(OSError):
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(home() / "recent.json", [{"path": full, "t": time.time()}, *rows][:KEPT])


def recent() -> list[tuple[Path, float]]:
    """Files opened before and when (unix seconds), the latest first."""
    return [(Path(row["path"]), float(row["t"])) for row in _read()]


def _read() -> list[dict[str, Any]]:
    value = read_json(home() / "recent.json")
    rows = value if isinstance(value, list) else []
    return [
        row
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("path"), str) and isinstance(row.get("t"), int | float)
    ]
