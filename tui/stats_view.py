"""A data set in numbers and small pictures, as lines of inert text: for the command and for the screen.

A line is a list of pieces, each with what it is (tui.histogram.Piece); `plain` joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.place import shown_name
from core.text import cells, shorten, visible
from tui.commands.data import amount, percent
from tui.damage_view import damage_lines
from tui.format import bar, count
from tui.format import loss as loss_text
from tui.histogram import Piece, histogram

if TYPE_CHECKING:
    from core.data.cut import TokenLengths
    from core.data.stats import Lengths, Stats
    from core.evaluation.slices import SliceScores

Line = list[Piece]

_LISTED = 12
_NAME = 28
_BAR = 16


def plain(lines: Iterable[Line]) -> str:
    """The lines as text."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def stats_lines(stats: Stats, width: int = 80) -> Iterator[Line]:
    """What `diapason data stats` prints, in `width` cells (80 at least)."""
    tally = stats.tally
    name = visible(shown_name(stats.path))
    yield _said(
        " · ".join(
            [name, stats.format or "unknown format", amount(tally.rows, "row"), f"{count(tally.usable)} usable"]
        )
    )
    for line in damage_lines(stats.damage):
        yield [(line, "mark")]
    if not tally.usable:
        return
    bins = min(120, max(48, width - 24))
    if tally.prompt.summary().get("max"):
        yield from _length_lines("prompt", tally.prompt, "characters", bins)
    yield from _length_lines("answer", tally.answer, "characters", bins)
    if stats.tokens is not None:
        yield from token_lines(stats.tokens, bins)
    if set(tally.turns) - {0}:
        yield []
        yield from _counted("turns", {str(turns): rows for turns, rows in sorted(tally.turns.items())}, by_rows=False)
    if stats.languages:
        yield []
        about = f"language, of {amount(stats.languages.total(), 'row')}"
        yield from _counted(about, stats.languages)
    if stats.labels:
        yield []
        yield from _counted("label", stats.labels)
    if tally.by is not None:
        yield []
        yield from _slice_lines(stats)


def token_lines(tokens: TokenLengths, bins: int) -> Iterator[Line]:
    """Lengths in tokens with the cut, and what each length that rows may be cut at would lose."""
    from core.data.stats import Lengths

    for title, numbers, cut in (
        ("tokens", tokens.length, tokens.max_length),
        ("answer", tokens.answer, None),
    ):
        lengths = Lengths()
        lengths.values.extend(numbers.tolist())
        yield from _length_lines(title, lengths, f"tokens of {_short(tokens.model)}", bins, cut)
    yield []
    yield _said(f"{'cut at':>14} {'tokens lost':>12} {'rows cut':>10} {'answers lost':>13}")
    for lost in tokens.table():
        mark = "→" if lost.max_length == tokens.max_length else " "
        share = percent(lost.share)
        text = f"{mark} {count(lost.max_length):>12} {share:>12} {count(lost.rows):>10} {count(lost.answers):>13}"
        yield [(text, "mark" if mark == "→" else "")]


def score_lines(scores: SliceScores) -> Iterator[Line]:
    """What an evaluation's arms reached on each slice."""
    arms = [shorten(arm.replace("few-shot:", "ex:"), 7) for arm in scores.arms]
    yield _said(f"scores of {visible(scores.run)} by {visible(scores.by)}, on its test rows")
    over = "".join(f" {scores.infos[name].label:>{8 * len(arms)}}" for name in scores.metrics)
    yield _said(f"{'':<{_NAME - 8}} {'':>6}{over}")
    yield _said(f"{'':<{_NAME - 8}} {'rows':>6}" + "".join(" " + "".join(f"{arm:>8}" for arm in arms)
                                                         for _ in scores.metrics))  # fmt: skip
    ranked = scores.ranked()
    for value, part in ranked[:_LISTED]:
        figures = "".join(
            " " + "".join(f"{loss_text(part.values[name].get(arm)):>8}" for arm in scores.arms)
            for name in scores.metrics
        )
        yield _said(f"{_padded(value, _NAME - 8)} {count(part.rows):>6}{figures}")
    if len(ranked) > _LISTED:
        yield _said(f"{count(len(ranked) - _LISTED)} more")


def _slice_lines(stats: Stats) -> Iterator[Line]:
    from core.data.stats import ranked

    assert stats.tally.by is not None
    yield _said("mean characters of prompts and answers by")
    yield _said(f"{_padded(stats.tally.by)} {'rows':>9} {'':<{_BAR}} {'prompt':>8} {'answer':>8}")
    slices = ranked(stats.tally.slices)
    top = slices[0][1].rows
    for value, part in slices[:_LISTED]:
        yield _said(
            f"{_padded(value)} {count(part.rows):>9} {bar(part.rows / top, _BAR)} "
            f"{count(part.prompt / part.rows):>8} {count(part.answer / part.rows):>8}"
        )
    if len(slices) > _LISTED:
        rest = sum(part.rows for _, part in slices[_LISTED:])
        yield _said(f"{f'{count(len(slices) - _LISTED)} more':<{_NAME}} {count(rest):>9}")


def _length_lines(title: str, lengths: Lengths, unit: str, bins: int, cut: float | None = None) -> Iterator[Line]:
    found = lengths.summary()
    if not found:
        return
    yield []
    yield _said(
        f"{title:<10} mean {count(found['mean'])} · median {count(found['p50'])} · "
        f"95 % up to {count(found['p95'])} · longest {count(found['max'])} {unit}"
    )
    counts, width, beyond = lengths.histogram(bins)
    for line in histogram(counts, width, beyond, cut=cut):
        yield [(" " * 11, ""), *line]


def _counted(title: str, values: Mapping[str, int], by_rows: bool = True) -> Iterator[Line]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0])) if by_rows else list(values.items())
    top, total = max(values.values()), sum(values.values())
    yield _said(f"{title:<{_NAME}} {'rows':>9}")
    for value, rows in ranked[:_LISTED]:
        yield _said(f"{_padded(value)} {count(rows):>9} {bar(rows / top, _BAR)} {percent(rows / total):>8}")
    if len(ranked) > _LISTED:
        rest = sum(rows for _, rows in ranked[_LISTED:])
        yield _said(f"{f'{count(len(ranked) - _LISTED)} more':<{_NAME}} {count(rest):>9}")


def _short(model: str) -> str:
    """A model's name; of a folder the last part."""
    return shorten(Path(model).name if Path(model).is_absolute() else model, 40)


def _said(text: str) -> Line:
    return [(text, "")]


def _padded(text: str, width: int = _NAME) -> str:
    shown = shorten(text, width) or "(empty)"
    return shown + " " * (width - cells(shown))
