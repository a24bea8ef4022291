"""What shall be done to a file: fixes for all rows of a kind, and decisions about single rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


def row_hash(raw: bytes) -> str:
    """What identifies a row's bytes, beside its number: 64 bits of BLAKE2 in hexadecimal."""
    return hashlib.blake2b(raw, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What was decided about one row. `hash` is `row_hash` of the bytes that were looked at.

    edits: new texts by place; the place ``""`` is the whole row. drop and keep are a person's word: a row kept is
    not dropped by any fix, though its texts may be mended. fixes: code → choice, for this row alone.
    """

    hash: str
    edits: Mapping[str, str] = field(default_factory=dict[str, str])
    drop: bool = False
    keep: bool = False
    flag: bool = False
    fixes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Plan:
    """Fixes by code → choice, and decisions by the row's number in the source, from 0.

    roles: names of roles → the usual ones, for bad_role. model and max_length: for too_long.
    """

    fixes: Mapping[str, str] = field(default_factory=dict[str, str])
    rows: Mapping[int, RowPlan] = field(default_factory=dict[int, RowPlan])
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    model: str = "starter"
    max_length: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.fixes and not any(row.drop or row.edits or row.fixes for row in self.rows.values())
