"""What a line of answers.jsonl says, with the defaults of files that were written before a field existed."""

from __future__ import annotations

import math
from typing import Any

Record = dict[str, Any]


def references_of(record: Record) -> list[str]:
    """All answers that are accepted, the reference first."""
    reference = str(record["reference"] or "")
    more = record.get("references")
    found = [str(text) for text in more] if isinstance(more, list) else []
    return found if reference in found else [reference, *found]


def nats(record: Record) -> float | None:
    """The summed negative log-likelihood of the reference, None where it was not measured."""
    value = record.get("nll")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def tokens_of(record: Record) -> int:
    """Tokens of the reference over which `nats` are summed."""
    return int(record.get("answer_tokens") or 0)


def bytes_of(record: Record) -> int:
    """UTF-8 bytes of the reference."""
    found = record.get("answer_bytes")
    return found if isinstance(found, int) else len(str(record["reference"]).encode("utf-8", "surrogatepass"))


def was_cut(record: Record) -> bool:
    """Whether the answer ended because it reached the longest length, where the file says so."""
    return record.get("ended") is False
