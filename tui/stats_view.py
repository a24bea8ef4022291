"""A data set in numbers and small pictures, as lines of inert text: for the command and for the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.text import cells, shorten, visible
from tui.commands.data import amount
from tui.format import bar, count, spark

if TYPE_CHECKING:
    from core.data.stats import Lengths, Stats

_LISTED = 12
_NAME = 28
_BAR = 16


def stats_lines(stats: Stats) -> Iterator[str]:
    """What `diapason data stats` prints, at most 80 cells wide."""
    from core.data.stats import ranked

    tally = stats.tally
    name = visible(stats.path.name or str(stats.path))
    yield " · ".join(
        [name, stats.format or "unknown format", amount(tally.rows, "row"), f"{count(tally.usable)} usable"]
    )
    if not tally.usable:
        return
    if tally.prompt.summary().get("max"):
        yield from _length_lines("prompt", tally.prompt)
    yield from _length_lines("answer", tally.answer)
    yield ""
    if set(tally.turns) - {0}:
        turns = [f"{turns}: {count(rows)}" for turns, rows in tally.turns.most_common(8)]
        yield f"turns      {' · '.join(turns)}{' · …' if len(tally.turns) > 8 else ''}"
    if stats.languages:
        total = stats.languages.total()
        shares = [f"{code} {100 * rows / total:.0f} %" for code, rows in stats.languages.most_common(8)]
        yield f"languages  {' · '.join(shares)} (of {amount(total, 'row')} looked at)"
    if stats.labels:
        yield ""
        yield from _counted("label", stats.labels)
    if tally.by is not None:
        yield ""
        head = f"{'rows':>9} {'':<{_BAR}} {'prompt':>8} {'answer':>8}"
        yield "mean characters of prompts and answers by"
        yield f"{_padded(tally.by)} {head}"
        slices = ranked(tally.slices)
        top = slices[0][1].rows
        for value, part in slices[:_LISTED]:
            yield (
                f"{_padded(value)} {count(part.rows):>9} {bar(part.rows / top, _BAR)} "
                f"{count(part.prompt / part.rows):>8} {count(part.answer / part.rows):>8}"
            )
        if len(slices) > _LISTED:
            rest = sum(part.rows for _, part in slices[_LISTED:])
            yield f"{f'{count(len(slices) - _LISTED)} more':<{_NAME}} {count(rest):>9}"


def _length_lines(title: str, lengths: Lengths) -> Iterator[str]:
    found = lengths.summary()
    counts, width, beyond = lengths.histogram()
    yield ""
    yield (
        f"{title:<10} mean {count(found['mean'])} · median {count(found['p50'])} · "
        f"95 % up to {count(found['p95'])} · longest {count(found['max'])} characters"
    )
    tail = f", {count(beyond)} longer" if beyond else ""
    yield f"           0 {spark(counts)} {count(width * len(counts))}{tail}"


def _counted(title: str, values: Counter[str]) -> Iterator[str]:
    ranked = values.most_common()
    top = ranked[0][1]
    yield f"{title:<{_NAME}} {'rows':>9}"
    for value, rows in ranked[:_LISTED]:
        yield f"{_padded(value)} {count(rows):>9} {bar(rows / top, _BAR)}".rstrip()
    if len(ranked) > _LISTED:
        rest = sum(rows for _, rows in ranked[_LISTED:])
        yield f"{f'{count(len(ranked) - _LISTED)} more':<{_NAME}} {count(rest):>9}"


def _padded(text: str) -> str:
    shown = shorten(text, _NAME) or "(empty)"
    return shown + " " * (_NAME - cells(shown))
