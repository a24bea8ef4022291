"""The very characters that findings are about: in a text, and in a row as it stands in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite

from core.data.checks.marks import template_marks
from core.data.checks.placeholders import placeholder
from core.data.dataset import Row
from core.data.findings import SEVERITIES, RowFinding, Severity
from core.data.mend.texts import splices, text_codes
from core.data.mend.tree import Document, Nest, Node, NotEditable, Scalar, parse

# The finding is about the name, not about what stands under it.
_NAMES = frozenset({"extra_field", "key_case", "key_space", "duplicate_key"})
_REPLACED = re.compile("\ufffd+")
_CHARACTERS = text_codes() | {"replacement_char", "template_placeholder"}
_LONGEST = 1 << 18


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters `start` to `end` (behind the last) are what the finding `code` is about."""

    start: int
    end: int
    code: str
    severity: Severity


def text_marks(text: str, findings: Iterable[RowFinding], field: str = "") -> list[Mark]:
    """What `findings` of a row are about in one of its texts, in order and apart from each other.

    Args:
        field: the place of the text in its row where it is known: some fields are not looked at for personal data.
    """
    found: list[Mark] = []
    severities: dict[str, Severity] = {finding.code: finding.severity for finding in findings}
    for code, severity in severities.items():
        found += (Mark(start, end, code, severity) for start, end in _spans(code, field, text))
    return _apart(found)


def row_marks(row: Row, text: str) -> list[Mark]:
    """What a row's findings are about in `text`, the row as it stands in the file.

    In JSON a finding about a whole field marks its value, or its name where the value is a list or an object; a text
    that is no JSON is looked at as it is. Texts of more than 256 k characters are not looked at.
    """
    if not row.findings or len(text) > _LONGEST:
        return []
    try:
        document = parse(text)
    except NotEditable:
        return text_marks(text, row.findings)
    starts = {id(item.value): start for start, item in document.places()}
    return _apart([*_in_texts(document, starts, row), *_of_fields(document, starts, row)])


def _spans(code: str, field: str, text: str) -> Iterator[tuple[int, int]]:
    if code in text_codes():
        yield from ((start, end) for start, end, _ in splices(code, field, text))
    elif code == "replacement_char":
        yield from (match.span() for match in _REPLACED.finditer(text))
    elif code == "template_placeholder":
        yield from ((start, start + len(mark)) for _, start, mark in template_marks(text))
    elif code == "placeholder" and placeholder(text, answer=False) is not None:
        yield 0, len(text)


def _in_texts(document: Document, starts: dict[int, int], row: Row) -> Iterator[Mark]:
    for place, node in document.texts():
        marks = text_marks(node.value, row.findings, place)
        if marks:
            start, ends = starts[id(node)], node.offsets()
            yield from (replace(mark, start=start + ends[mark.start], end=start + ends[mark.end]) for mark in marks)


def _of_fields(document: Document, starts: dict[int, int], row: Row) -> Iterator[Mark]:
    """Marks for the findings that name a field and no characters of it."""
    for finding in row.findings:
        if finding.code == "nonfinite_number":
            items = [item for _, item in document.places() if _endless(item.value)]
        elif not finding.field or finding.code in _CHARACTERS:
            continue
        elif finding.code == "duplicate_key":
            items = [item for _, item in document.places() if item.key and item.key.value == finding.field]
        else:
            item = document.find_item(finding.field)
            items = [item] if item is not None else []
        for item in items:
            start = starts[id(item.value)]
            end = start + len(item.value.render())
            if item.key is not None and (finding.code in _NAMES or isinstance(item.value, Nest)):
                start -= len(item.key.raw) + len(item.colon)
                end = start + len(item.key.raw)
            elif isinstance(item.value, Nest):
                end = start + 1
            yield Mark(start, end, finding.code, finding.severity)


def _endless(value: Node) -> bool:
    """Whether a number is NaN or too large for one of 64 bits."""
    return isinstance(value, Scalar) and value.raw not in ("true", "false", "null") and not isfinite(float(value.raw))


def _apart(marks: list[Mark]) -> list[Mark]:
    """The marks in order; where two overlap, the worse one, else the longer one."""
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (SEVERITIES.index(mark.severity), mark.start - mark.end, mark.start)):
        if mark.start < mark.end and all(mark.end <= other.start or mark.start >= other.end for other in kept):
            kept.append(mark)
    return sorted(kept, key=lambda mark: mark.start)
