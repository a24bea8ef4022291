"""What the judging screen shows, built from data that is not trusted: prompts, answers, the result page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textual.content import Content

from core.errors import DiapasonError
from core.text import cells, shorten, visible

if TYPE_CHECKING:
    from core.judging.results import Habit, Results
    from core.judging.statistics import Share
    from tui.actions import Action

Span = tuple[str, str]
_NAME_WIDTH = 34


def prompt_content(messages: Iterable[dict[str, Any]]) -> Content:
    """The prompt: one user message as it is, a longer conversation with who says what."""
    turns = list(messages)
    if len(turns) == 1 and turns[0].get("role") == "user":
        return Content.assemble((_said(turns[0]), "bold $foreground"))
    spans: list[Span] = []
    for number, turn in enumerate(turns):
        last = number == len(turns) - 1
        spans.append((f"{visible(str(turn.get('role', '?')))}  ", "$text-muted"))
        spans.append((_said(turn), "bold $foreground" if last else "$text-muted"))
        spans.append(("" if last else "\n", ""))
    return Content.assemble(*spans)


def _said(message: dict[str, Any]) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) if content else ""
    calls = message.get("tool_calls")
    if calls:
        text = f"{text}\n{json.dumps(calls, ensure_ascii=False)}".strip()
    return visible(text, newlines=True)


def error_content(error: DiapasonError) -> Content:
    """Why there is nothing to judge, and what to do."""
    spans: list[Span] = [(f"{visible(error.where)}: ", "$text-muted")] if error.where else []
    spans.append((visible(error.message), "bold $foreground"))
    if error.hint:
        spans.append((f"\n\n▸ {visible(error.hint, newlines=True)}", "$foreground"))
    return Content.assemble(*spans)


def result_content(found: Results, width: int, keys: Iterable[Action]) -> Content:
    """The result page, for `width` cells: counts as bars, the interval, what it means, what to beware of.

    `keys`: what can be done next.
    """
    spans: list[Span] = [(f"{found.verdict()}\n\n", "bold $foreground"), *_bars(found, width), ("\n", "")]
    if found.share:
        spans += _interval(found.share, width)
        spans.append((f"\n{found.meaning()}\n", "$foreground"))
    spans += _habits(found)
    if len(found.judges) > 1:
        spans += _judges(found)
    spans += [(f"! {visible(caution)}\n", "$warning") for caution in found.cautions()]
    spans.append(("\n", ""))
    for action in keys:
        spans += [(f"  {action.key_shown:<5}", "bold $accent"), (f"{action.help}\n", "$foreground")]
    return Content.assemble(*spans)


def _bars(found: Results, width: int) -> list[Span]:
    tie = f"tie ({found.identical} identical, not asked)" if found.identical else "tie"
    rows = [
        (f"tuned won  {shorten(found.names['tuned'], _NAME_WIDTH - 11)}", found.wins, "$accent"),
        (f"base won   {shorten(found.names['base'], _NAME_WIDTH - 11)}", found.losses, "$foreground"),
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


def _interval(share: Share, width: int) -> list[Span]:
    """A line from 0 to 100 % with the interval, the estimate and the middle on it."""
    room = max(20, min(60, width - 27))
    line = ["─"] * (room + 1)
    for place in range(round(share.low * room), round(share.high * room) + 1):
        line[place] = "━"
    line[round(room / 2)] = "┼"
    line[round(share.value * room)] = "●"
    spans: list[Span] = [("tuned's share  0 % ", "$text-muted")]
    spans += [(sign, "bold $accent" if sign in "━●" else "$text-muted") for sign in line]
    spans.append((" 100 %\n", "$text-muted"))
    return spans


def _habits(found: Results) -> list[Span]:
    spans: list[Span] = []
    if found.score:
        spans.append((f"With ties and both-bad at ½: {_share(found.score)}.\n", "$text-muted"))
    spans += _habit("The left answer won", found.first_slot)
    spans += _habit("The longer answer won", found.longer)
    if found.judged:
        lengths = ", ".join(f"{arm} {length:,.0f}" for arm, length in found.lengths.items())
        spans.append((f"Mean length in characters: {lengths}.\n", "$text-muted"))
    return spans


def _habit(what: str, habit: Habit) -> list[Span]:
    if not habit.share:
        return []
    return [(f"{what} {habit.count} of {habit.trials}: {_share(habit.share)}.\n", "$text-muted")]


def _share(share: Share) -> str:
    from core.judging.statistics import percent

    return f"{percent(share.value)} %, 95 % interval {percent(share.low)}–{percent(share.high)} %"


def _judges(found: Results) -> list[Span]:
    spans: list[Span] = [("\nJudges\n", "bold $accent")]
    for name, own in found.judges.items():
        counts = ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in own.items())
        spans.append((f"  {shorten(name, 20)}: {counts}\n", "$text-muted"))
    return spans
