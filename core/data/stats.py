"""What a data set looks like in numbers: lengths, turns, labels, languages, and all of it by slice."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.dataset import Dataset, Row, open_dataset
from core.data.findings import RowFinding, damage_json
from core.data.languages import language_of
from core.data.tally import Maker, Tally
from core.data.workers import scan_all
from core.errors import UsageError

if TYPE_CHECKING:
    from core.data.cut import TokenLengths
    from core.models import ModelInfo

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 24
LANGUAGE, LABEL = "language", "label"
_SLICES = 10_000
_OTHER = "(others)"
_NONE = "(none)"
Progress = Callable[[int, int], object]


@dataclass(slots=True)
class Lengths:
    """How long texts are, in characters unless said otherwise: one number a row, in order."""

    values: array[int] = field(default_factory=lambda: array("I"))

    def add(self, value: int) -> None:
        """Take one more."""
        self.values.append(min(value, 0xFFFFFFFF))

    def summary(self) -> dict[str, float]:
        """Mean, least, greatest and quantiles (numpy's linear method); empty where there are none."""
        if not self.values:
            return {}
        numbers = np.frombuffer(self.values, np.uint32)
        quantiles = np.quantile(numbers, QUANTILES)
        return {
            "mean": float(numbers.mean()),
            "min": float(numbers.min()),
            **{f"p{round(share * 100)}": float(value) for share, value in zip(QUANTILES, quantiles, strict=True)},
            "max": float(numbers.max()),
        }

    def histogram(self, bins: int = BINS) -> tuple[list[int], int, int]:
        """(counts, width of a bin, how many are beyond the last one) of at most `bins` bins.

        The 99th percentile is in the last bin. Widths are whole, so that no bin can hold more values than another.
        """
        if not self.values:
            return [], 1, 0
        numbers = np.frombuffer(self.values, np.uint32)
        top = int(np.quantile(numbers, 0.99))
        width = top // bins + 1
        used = top // width + 1
        counts = np.bincount(np.minimum(numbers // width, used), minlength=used + 1)
        return counts[:used].tolist(), width, int(counts[used])


@dataclass(slots=True)
class Slice:
    """The rows that share a value: how many, and the sums of their lengths in characters."""

    rows: int = 0
    prompt: int = 0
    answer: int = 0

    def add(self, other: Slice) -> None:
        """Take the rows of `other` too."""
        self.rows += other.rows
        self.prompt += other.prompt
        self.answer += other.answer


class StatsTally:
    """A tally (core.data.tally) of the usable rows. `by`: label, language, or a field such as ``meta.topic``."""

    def __init__(self, by: str | None = None) -> None:
        self.by = by
        self.rows = self.usable = 0
        self.prompt, self.answer = Lengths(), Lengths()
        self.turns, self.roles = Counter[int](), Counter[str]()
        self.slices: dict[str, Slice] = {}
        self.valued = 0

    def add(self, row: Row) -> None:
        """Take the next row."""
        self.rows += 1
        example = row.example
        if example is None:
            return
        self.usable += 1
        prompt = 0 if example.text is not None else len(example.prompt_text)
        answer = len(example.text) if example.text is not None else len(example.answer)
        self.prompt.add(prompt)
        self.answer.add(answer)
        self.turns[len(example.messages)] += 1
        self.roles.update(message.role for message in example.messages)
        if self.by is not None:
            self._slice(row, prompt, answer)

    def merge(self, later: StatsTally) -> None:
        """Take the rows that follow."""
        self.rows += later.rows
        self.usable += later.usable
        self.valued += later.valued
        self.prompt.values.extend(later.prompt.values)
        self.answer.values.extend(later.answer.values)
        self.turns.update(later.turns)
        self.roles.update(later.roles)
        for name, found in later.slices.items():
            self._kept(name).add(found)

    def _slice(self, row: Row, prompt: int, answer: int) -> None:
        assert self.by is not None
        name = slice_of(row, self.by)
        self.valued += name is not None
        self._kept(_NONE if name is None else name).add(Slice(1, prompt, answer))

    def _kept(self, name: str) -> Slice:
        if name not in self.slices and len(self.slices) >= _SLICES:
            name = _OTHER
        return self.slices.setdefault(name, Slice())


@dataclass(frozen=True, slots=True)
class Stats:
    """The numbers of a data set: what the tally has counted, labels, the languages of up to 300 rows.

    tokens: lengths in a model's tokens, where a model was named. damage: why rows are missing.
    """

    path: Path
    format: str | None
    tally: StatsTally
    labels: Counter[str]
    languages: Counter[str]
    tokens: TokenLengths | None = None
    damage: list[RowFinding] = field(default_factory=list[RowFinding])

    def to_json(self) -> dict[str, Any]:
        """The document of `diapason data stats --json`, schema 1 (docs/json.md)."""
        tally = self.tally
        document: dict[str, Any] = {
            "schema": 1,
            "path": str(self.path),
            "format": self.format,
            "rows": {"total": tally.rows, "usable": tally.usable},
            "characters": {"prompt": _lengths(tally.prompt), "answer": _lengths(tally.answer)},
            "turns": {str(number): count for number, count in sorted(tally.turns.items())},
            "roles": dict(tally.roles.most_common()),
            "labels": dict(self.labels.most_common()),
            "languages": dict(self.languages.most_common()),
            "damage": damage_json(self.damage),
        }
        if tally.by is not None:
            document["by"] = tally.by
            document["slices"] = [
                {"value": name, "rows": part.rows, "prompt_mean": part.prompt / part.rows,
                 "answer_mean": part.answer / part.rows}
                for name, part in ranked(tally.slices)
            ]  # fmt: skip
        if self.tokens is not None:
            document["tokens"] = self.tokens.to_json()
        return document


def ranked(slices: dict[str, Slice]) -> list[tuple[str, Slice]]:
    """The slices, largest first."""
    return sorted(slices.items(), key=lambda item: (-item[1].rows, item[0]))


def slice_of(row: Row, by: str) -> str | None:
    """The slice that a usable row is in, at most 200 characters; None where it has no such field.

    Args:
        by: ``label``, ``language``, or a field such as ``meta.topic``.
    """
    example, value = row.example, None
    if by == LABEL and example is not None and example.label is not None:
        value = example.label
    elif by == LANGUAGE and example is not None and not (isinstance(row.value, dict) and LANGUAGE in row.value):
        said = example.answer or example.text or ""
        value = language_of(said) or language_of(example.prompt_text)
    else:
        value = field_value(row.value, by)
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:200]


def field_value(value: Any, field: str) -> Any:
    """What a row says in a field, such as `topic` or `meta.topic`; None where it has none."""
    if isinstance(value, dict) and field in value:
        return value[field]
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def measure(
    path: Path | str,
    format: str | None = None,
    map: str | None = None,
    by: str | None = None,
    progress: Progress | None = None,
    dataset: Dataset | None = None,
    model: ModelInfo | None = None,
    max_length: int | None = None,
) -> Stats:
    """The numbers of a data set.

    Args:
        format, map: as `open_dataset` takes them.
        by: what to slice by: ``label``, ``language``, or a field.
        progress: called with (rows, bytes) done; may raise to end it.
        dataset: the opened file, where the caller has it already.
        model: the model in whose tokens the rows are measured too.
        max_length: tokens that rows are cut at, with `model`; the recipe's default where it is not given.

    Raises:
        UsageError: no row has the field.
        DiapasonError: as `open_dataset`.
    """
    from core.data.checks.language import sample_languages

    dataset = dataset or open_dataset(path, format, map)
    makers: list[Maker] = [partial(StatsTally, by)]
    if model is not None:
        from core.data.checks.tokens import reader_for, token_maker

        reader = reader_for(model, dataset)
        reader.load()  # a model that cannot be read is told of before the rows are
        makers.append(token_maker(reader))
    found = scan_all(dataset, makers, progress or _quietly)
    tally = found.tallies[0] if found.tallies else StatsTally(by)
    assert isinstance(tally, StatsTally)
    if by is not None and tally.usable and not tally.valued:
        value = dataset.row(found.rows[0]).value
        names = ", ".join(list(value)[:12]) if isinstance(value, dict) else ""
        raise UsageError(
            f"no row has the field `{by}`", where=str(path), hint=f"The first row has: {names or 'no fields'}"
        )
    tokens = _tokens(found.tallies[-1], model, max_length) if model is not None and found.tallies else None
    languages = sample_languages(dataset)
    return Stats(Path(path), dataset.format, tally, found.labels, languages, tokens, dataset.source.damage)


def _tokens(tally: Tally, model: ModelInfo, max_length: int | None) -> TokenLengths:
    from core.data.checks.tokens import TokenTally
    from core.data.cut import token_lengths
    from core.recipe import Recipe

    assert isinstance(tally, TokenTally)
    return token_lengths(tally, model.name, max_length if max_length is not None else Recipe().train.max_length)


def _lengths(lengths: Lengths) -> dict[str, Any]:
    counts, width, beyond = lengths.histogram()
    return {**lengths.summary(), "histogram": {"width": width, "counts": counts, "beyond": beyond}}


def _quietly(_: int, __: int) -> None:
    return
