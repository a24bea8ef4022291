"""A dialog that asks which field of a row is the prompt and which the answer, a key each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.data.example import Example
from core.data.findings import RowFinding
from core.data.formats import build, detect
from core.data.mapping import parse_map
from core.errors import UsageError
from core.text import shorten, visible
from tui.widgets.dialogs import AskDialog
from tui.widgets.rows import Row, RowList

_KEYS = (
    ("p", "prompt"), ("a", "completion"), ("t", "text"), ("l", "label"), ("m", "messages"), ("i", "instruction"),
    ("n", "input"), ("o", "output"), ("c", "chosen"), ("r", "rejected"), ("s", "system"), ("T", "tools"),
)  # fmt: skip
_SAMPLE_CHARS = 200


class FieldMap(ModalScreen[str | None]):
    """Gives the map as `core.data.mapping.parse_map` reads it, or None where esc was pressed.

    fields: the names, each with a value of a row. start: the map to begin with, empty for none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("e", "write", "Write it", show=False),
        Binding("x,backspace,delete", "use('')", "Not used", show=False),
        *(Binding(key, f"use('{target}')", target, show=False) for key, target in _KEYS),
    ]

    def __init__(self, fields: Mapping[str, Any], start: str) -> None:
        super().__init__()
        self.fields = dict(fields)
        self.targets: dict[str, str] = {}
        if start:
            self.targets = {source: target for target, source in parse_map(start).pairs}
            self.fields |= {source: None for source in self.targets if source not in self.fields}

    @property
    def map(self) -> str:
        """What was chosen so far: ``prompt=premise,completion=target``."""
        order = [target for _, target in _KEYS]
        chosen = sorted(self.targets.items(), key=lambda pair: order.index(pair[1]))
        return ",".join(f"{target}={source}" for source, target in chosen)

    def compose(self) -> ComposeResult:
        """The fields, what they make of a row, and the keys."""
        keys = " · ".join(f"{key} {target if target != 'completion' else 'answer'}" for key, target in _KEYS)
        with Vertical(classes="dialog field-map"):
            yield Static("Which field is the prompt, which the answer?", classes="dialog-question", markup=False)
            yield RowList(id="fields")
            yield Static(id="made", classes="dialog-detail", markup=False)
            yield Static(keys + " · x not used", classes="dialog-detail", markup=False)
            yield Static("enter take it · e write it · esc cancel", classes="dialog-detail", markup=False)

    def on_mount(self) -> None:
        """Show the fields, the cursor on the first."""
        self.query_one(RowList).focus()
        self._show()

    def _show(self) -> None:
        width = max((len(visible(name)) for name in self.fields), default=0)
        width = min(28, width)
        self.query_one(RowList).show(
            [Row(name, (self.targets.get(name), width), self._drawer(name, width)) for name in self.fields]
        )
        self.query_one("#made", Static).update(self._made())

    def _drawer(self, name: str, width: int) -> Any:
        target = self.targets.get(name, "–")
        sample = _sample(self.fields[name])

        def draw(room: int) -> Content:
            return Content.assemble(
                f"{shorten(name, width):<{width}} ",
                (f"{target:<12} ", "bold $accent" if target != "–" else "$text-muted"),
                (shorten(sample, max(4, room - width - 14)), "$text-muted"),
            )

        return draw

    def _made(self) -> Content:
        """What the map makes of the sample, or why it makes nothing."""
        if not self.targets:
            return Content.styled("no field chosen yet", "$warning")
        try:
            mapping = parse_map(self.map)
        except UsageError as error:
            return Content.styled(visible(error.message), "$warning")
        value = mapping.apply({source: self.fields[source] for source in self.targets})
        kind = mapping.format or detect(value)
        found: list[RowFinding] = []
        example = build(value, kind, 0, 1, found) if kind else None
        problem = next((finding for finding in found if finding.severity == "error"), None)
        if example is None or problem is not None:
            why = problem.message if problem else "these fields make no row that can be trained on"
            return Content.styled(visible(why), "$warning")
        return Content.assemble((f"{kind}: ", "bold"), (_told(example), "$text-muted"))

    def action_use(self, target: str) -> None:
        """Give the field under the cursor a name, taking it from the one that had it."""
        name = self.query_one(RowList).current
        if name is None:
            return
        self.targets = {source: given for source, given in self.targets.items() if given != target and source != name}
        if target:
            self.targets[name] = target
        self._show()

    def on_row_list_chosen(self) -> None:
        """Take the map, where it is one."""
        try:
            parse_map(self.map)
        except UsageError as error:
            self.app.notify(visible(str(error), newlines=True), severity="warning", markup=False)
            return
        self.dismiss(self.map)

    def action_write(self) -> None:
        """Ask for the map as text."""

        def answered(text: str | None) -> None:
            if text and text.strip():
                try:
                    parse_map(text.strip())
                except UsageError as error:
                    self.app.notify(visible(str(error), newlines=True), severity="error", markup=False)
                else:
                    self.dismiss(text.strip())

        dialog = AskDialog("The map:", value=self.map, placeholder="prompt=premise,completion=target")
        self.app.push_screen(dialog, answered)

    def action_cancel(self) -> None:
        """Close without a map."""
        self.dismiss(None)


def _sample(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_SAMPLE_CHARS]


def _told(example: Example) -> str:
    if example.text is not None:
        return shorten(example.text, 60)
    return f"{shorten(example.prompt_text, 30)} → {shorten(example.answer, 30)}"
