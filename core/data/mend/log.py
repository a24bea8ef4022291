"""The log beside a mended file: what was done to which line, as JSON Lines."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.data.mend.plan import RowPlan, row_hash
from core.data.mend.row import Mended, masked
from core.data.pii.spans import redact
from core.text import shorten

_LISTED = 10
_SHOWN = 120


def log_path(out: Path) -> Path:
    """Where the log of `out` lies."""
    return out.with_name(out.name + ".log.jsonl")


def head_record(source: Mapping[str, Any], out: Path, plan: Mapping[str, Any], counts: Mapping[str, int],
                fixes: Counter[str], notes: Sequence[str]) -> dict[str, Any]:  # fmt: skip
    """The first record: the source's fingerprint, what was asked for, and what each fix touched: rows, or places of
    the file; `notes` say how the rows are written.
    """
    versions = {name: _version(name) for name in ("diapason", "ftfy")}
    return {"kind": "head", "schema": 1, "source": dict(source), "out": out.name, "versions": versions,
            "plan": dict(plan), "rows": dict(counts), "fixes": dict(fixes), "notes": list(notes)}  # fmt: skip


def row_record(row: int, line: int, raw: bytes, made: Mended, decided: RowPlan | None) -> dict[str, Any]:
    """What became of one row; personal data that was taken out is not repeated."""
    record: dict[str, Any] = {
        "kind": "row",
        "row": row + 1,
        "line": line,
        "id": f"{row + 1}-{row_hash(raw)}",
        "codes": made.codes,
        "action": "dropped" if not made.raws else "split" if len(made.raws) > 1 else "edited",
        "before": {"sha256": _digest(raw), "text": _shown(raw)},
        "after": [{"sha256": _digest(one), "text": _shown(one)} for one in made.raws[:_LISTED]],
        "changes": [
            {"code": one.code, "place": one.place, "before": shorten(one.before, _SHOWN),
             "after": shorten(one.after, _SHOWN)}
            for one in masked(made.changes[:_LISTED])
        ],
        "more_changes": max(0, len(made.changes) - _LISTED),
    }  # fmt: skip
    if decided is not None and decided.flag:
        record["flagged"] = True
    return record


def drop_record(row: int, line: int, raw: bytes, code: str) -> dict[str, Any]:
    """A row that went because of other rows."""
    return row_record(row, line, raw, Mended([], True, why=code), None)


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _shown(raw: bytes) -> str:
    return shorten(redact(raw[: 8 * _SHOWN].decode("utf-8", "replace")), _SHOWN)
