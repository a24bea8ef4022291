"""The charts of the monitor: what each shows of a run on an axis, and what it reads at the cursor."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

from textual.content import Content

from core.runs.decimate import MOST, Bucket
from core.text import shorten
from tui.columns import Part
from tui.format import DASH, count, duration, gigabytes, loss, small
from tui.screens.monitor_axis import Axis
from tui.screens.monitor_curves import Line
from tui.screens.monitor_overlay import colours
from tui.screens.monitor_parts import mfu_text, split_curves, split_text
from tui.screens.monitor_state import Shown
from tui.widgets.chart import Curve, Marks, Plot


def _axis_number(value: float) -> str:
    return count(value) if 1000 <= abs(value) < 1e9 else small(value)


@dataclass(frozen=True)
class Panel:
    """A small chart: the name of its quantity, its title with the unit, and the key that opens and closes it."""

    name: str
    title: str
    key: str
    text: Callable[[float], str] = _axis_number
    zero: bool = True


PANELS = (
    Panel("learning_rate", "learning rate", "R"),
    Panel("grad_norm", "gradient norm", "N", zero=False),
    Panel("tokens_per_second", "tokens a second, MFU", "T"),
    Panel("seconds", "seconds a step", "S"),
    Panel("split", "step time split, %", "B"),
    Panel("gpu_use", "GPU use, %", "G"),
    Panel("gpu_memory", "GPU memory, GB", "M", gigabytes),
    Panel("gpu_heat", "GPU temperature, °C", "H"),
    Panel("gpu_power", "GPU power, W", "W"),
    Panel("ram", "RAM in use, GB", "A", gigabytes),
    Panel("disk", "free disk, GB", "D", gigabytes),
)
#: The panels that are open at first, and how many can be.
FIRST, MOST_OPEN = ("learning_rate", "grad_norm", "tokens_per_second"), 4


def loss_plot(shown: Shown, axis: Axis, log: bool, dots: int = MOST) -> Plot:
    """Training loss raw and smooth, validation loss with its best, checkpoints and what happened on the axis.

    `dots`: the columns of dots that the chart has.
    """
    best = shown.best[0] if shown.best else None
    low, high = axis.steps
    evals = [point for point in shown.evals if low <= point[0] <= high]
    rest = [(axis.at(step), value) for step, value in evals if step != best]
    top = [(axis.at(step), value) for step, value in evals if step == best]
    return Plot(
        (*_beside(shown, axis, dots), *_curves(shown.lines.get("loss", Line()), axis, "$accent", dots)),
        [Marks("$foreground", rest, "◇"), Marks("bold $foreground", top, "◆")],
        _ticks(shown, axis),
        log=log,
        y_format=_axis_number,
        x_format=axis.text,
        empty="no step is done yet" if axis.window is None else "nothing was measured here",
        x_range=axis.range,
        cursor=_cursor(axis),
    )


def axis_of(shown: Shown, axis: Axis) -> Axis:
    """The axis for a run and those beside it, as far as the longest.

    While the run works there is a little room for the steps to come, so that not each one moves all of the lines.
    """
    far = max((Axis(one.knots, axis.by).at(float(one.step)) for one in shown.beside), default=0.0)
    found = replace(axis, knots=shown.knots, last=float(max(1, shown.step)))
    return replace(found, far=far if shown.final else max(far, _roomy(found.at(found.last)))).clamped()


def _roomy(place: float) -> float:
    """The next place at or after `place` on a grid of sixteenths of the power of two below it."""
    if place <= 1:
        return place
    unit = 2.0 ** math.floor(math.log2(place)) / 16
    return math.ceil(place / unit) * unit


def _beside(shown: Shown, axis: Axis, dots: int) -> list[Curve]:
    """The smooth losses of the runs beside it."""
    found: list[Curve] = []
    colour = colours([one.id for one in shown.beside])
    for one in shown.beside:
        own = Axis(one.knots, axis.by, float(one.step))
        low, high = (own.step(x) for x in axis.range)
        buckets, smooth = one.lines["loss"].part(low, high, dots)
        found.append(Curve(colour[one.id], [(own.at(bucket.x), y) for bucket, y in zip(buckets, smooth)]))
    return found


def side_plot(shown: Shown, panel: Panel, axis: Axis, dots: int = MOST) -> Plot:
    """One of the smaller charts."""
    curves: tuple[Curve, ...] = ()
    if panel.name == "split":
        curves = split_curves(shown, axis)
    elif panel.name in shown.lines:
        curves = _curves(shown.lines[panel.name], axis, "$text-muted", dots)
    else:
        for place, line in enumerate(shown.hardware.get(panel.name, ())):
            curves += (_machine_curve(line, axis, "$accent" if place == 0 else "$text-muted", dots),)
    return Plot(
        curves,
        ticks=[tick for tick in _ticks(shown, axis) if tick[1] in _HAPPENED],
        levels=[(shown.clip, "$warning")] if panel.name == "grad_norm" and math.isfinite(shown.clip) else (),
        zero=panel.zero,
        y_format=panel.text,
        x_format=axis.text,
        empty="nothing measured yet" if panel.name in {**shown.lines, **shown.hardware, "split": ()} else "reading …",
        x_range=axis.range,
        cursor=_cursor(axis),
    )


_NAME = 16
_HAPPENED = ("↻", "✗")


def _ticks(shown: Shown, axis: Axis) -> list[tuple[float, str, str]]:
    """Saved ▵, best ▲, resumed ↻, out of memory and tried again ✗."""
    best = shown.best[0] if shown.best else None
    # Only the last checkpoint called best still is.
    found = [
        (float(step), "▲", "$accent") if is_best and step == best else (float(step), "▵", "$text-muted")
        for step, is_best in shown.checkpoints
    ]
    found += [(float(step), "↻", "$foreground") for step in shown.restarts]
    found += [(axis.step_of(moment), "✗", "$warning") for moment in shown.retries if math.isfinite(moment)]
    low, high = axis.steps
    return [(axis.at(step), sign, style) for step, sign, style in found if low <= step <= high]


def _cursor(axis: Axis) -> float | None:
    return None if axis.cursor is None else axis.at(axis.cursor)


def _curves(line: Line, axis: Axis, style: str, dots: int) -> tuple[Curve, ...]:
    """The course within the axis, raw and smooth."""
    buckets, smooth = line.part(*axis.steps, dots)
    places = [axis.at(bucket.x) for bucket in buckets]
    return (
        Curve("$text-disabled", band=_band(places, buckets)),
        Curve(style, list(zip(places, smooth))),
    )


def _band(places: list[float], buckets: list[Bucket]) -> list[tuple[float, float, float]]:
    return [(x, bucket.low, bucket.high) for x, bucket in zip(places, buckets) if bucket.count]


def _machine_curve(line: Line, axis: Axis, style: str, dots: int) -> Curve:
    low, high = axis.steps
    buckets, _ = line.part(axis.moment(low), axis.moment(high), dots)
    return Curve(style, [(axis.at(axis.step_of(bucket.x)), bucket.mean) for bucket in buckets])


# -- the read-out -----------------------------------------------------------------------------------------------


def reading(shown: Shown, axis: Axis, name: str) -> Content:
    """What the chart `name` holds at the cursor: where it is, raw, smooth, validation loss."""
    if name == "split":
        return split_text(shown, axis)
    if axis.cursor is None:
        return mfu_text(shown, axis) if name == "tokens_per_second" else Content()
    panel = next((panel for panel in PANELS if panel.name == name), None)
    text = panel.text if panel is not None else loss
    step = axis.cursor
    parts: list[Part | Content] = []
    if name in shown.lines or panel is None:
        line = shown.lines.get(name, Line())
        place = _nearest(line, step)
        bucket = line.buckets[place] if place is not None else None
        step = bucket.last if bucket is not None and bucket.points == 1 else step
        parts += _value("raw", DASH if bucket is None else _range(bucket, text))
        if name != "learning_rate":
            parts += _value("smooth", text(line.smooth[place]) if place is not None else DASH)
    else:
        for number, line in enumerate(shown.hardware.get(name, ())):
            place = _nearest(line, axis.moment(step))
            cards = shown.machine.get("gpus") or []
            index = cards[number]["index"] if number < len(cards) else number
            label = f"gpu{index}" if name.startswith("gpu") else "now"
            parts += _value(label, DASH if place is None else text(line.buckets[place].mean))
    if name == "tokens_per_second" and (mfu := mfu_text(shown, axis)):
        parts += ["  ", mfu]
    if panel is None and (before := [point for point in shown.evals if point[0] <= step]):
        at, value = before[-1]
        parts += _value("eval", loss(value))
        if at != step:
            parts += [(f" of step {count(at)}", "$text-muted")]
    if panel is None:
        colour = colours([one.id for one in shown.beside])
        for one in shown.beside:
            line, own = one.lines["loss"], Axis(one.knots, axis.by, float(one.step))
            there = own.step(axis.at(axis.cursor))
            place = _nearest(line, there) if there <= one.step else None
            parts += [(f"  {shorten(one.name, _NAME)} ", colour[one.id])]
            parts.append(DASH if place is None else loss(line.smooth[place]))
    return Content.assemble(*_where(step, axis), *parts)


def _where(step: float, axis: Axis) -> list[Part]:
    found: list[Part] = [("step ", "$text-muted"), count(step)]
    if axis.by == "tokens":
        found += _value("tokens", count(axis.at(step)))
    if axis.by == "time":
        found += _value("after", duration(axis.at(step)))
    return found


def _value(label: str, text: str) -> list[Part]:
    return [(f"  {label} ", "$text-muted"), text]


def _range(bucket: Bucket, text: Callable[[float], str]) -> str:
    if not bucket.count:
        return "not a number"
    low, high = text(bucket.low), text(bucket.high)
    return low if low == high else f"{low} to {high}"


def _nearest(line: Line, x: float) -> int | None:
    """The place of the bucket nearest to `x`."""
    if not line.buckets:
        return None
    place = min(bisect_left(line.buckets, x, key=lambda one: one.last), len(line.buckets) - 1)
    before = line.buckets[place - 1] if place else None
    if before is not None and x < line.buckets[place].first and x - before.last < line.buckets[place].first - x:
        return place - 1
    return place


def legend(shown: Shown | None = None) -> Content:
    """What the signs of the loss chart are; with runs beside it, which colour is whose."""
    if shown is not None and shown.beside:
        colour = colours([one.id for one in shown.beside])
        parts: list[Part] = [("━ ", "$accent"), shorten(shown.name, _NAME)]
        for one in shown.beside:
            parts += [("  ━ ", colour[one.id]), shorten(one.name, _NAME)]
        return Content.assemble(*parts)
    return Content.assemble(
        ("⠂ ", "$text-disabled"), "raw  ", ("━ ", "$accent"), "smooth  ", ("◇ ", "$foreground"), "eval  ",
        ("◆ ", "bold $foreground"), "best  ", ("▵ ", "$text-muted"), "checkpoint",
    )  # fmt: skip
