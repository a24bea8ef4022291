"""All checks of what a row's text holds, behind the gate that lets nearly every row pass by."""

from __future__ import annotations

from typing import Any

from core.data.checks.damage import check_damage
from core.data.checks.gate import MARKS, PRIVATE, WIDE, flags
from core.data.checks.marks import check_marks
from core.data.checks.personal import check_personal
from core.data.findings import RowFinding


def check_text(raw: bytes, value: Any, found: list[RowFinding]) -> None:
    """Add what is wrong with the text in `value`, which `raw` holds: control tokens, damage, personal data …"""
    gate = flags(raw)
    if not gate:
        return
    if gate & MARKS:
        check_marks(value, found)
    if gate & WIDE:
        check_damage(value, found)
    if gate & PRIVATE:
        check_personal(value, gate, found)
