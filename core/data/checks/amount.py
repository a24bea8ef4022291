"""Whether there are enough rows for the task, and whether the labels are balanced."""

from __future__ import annotations

from collections import Counter

from core.data.findings import RowFinding, grouped

# The KEEL repository calls a set highly imbalanced above 9 : 1 (sci2s.ugr.es/keel/imbalanced.php).
_HIGH, _MILD = 9.0, 3.0
_ANY_TASK = "style"


def check_amount(usable: int, task: str | None) -> list[RowFinding]:
    """Compare the number of usable rows with what the guides ask for the task; the least of all without one."""
    from core.advisor.tasks import size_for

    size = size_for(task or _ANY_TASK)
    if size is None:
        return []
    name = task or "any task"
    detail = task or "any"
    if usable < size.minimum:
        text = f"{grouped(usable)} usable rows; {name} asks for {grouped(size.minimum)} at least ({size.sources[0]})"
        return [RowFinding("too_few_rows", text, detail=detail)]
    if task and usable < size.other_minimum:
        text = f"{grouped(usable)} usable rows; {size.sources[-1]} asks for {grouped(size.other_minimum)}"
        return [RowFinding("too_few_rows", text, detail=detail, level="note")]
    return []


def check_labels(labels: Counter[str]) -> list[RowFinding]:
    """Look at how the rows spread over the labels."""
    if not labels:
        return []
    ranked = labels.most_common()
    (most, top), (least, low) = ranked[0], ranked[-1]
    if len(ranked) == 1:
        return [RowFinding("single_label", f"every row is labelled `{most[:40]}`")]
    if top < _MILD * low:
        return []
    spread = f"from {grouped(top)} rows (`{most[:40]}`) to {grouped(low)} (`{least[:40]}`)"
    text = f"{len(ranked)} labels, {spread}, {top / low:.1f} : 1"
    return [RowFinding("label_imbalance", text, level="warning" if top > _HIGH * low else "note")]
