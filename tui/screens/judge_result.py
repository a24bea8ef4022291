"""The page at the end of judging: who won and how sure that is first, then what to beware of, then the details."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.content import Content

from core.judging import wording
from core.text import cells, shorten, visible
from tui import judgements_view

if TYPE_CHECKING:
    from core.judging.outcome import Results
    from core.judging.statistics import Share
    from core.judging.statistics.ranking import Bound, Ranking
    from tui.actions import Action

Span = tuple[str, str]
_NAME_WIDTH = 34
_RANKED_WIDTH = 22
# Names in front of bars; the rest of a long list is in `diapason judgements`.
_MOST_RANKED = 20


def result_content(found: Results, width: int, keys: Iterable[Action]) -> Content:
    """The result page, for `width` cells; `keys`: what can be done next."""
    spans: list[Span] = [(f"{visible(found.verdict())}\n\n", "bold $foreground")]
    spans += _bars(found, width) if found.two else _ranked(found, width)
    spans.append(("\n", ""))
    if found.two and found.share:
        spans += _interval(found, found.share, width)
    if found.decisive:
        spans.append((f"\n{visible(found.meaning())}\n", "$foreground"))
    if stopping := wording.stopping(found):
        spans.append((f"{visible(stopping)}\n", "$foreground"))
    if length := wording.length(found):
        spans.append((f"{visible(length)}\n", "$foreground"))
    spans += [(f"! {visible(caution)}\n", "$warning") for caution in found.cautions()]
    spans.append(("\n", ""))
    for action in keys:
        spans += [(f"  {action.key_shown:<5}", "bold $accent"), (f"{action.help}\n", "$foreground")]
    for line in judgements_view.details(found):
        # Headings end with a colon and stand at the margin.
        heading = line.endswith(":") and not line.startswith(" ")
        spans.append((f"{visible(line)}\n", "bold $accent" if heading else "$text-muted"))
    return Content.assemble(*spans)


def _bars(found: Results, width: int) -> list[Span]:
    tie = f"tie ({found.identical} identical, not asked)" if found.identical else "tie"
    rows = [
        (_won(found, found.candidate), found.wins, "$accent"),
        (_won(found, found.baseline), found.losses, "$foreground"),
        (tie, found.ties, "$text-muted"),
        ("both bad", found.both_bad, "$text-muted"),
        ("skipped", found.skipped, "$text-disabled"),
    ]
    room = max(8, min(50, width - _NAME_WIDTH - 8))
    most = max(1, *(count for _, count, _ in rows))
    spans: list[Span] = []
    for label, count, style in rows:
        pad = " " * (_NAME_WIDTH - cells(label))
        spans += [(label, "$foreground"), (pad, ""), (f"{count:>5}  ", "bold")]
        spans.append(("█" * round(room * count / most) or ("▏" if count else ""), style))
        spans.append(("\n", ""))
    return spans


def _won(found: Results, side: str) -> str:
    """``tuned won  support-fr``; a side that is called by its name is not named twice."""
    label, name = visible(found.label(side)), visible(found.names.get(side, side))
    if label == name:
        return f"{shorten(name, _NAME_WIDTH - 5)} won"
    said = f"{label} won".ljust(9)
    return f"{said}  {shorten(name, _NAME_WIDTH - 2 - cells(said))}"


def _interval(found: Results, share: Share, width: int) -> list[Span]:
    """A line from 0 to 100 % with the interval, the estimate and the middle on it."""
    begin = f"{shorten(visible(found.label(found.candidate)), 20)}'s share  0 % "
    room = max(20, min(60, width - cells(begin) - 8))
    spans: list[Span] = [(begin, "$text-muted")]
    spans += _line(share.value, share.low, share.high, room)
    spans.append((" 100 %\n", "$text-muted"))
    return spans


def _line(value: float, low: float, high: float, room: int) -> list[Span]:
    """A scale of `room` + 1 cells from 0 to 1 with an interval and an estimate on it."""
    line = ["─"] * (room + 1)
    for place in range(round(low * room), round(high * room) + 1):
        line[place] = "━"
    line[round(room / 2)] = "┼"
    line[round(value * room)] = "●"
    return [(sign, "bold $accent" if sign in "━●" else "$text-muted") for sign in line]


def _ranked(found: Results, width: int) -> list[Span]:
    ranking = found.ranking
    assert ranking is not None
    scale = _scale(ranking)
    room = max(10, min(50, width - _RANKED_WIDTH - 34))
    spans: list[Span] = []
    if ranking.strengths:
        head = f"{'':<{_RANKED_WIDTH + 4}}{'strength':>8}  {'95 % interval':>16}\n"
        spans.append((head, "$text-muted"))
    for rank, (side, bound) in enumerate(list(ranking.strengths.items())[:_MOST_RANKED], 1):
        name = shorten(visible(found.label(side)), _RANKED_WIDTH)
        spans.append((f"{rank:>2}  {name}{' ' * (_RANKED_WIDTH - cells(name))}", "$foreground"))
        spans.append((f"{bound.value:>+8.2f}  ", "bold"))
        spans.append((f"{wording.bounds(bound):>16}  ", "$text-muted"))
        spans += _strength(bound, scale, room)
        spans.append(("\n", ""))
    more = len(ranking.strengths) - _MOST_RANKED
    if more > 0:
        spans.append((f"… and {more} more: `diapason judgements`\n", "$text-muted"))
    return spans


def _scale(ranking: Ranking) -> float:
    """The largest distance from 0 that the bars show."""
    ends = [
        abs(end)
        for bound in ranking.strengths.values()
        for end in (bound.value, bound.low, bound.high)
        if end is not None
    ]
    return max([*ends, 0.5])


def _strength(bound: Bound, scale: float, room: int) -> list[Span]:
    def place(value: float) -> float:
        return min(1.0, max(0.0, (value / scale + 1) / 2))

    open_ends = (bound.value, bound.value) if bound.low is None and bound.high is None else (-scale, scale)
    low = open_ends[0] if bound.low is None else bound.low
    high = open_ends[1] if bound.high is None else bound.high
    return _line(place(bound.value), place(low), place(high), room)
