"""Which rows variants are made of, and how a row and its variants are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Any

from core.data.columns import IDS, MARKS
from core.data.convert.reading import Read, read
from core.data.convert.targets import Target, convert_row
from core.data.dataset import Dataset, Row
from core.data.example import Example, Message
from core.errors import UsageError

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """Rows by number (spans from 1 on, both ends in), by label, out of a set (from 0 on); all must hold."""

    spans: tuple[tuple[int, int], ...] = ()
    label: str | None = None
    rows: Set[int] | None = None

    def takes(self, row: Row) -> bool:
        """Whether the row is asked for."""
        number = row.index + 1
        if self.spans and not any(first <= number <= last for first, last in self.spans):
            return False
        if self.rows is not None and row.index not in self.rows:
            return False
        return self.label is None or (row.example is not None and _label(row) == self.label)


def parse_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Row numbers as ``1,5-9``. Raises UsageError."""
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        numbers = (first, last) if dash else (first,)
        if not all(number.isdecimal() and len(number) <= 18 for number in numbers) or not (
            1 <= int(first) <= int(numbers[-1])
        ):
            raise UsageError(
                f"`{part.strip()[:40]}` is no row number", where="--rows", hint="For example --rows 1,5-9"
            )
        spans.append((int(first), int(last) if dash else int(first)))
    return tuple(spans)


def rows_with(dataset: Dataset, code: str) -> frozenset[int]:
    """The rows (from 0 on) that a check of the whole file names for `code`. Raises UsageError where none does."""
    from core.data.report import check

    findings = check(dataset.path, dataset=dataset).findings
    rows = frozenset(row for finding in findings if finding.code == code for row in finding.rows)
    if not rows:
        found = ", ".join(dict.fromkeys(finding.code for finding in findings if len(finding.rows))) or "none"
        raise UsageError(f"no row has the finding `{code}`", where="--only-code", hint=f"There are: {found}.")
    return rows


def chosen(dataset: Dataset, choice: Choice, tell: Callable[[int], None] | None = None) -> Iterator[tuple[Row, bool]]:
    """The rows asked for, each with whether variants of it can be made."""
    for row in dataset:
        if tell:
            tell(row.index)
        if choice.takes(row):
            yield row, row.example is not None and suits(row.example)


def suits(example: Example) -> bool:
    """Whether an example has one question and one answer that may both be written anew."""
    if example.text is not None:
        return True
    if (
        example.rejected
        or example.verdict is False
        or len(example.completion) != 1
        or example.completion[0].tool_calls
    ):
        return False
    return bool(example.prompt) and example.prompt[-1].role == "user"


def shown(example: Example) -> tuple[str, str]:
    """The question and the answer that a model is shown; for plain text the text alone."""
    if example.text is not None:
        return example.text, ""
    return example.prompt[-1].content, example.answer


def variant(dataset: Dataset, row: Row, prompt: str, answer: str, marks: Value) -> Value | None:
    """The row with another question and answer, as its own format writes it; None where that cannot be.

    A class keeps its label. `marks` say where it comes from; numbers of the row itself do not go along.
    """
    given = read(dataset, row)
    if given is None or row.example is None:
        return None
    old = row.example
    if old.text is not None:
        example = replace(old, text=prompt)
    else:
        said = old.completion if old.label is not None else (replace(old.completion[0], content=answer, weight=None),)
        if not said[0].content:
            return None
        example = replace(old, prompt=(*old.prompt[:-1], Message("user", prompt)), completion=said)
    extra = {key: item for key, item in given.extra.items() if key not in IDS | MARKS} | marks
    listed = any(
        isinstance(given.value.get(key), list) for key in ("prompt", "completion", "messages", "conversations")
    )
    target = Target(given.format, messages=listed and given.format in ("prompt-completion", "kto"))
    made = convert_row(Read(row, example, {}, "", extra), target)
    return made.values[0] if made.values else None


def _label(row: Row) -> str | None:
    if row.example is not None and row.example.label is not None:
        return row.example.label
    label = row.value.get("label") if isinstance(row.value, dict) else None
    return str(label).lower() if isinstance(label, bool) else None if label is None else str(label)
