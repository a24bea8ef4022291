"""Which variants stay: usable, without errors, and copies of nothing that is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import Dataset, open_dataset
from core.data.leaks import read_prompts

Value = dict[str, Any]


@dataclass(slots=True)
class Sifted:
    """How many variants came, why others went, and how many stayed."""

    made: int = 0
    unusable: int = 0
    copies: int = 0
    repeats: int = 0
    kept: int = 0


def sift(
    values: Iterable[Value], source: Dataset, format: str, near: float | None, out: Path, stop: Callable[[], None]
) -> Sifted:
    """Write those of `values` that stay to `out`, as JSON lines.

    Dropped are rows with errors, copies of the source's prompts and of each other's (exact, but for case and
    marks, and near ones from `near` on).
    """
    found = Sifted()
    waiting = out.with_name(f"{out.name}.all")
    try:
        with waiting.open("wb") as file:
            for value in values:
                found.made += 1
                file.write(_line(value))
        if not found.made:
            out.write_bytes(b"")
            return found
        candidates = open_dataset(waiting, format)
        ours, theirs = read_prompts(candidates, source, near, stop)
        usable: list[int] = []
        for row in candidates:
            if row.example is None or any(finding.severity == "error" for finding in row.findings):
                found.unusable += 1
                continue
            ours.add(row.example, blank=True)
            usable.append(row.index)
        copies = {row for leak in ours.leaks(theirs, stop) for row in leak.rows}
        found.copies = len(copies)
        groups = ours.groups() if usable else np.empty(0, np.int64)
        seen: set[int] = set()
        with out.open("wb") as file:
            for row, group in zip(usable, groups.tolist(), strict=True):
                if row in copies:
                    continue
                if group in seen:
                    found.repeats += 1
                    continue
                seen.add(group)
                found.kept += 1
                file.write(candidates.raw(row) + b"\n")
        candidates.source.close()
        return found
    finally:
        waiting.unlink(missing_ok=True)


def _line(value: Value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
