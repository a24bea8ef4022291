"""Before a split: which rows belong together, and which are of one kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.data.near.copies import find
from core.data.near.frames import Frames
from core.data.near.sample import frames_of, spread
from core.data.near.shingles import Places, prompt_parts
from core.data.prompts import Prompts
from core.data.stats import field_value
from core.errors import UsageError

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Row
    from core.data.example import Example

AUTO = "auto"
NEAR, EXACT = "near", "exact"
_LENGTHS = 5
_LEAST_OF_A_LENGTH = 10


@dataclass(slots=True)
class Gathered:
    """The usable rows of a file in order: each one's group (from 0), each group's kind, and the prompts.

    `stratified` says what the kinds are: label, length, or the field's name.
    """

    rows: list[int]
    groups: Places
    strata: list[str]
    stratified: str
    skipped: int
    prompts: Prompts


def gather(dataset: Dataset, *, group: str, stratify: str, threshold: float | None) -> Gathered:
    """Read a file once and tell its groups: rows whose prompts are the same, or near copies, or share a field.

    Args:
        group: ``near``, ``exact`` (case, spacing and sentence marks aside), or a field whose value rows share;
            rows with the same prompt are together in any case.
        stratify: ``auto`` (the label, or the length where there are no labels), or a field.
        threshold: from which on two prompts are near copies; None where nothing near is asked for.

    Raises:
        UsageError: no row has the field.
    """
    frames = frames_of([spread(dataset)], prompt_parts) if threshold else Frames()
    prompts = Prompts(dataset, frames, threshold)
    rows: list[int] = []
    kinds: list[str | None] = []
    lengths: list[int] = []
    together: list[str | None] = []
    skipped = 0
    for row in dataset:
        example = row.example
        if example is None:
            skipped += 1
            continue
        rows.append(row.index)
        prompts.add(example, blank=True)
        lengths.append(_length(example))
        kinds.append(example.label if stratify == AUTO else _value(row, stratify))
        together.append(None if group in (NEAR, EXACT) else _value(row, group))
    if rows:
        for field, values in ((stratify, kinds), (group, together)):
            if field not in (AUTO, NEAR, EXACT) and not any(value is not None for value in values):
                raise _no_field(dataset, rows[0], field)
    groups = prompts.groups() if group == NEAR else prompts.same()
    if group not in (NEAR, EXACT):
        groups = _joined(groups, together)
    first = np.unique(groups, return_index=True)[1].tolist()
    labelled = any(kind is not None for kind in kinds)
    if labelled or stratify != AUTO:
        strata = [kinds[place] or "" for place in first]
    else:
        strata = _by_length([lengths[place] for place in first])
    stratified = stratify if stratify != AUTO else "label" if labelled else "length"
    return Gathered(rows, groups, strata, stratified, skipped, prompts)


def _length(example: Example) -> int:
    return len(example.prompt_text) + len(example.answer)


def _by_length(lengths: list[int]) -> list[str]:
    """Each length's fifth; fewer kinds where a file is small."""
    kinds = min(_LENGTHS, len(lengths) // _LEAST_OF_A_LENGTH)
    if kinds < 2:
        return [""] * len(lengths)
    borders = np.quantile(lengths, np.arange(1, kinds) / kinds)
    return [str(kind) for kind in np.searchsorted(borders, lengths, side="right").tolist()]


def _value(row: Row, field: str) -> str | None:
    """What a row says in a field, such as `topic` or `meta.topic`; None where it has none."""
    value = field_value(row.value, field)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _no_field(dataset: Dataset, row: int, field: str) -> UsageError:
    value = dataset.row(row).value
    names = ", ".join(list(value)[:12]) if isinstance(value, dict) else ""
    return UsageError(
        f"no row has the field `{field}`", where=str(dataset.path), hint=f"The first row has: {names or 'no fields'}"
    )


def _joined(groups: Places, together: list[str | None]) -> Places:
    """The groups, those put together in which a row has the same value."""
    parent = list(range(int(groups.max(initial=-1)) + 1))
    known: dict[str, int] = {}
    for group, value in zip(groups.tolist(), together, strict=True):
        if value is not None:
            low, high = sorted((find(parent, group), find(parent, known.setdefault(value, group))))
            parent[high] = low
    roots = np.asarray([find(parent, group) for group in range(len(parent))], np.int64)
    return np.unique(roots[groups], return_inverse=True)[1].astype(np.int64)
