"""What a thousand answers of an arm cost: tokens, time, memory, and money where prices are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.evaluation.records import Record, was_cut

_A_THOUSAND = 1000


def costs(records: Sequence[Record], about: dict[str, Any]) -> dict[str, Any]:
    """An arm's part of the result document about what its answers cost.

    Args:
        about: ``peak_memory_bytes`` and ``price`` of the arm, both maybe None. A price has ``given`` and ``made``, of
            a million tokens of prompt and of answer, or ``per_hour`` of the machine, and maybe ``currency``.

    Returns:
        Sums over the rows (``seconds``, ``tokens`` written, ``prompt_tokens``, ``cut``: answers that reached the
        longest length), ``peak_memory_bytes``, ``price``, and ``per_1000`` answers: ``prompt_tokens``, ``tokens``,
        ``seconds`` (of the batches in which they were made; of an endpoint, of each request) and ``money``.
    """
    seconds = sum(float(record.get("seconds") or 0.0) for record in records)
    written = sum(int(record.get("generated_tokens") or 0) for record in records)
    read = sum(int(record.get("prompt_tokens") or 0) for record in records)
    scale = _A_THOUSAND / max(1, len(records))
    return {
        "seconds": seconds,
        "tokens": written,
        "prompt_tokens": read,
        "cut": sum(was_cut(record) for record in records),
        "peak_memory_bytes": about.get("peak_memory_bytes"),
        "price": about.get("price"),
        "per_1000": {
            "prompt_tokens": round(read * scale),
            "tokens": round(written * scale),
            "seconds": seconds * scale,
            "money": _money(about.get("price"), read * scale, written * scale, seconds * scale),
        },
    }


def _money(price: Any, read: float, written: float, seconds: float) -> float | None:
    if not isinstance(price, dict):
        return None
    parts = [read * _number(price, "given") / 1e6, written * _number(price, "made") / 1e6]
    return sum(parts) + seconds / 3600 * _number(price, "per_hour")


def _number(price: dict[str, Any], name: str) -> float:
    value = price.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
