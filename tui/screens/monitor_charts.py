"""The charts of the monitor at work: one axis for all of them, a place to read, panels that open and close."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from textual.content import Content

from tui.screens import monitor_plots as plots
from tui.screens.base import DiapasonScreen
from tui.screens.monitor_axis import MODES, Axis
from tui.screens.monitor_state import Shown
from tui.widgets.chart import Chart

_FAR = 10
_PAN = 0.5
# A short terminal has no room for more panels beside the rest.
_LATE = 2


class ChartsScreen(DiapasonScreen):
    """The part of the monitor that draws; a subclass sets `shown` and calls `draw_charts`."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: Shown | None = None
        self.axis = Axis()
        self._log_scale = False
        self._drawn_step = 0
        self._below: dict[str, Content] = {}
        self._panels = list(plots.FIRST)
        for panel in plots.PANELS:
            setattr(self, f"action_panel_{panel.name}", partial(self.toggle_panel, panel.name))

    def compose_panels(self) -> Any:
        """The small charts that are open; the last ones late, where a terminal is too short for them."""
        for place, name in enumerate(self._panels):
            chart = _chart(name)
            chart.set_class(place >= _LATE, "-late")
            yield chart

    # -- drawing ------------------------------------------------------------------------------------------

    def draw_charts(self) -> None:
        """Draw every chart that is open, and what it reads."""
        shown = self.shown
        if shown is None:
            return
        self._drawn_step = shown.step
        self.axis = axis = plots.axis_of(shown, self.axis)
        self._draw_chart("loss", plots.loss_plot(shown, axis, self._log_scale, self._dots("loss")))
        for panel in plots.PANELS:
            if panel.name in self._panels:
                self._draw_chart(panel.name, plots.side_plot(shown, panel, axis, self._dots(panel.name)))

    def moved(self) -> bool:
        """Whether the steps since the charts were drawn would move their lines by half a dot."""
        low, high = self.axis.steps
        since = abs(self.shown.step - self._drawn_step) if self.shown is not None else 0
        return since > 0 and 2 * since * self._dots("loss") >= high - low

    def _dots(self, name: str) -> int:
        return 2 * max(1, self.query_one(f"#{name}", Chart).content_size.width)

    def _draw_chart(self, name: str, plot: plots.Plot) -> None:
        chart = self.query_one(f"#{name}", Chart)
        chart.show(plot)
        read = plots.reading(self.shown, self.axis, name) if self.shown is not None else None
        # Not as text: a run's name may hold what reads as markup.
        below = read or (plots.legend(self.shown) if name == "loss" else Content())
        if self._below.get(name) != below:
            self._below[name] = chart.border_subtitle = below

    def _move_axis(self, axis: Axis) -> None:
        self.axis = axis
        self.draw_charts()

    # -- why a key cannot act -----------------------------------------------------------------------------

    def why_no_chart(self) -> str | None:
        """A chart needs steps."""
        return None if self.shown is not None and self.shown.step else "no step is done yet"

    def why_whole(self) -> str | None:
        """Where all is shown there is nothing beside it."""
        return self.why_no_chart() or (None if self.axis.window else "the whole course is shown; + shows less")

    # -- actions ------------------------------------------------------------------------------------------

    def action_cursor_left(self) -> None:
        """Read one column earlier."""
        self._move_cursor(-1)

    def action_cursor_right(self) -> None:
        """Read one column later."""
        self._move_cursor(1)

    def action_cursor_far_left(self) -> None:
        """Read ten columns earlier."""
        self._move_cursor(-_FAR)

    def action_cursor_far_right(self) -> None:
        """Read ten columns later."""
        self._move_cursor(_FAR)

    def _move_cursor(self, columns: int) -> None:
        chart = self.focused if isinstance(self.focused, Chart) else self.query_one("#loss", Chart)
        self._move_axis(self.axis.moved(columns, chart.columns))

    def clear_cursor(self) -> bool:
        """Read nowhere; False where nothing was read."""
        if self.axis.cursor is None:
            return False
        self._move_axis(replace(self.axis, cursor=None))
        return True

    def action_zoom_in(self) -> None:
        """Half as much."""
        self._move_axis(self.axis.zoomed(0.5))

    def action_zoom_out(self) -> None:
        """Twice as much."""
        self._move_axis(self.axis.zoomed(2.0))

    def action_pan_left(self) -> None:
        """The part before."""
        self._move_axis(self.axis.panned(-_PAN))

    def action_pan_right(self) -> None:
        """The part after."""
        self._move_axis(self.axis.panned(_PAN))

    def action_whole(self) -> None:
        """All of it."""
        self._move_axis(replace(self.axis, window=None))

    def action_next_axis(self) -> None:
        """Count by something else."""
        by = MODES[(MODES.index(self.axis.by) + 1) % len(MODES)]
        self._move_axis(replace(self.axis, by=by))
        self._title_loss()

    def action_log_scale(self) -> None:
        """Change the loss axis."""
        self._log_scale = not self._log_scale
        self._title_loss()
        self.draw_charts()

    def _title_loss(self) -> None:
        by = "" if self.axis.by == "step" else f" by {self.axis.by}"
        self.query_one("#loss", Chart).border_title = f"loss{by}{', log scale' if self._log_scale else ''}"

    # -- panels -------------------------------------------------------------------------------------------

    async def toggle_panel(self, name: str) -> None:
        """Open a small chart, or close it; where four are open the oldest one gives way."""
        if name in self._panels:
            self._panels.remove(name)
            await self._close(name)
        else:
            if len(self._panels) == plots.MOST_OPEN:
                await self._close(self._panels.pop(0))
            self._panels.append(name)
            await self.mount(_chart(name), before="#machine")
        self._mark_late()
        self.call_after_refresh(self.draw_charts)

    async def _close(self, name: str) -> None:
        self._below.pop(name, None)
        chart = self.query_one(f"#{name}", Chart)
        if self.focused is chart:
            self.query_one("#loss").focus()
        await chart.remove()

    def _mark_late(self) -> None:
        for name in self._panels:
            self.query_one(f"#{name}", Chart).set_class(name in self._panels[_LATE:], "-late")


def _chart(name: str) -> Chart:
    title = next(panel.title for panel in plots.PANELS if panel.name == name)
    return Chart(title, id=name, classes="panel side")
