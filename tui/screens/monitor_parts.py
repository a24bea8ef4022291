"""Where the steps' time goes, and how much of the cards is used, as the monitor's charts show it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from textual.content import Content

from core.runs.portions import Portion
from core.runs.series import OTHER
from tui.columns import Part
from tui.format import count
from tui.screens.monitor_axis import Axis
from tui.screens.monitor_state import Shown
from tui.widgets.chart import Curve

#: Part → (its name where there is little room, its colour).
PARTS = {
    "data": ("data", "$warning"),
    "forward": ("fwd", "$accent"),
    "backward": ("bwd", "$secondary"),
    "optimizer": ("opt", "$success"),
    OTHER: ("other", "$text-muted"),
}


def split_curves(shown: Shown, axis: Axis) -> tuple[Curve, ...]:
    """The part of each in the steps' time, in percent."""
    low, high = axis.steps
    first = bisect_left(shown.portions, low, key=lambda one: one.last)
    seen = shown.portions[first : bisect_right(shown.portions, high, key=lambda one: one.first)]
    places = [(axis.at((one.first + one.last) / 2), one.shares) for one in seen]
    return tuple(Curve(style, [(x, shares[name]) for x, shares in places]) for name, (_, style) in PARTS.items())


def split_text(shown: Shown, axis: Axis) -> Content:
    """Each part in its colour, with its percentage at the cursor or, without one, of late."""
    one = _at(shown, axis)
    if one is None or math.isnan(one.shares[OTHER]):
        return Content.styled("not measured", "$text-muted") if shown.step else Content()
    parts: list[Part] = [] if axis.cursor is None else [("step ", "$text-muted"), f"{count(axis.cursor)} "]
    for name, share in one.shares.items():
        label, style = PARTS[name]
        parts += [(f"{label} ", style), f"{share:.0f} "]
    return Content.assemble(*parts).rstrip()


def mfu_text(shown: Shown, axis: Axis) -> Content:
    """The MFU at the cursor or, without one, of late; why there is none, where that is known."""
    one = _at(shown, axis)
    mfu = shown.mfu if axis.cursor is None else math.nan if one is None else one.mfu
    if math.isfinite(mfu):
        return Content.assemble(("MFU ", "$text-muted"), f"{mfu:.1f} %")
    return Content.styled("MFU needs a known card", "$text-muted") if shown.card_known is False else Content()


def _at(shown: Shown, axis: Axis) -> Portion | None:
    """The portion at the cursor, else the last one."""
    if not shown.portions:
        return None
    if axis.cursor is None:
        return shown.portions[-1]
    place = bisect_left(shown.portions, axis.cursor, key=lambda one: one.last)
    return shown.portions[min(place, len(shown.portions) - 1)]
