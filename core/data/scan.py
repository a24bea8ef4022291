"""One pass over a range of rows: everything that a row tells alone, and what is needed to compare it with others."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import xxhash

from core.data.checks.characters import check_characters, suspicious
from core.data.checks.sieve import sieve
from core.data.checks.skeleton import skeleton
from core.data.checks.text import check_text
from core.data.collector import Collector
from core.data.dataset import Dataset, Row
from core.data.example import Example
from core.data.index import Block
from core.data.lane import Lane
from core.data.tally import Maker, Tally
from core.errors import DiapasonError

Tell = Callable[[int, int], None]
"""``tell(rows, bytes)`` of what was done since the last time; it may raise to end the pass."""
_EVERY = 500


@dataclass(slots=True)
class Scan:
    """What a pass has found. `rows` are the usable ones, `prompts` a hash of each one's prompt.

    Two rows whose prompts are the same but for case, spaces and marks have the same hash.
    """

    collector: Collector = field(default_factory=Collector)
    rows: array[int] = field(default_factory=lambda: array("q"))
    prompts: array[int] = field(default_factory=lambda: array("Q"))
    labels: Counter[str] = field(default_factory=Counter[str])
    tallies: list[Tally] = field(default_factory=list[Tally])

    def merge(self, later: Scan) -> None:
        """Add the pass over the rows that follow."""
        self.collector.merge(later.collector)
        self.rows.extend(later.rows)
        self.prompts.extend(later.prompts)
        self.labels.update(later.labels)
        if not self.tallies:
            self.tallies = later.tallies
            return
        for mine, other in zip(self.tallies, later.tallies, strict=True):
            mine.merge(other)


class Scanner:
    """Passes over the rows of `dataset`, whose format is known. `makers` make the tallies that see every row."""

    def __init__(self, dataset: Dataset, makers: Sequence[Maker] = ()) -> None:
        self._dataset = dataset
        self._lane = Lane(dataset)
        self._makers = makers

    def scan(self, first: int, last: int, tell: Tell | None = None) -> Scan:
        """Look at the rows from `first` to before `last`."""
        found = Scan(tallies=[make() for make in self._makers])
        for block in self._dataset.source.blocks(first, last):
            self._look(block, found, tell)
        return found

    def _look(self, block: Block, found: Scan, tell: Tell | None) -> None:
        lane, tallies = self._lane, found.tallies
        characters, text, keys = sieve(block.data, block.starts, block.ends)
        marks = zip(block.rows(), characters.tolist(), text.tolist(), keys.tolist(), strict=True)
        told = size = 0
        for done, ((number, line, raw), odd, gated, named) in enumerate(marks):
            if tell and done - told == _EVERY:
                tell(_EVERY, size)
                told, size = done, 0
            size += len(raw) + 1
            known = lane.read(raw, named)
            row = asked = label = None  # asked: the prompt's skeleton
            if known is not None:
                value, quick = known
                if odd or gated or tallies:
                    row = _looked_at(Row(number, line, raw, value), odd, gated)
                    row.example = quick.example(number, line) if tallies else None
                asked, label = quick.skeleton, quick.label
            if known is None or (row is not None and row.findings):
                row = self._dataset.read(number, line, raw)
                example = row.example
                if row.findings:
                    found.collector.add_row(number, line, row.findings)
                if example is None:
                    found.collector.invalid(number, line)
                asked, label = (skeleton(example.prompt_text), example.label) if example else (None, None)
            if asked is not None:
                found.rows.append(number)
                found.prompts.append(xxhash.xxh3_64_intdigest(asked))
                if label is not None:
                    found.labels[label] += 1
            if row is not None:
                for tally in tallies:
                    tally.add(row)
        if tell:
            tell(len(block.lines) - told, size)

    def again(self, number: int) -> Example:
        """A usable row's example once more, without another look at its text."""
        raw = self._dataset.raw(number)
        found = self._lane.read(raw, raw.count(b'":') - raw.count(b'\\":'))
        if found is not None:
            return found[1].example(number, self._dataset.line(number))
        row = self._dataset.row(number)
        if row.example is None:
            raise DiapasonError("the file has changed while it was checked", where=str(self._dataset.path))
        return row.example


def _looked_at(row: Row, characters: bool, text: bool) -> Row:
    """The row with what the checks of its text say."""
    if characters and suspicious(row.raw):
        check_characters(row.value, row.findings)
    if text:
        check_text(row.raw, row.value, row.findings)
    return row
