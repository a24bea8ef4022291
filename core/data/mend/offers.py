"""What a report says can be mended, and by which choice one would begin."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.mend.catalogue import FIXES, Fix, all_safe, is_safe
from core.data.report import Report


@dataclass(frozen=True, slots=True)
class Offer:
    """A code that the file has and that can be mended: `count` findings of it, and the `choice` to begin with."""

    code: str
    count: int
    choice: str

    @property
    def fix(self) -> Fix:
        """What can be done."""
        return FIXES[self.code]

    @property
    def safe(self) -> bool:
        """Whether ``--all-safe`` does it by this choice."""
        return is_safe(self.code, self.choice)


def offers(report: Report) -> list[Offer]:
    """The codes of `report` that can be mended, in its order. Notes on rows only where mending them is safe."""
    counts: dict[str, int] = {}
    joined = False
    for finding in report.findings:
        fix = FIXES.get(finding.code)
        if fix is not None and (finding.severity != "note" or fix.safe or fix.scope == "file"):
            counts[finding.code] = counts.get(finding.code, 0) + finding.count
            joined |= finding.code == "bad_json" and finding.detail == "extra_data"
    return [Offer(code, number, _first(code, joined)) for code, number in counts.items()]


def _first(code: str, joined: bool) -> str:
    if code == "bad_json" and not joined:
        # There is nothing to part.
        return "drop"
    return all_safe().get(code, FIXES[code].choices[0])
