"""Names for new files that the screens propose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def beside(path: Path, ending: str, suffix: str = "", free: Callable[[Path], bool] | None = None) -> Path:
    """A free name beside the source: ``data.chat.jsonl``, else ``data.chat-2.jsonl`` …

    Args:
        path: the source, as a person named it; where its folder is not there the present one is taken.
        free: whether a name may be taken; without it, where nothing has it.
    """
    stem = path.name.partition("#")[0].partition(".")[0] or "data"
    folder = path.parent if path.parent.is_dir() else Path()
    out = folder / f"{stem}.{ending}{suffix}"
    for number in range(2, 1000):
        if free(out) if free else not out.exists():
            break
        out = folder / f"{stem}.{ending}-{number}{suffix}"
    return out
