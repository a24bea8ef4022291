"""Whether the rows of a file are in several languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.data.dataset import Dataset, Row
from core.data.findings import RowFinding
from core.data.languages import LOOKED_AT, languages_of
from core.data.near.sample import spread

# Fewer rows, or a smaller share, are strays, not a mixture.
_LEAST_ROWS, _LEAST_SHARE = 5, 0.05
_NAMED = 5


def check_languages(sample: Sequence[Row]) -> list[RowFinding]:
    """A note where rows of the sample are in two languages or more, with their shares."""
    found = _told(sample)
    total = found.total()
    often = [(name, count) for name, count in found.most_common()
             if count >= _LEAST_ROWS and count >= _LEAST_SHARE * total]  # fmt: skip
    if len(often) < 2:
        return []
    shares = ", ".join(f"{name} {round(100 * count / total)} %" for name, count in often[:_NAMED])
    names = "+".join(sorted(name for name, _ in often[:_NAMED]))
    return [RowFinding("mixed_languages", f"of {total} rows looked at: {shares}", detail=names)]


def sample_languages(dataset: Dataset) -> Counter[str]:
    """How many of up to 300 rows, at even distances, are in which language."""
    return _told(spread(dataset))


def _told(sample: Sequence[Row]) -> Counter[str]:
    step = max(1, len(sample) // LOOKED_AT)
    return languages_of([row.example for row in sample[::step] if row.example is not None])
