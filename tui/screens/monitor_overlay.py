"""Other runs beside the one that the monitor shows: which, in what colour, and how their recipes differ."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.runs.folder import RunFolder
from core.text import cells, shorten, visible
from tui.columns import Part
from tui.format import DASH
from tui.screens.monitor_pages import flat
from tui.screens.monitor_state import Shown
from tui.widgets.rows import Row, RowList

_COLOURS = ("$success", "$warning", "$error", "$secondary")
MOST_BESIDE = len(_COLOURS)
_NAME = 24


def colours(ids: Sequence[str]) -> dict[str, str]:
    """Run -> its colour, which its identifier gives; where two want the same the later in `ids` takes the next."""
    found: dict[str, str] = {}
    for id in ids:
        first = zlib.crc32(id.encode())
        order = [_COLOURS[(first + place) % len(_COLOURS)] for place in range(len(_COLOURS))]
        found[id] = next((colour for colour in order if colour not in found.values()), order[0])
    return found


def differences(shown: Shown) -> Content:
    """The fields in which the recipes of the run and of those beside it differ; nothing where none is beside it."""
    if not shown.beside:
        return Content()
    runs = [shown, *shown.beside]
    recipes = [flat(run.recipe) for run in runs]
    names = sorted({name for recipe in recipes for name in recipe})
    odd = [name for name in names if len({recipe.get(name) for recipe in recipes}) > 1 and name != "name"]
    if not odd:
        return Content.styled("the recipes are the same\n\n", "$text-muted")
    colour = colours([run.id for run in shown.beside])
    titles = [shorten(run.name, _NAME) for run in runs]
    values = {name: [shorten(recipe.get(name, DASH), _NAME) for recipe in recipes] for name in odd}
    wide = [
        max(cells(text) for text in (titles[n], *(row[n] for row in values.values()))) + 2 for n in range(len(runs))
    ]
    first = max(cells(visible(name)) for name in odd) + 2
    parts: list[Part] = [("differ in".ljust(first), "$text-muted")]
    for place, run in enumerate(runs):
        style = "bold $accent" if run is shown else colour[run.id]
        parts.append((_filled(titles[place], wide[place]), style))
    parts.append("\n")
    for name in odd:
        parts.append((_filled(visible(name), first), "$text-muted"))
        parts += [_filled(text, wide[place]) for place, text in enumerate(values[name])]
        parts.append("\n")
    return Content.assemble(*parts, "\n")


def _filled(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


class OverlayDialog(ModalScreen[list[str] | None]):
    """Asks which runs to show beside one; gives their identifiers, or None after esc."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("space", "choose", "Choose", show=False),
        Binding("enter", "take", "Take", show=False, priority=True),
    ]
    CSS = "OverlayDialog RowList { height: auto; max-height: 16; padding: 0; }"

    def __init__(self, runs: Sequence[RunFolder], chosen: Sequence[str]) -> None:
        super().__init__()
        self.runs = runs
        known = {run.id for run in runs}
        self.chosen = [id for id in chosen if id in known]

    def compose(self) -> ComposeResult:
        """The runs, newest first."""
        with Vertical(classes="dialog"):
            yield Static(f"Runs to show beside it, {MOST_BESIDE} at most", classes="dialog-question", markup=False)
            yield RowList()
            yield Static("space choose · enter show them · esc cancel", classes="dialog-detail", markup=False)

    def on_mount(self) -> None:
        """Let the keys choose."""
        self._draw()
        self.query_one(RowList).focus()

    def _draw(self) -> None:
        rows = [(run, "[x] " if run.id in self.chosen else "[ ] ") for run in self.runs]
        self.query_one(RowList).show(
            [
                Row(run.id, mark, lambda width, run=run, mark=mark: Content(mark + shorten(run.name, width - 4)))
                for run, mark in rows
            ]
        )

    def action_choose(self) -> None:
        """Choose the run under the cursor, or leave it out; those chosen before keep their places, and colours."""
        id = self.query_one(RowList).current
        if id in self.chosen:
            self.chosen.remove(id)
        elif id is not None:
            self.chosen.append(id)
        self._draw()

    def action_take(self) -> None:
        """Close with what is chosen."""
        if len(self.chosen) > MOST_BESIDE:
            said = f"{MOST_BESIDE} runs at most; {len(self.chosen)} are chosen"
            self.app.notify(said, severity="warning", markup=False)
            return
        self.dismiss(self.chosen)

    def action_cancel(self) -> None:
        """Close without a change."""
        self.dismiss(None)
