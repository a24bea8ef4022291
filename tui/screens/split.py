"""The screen of splitting: how much to hold out, what stays together, and what leaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.actions import Action
from tui.names import beside
from tui.screens.base import DiapasonScreen
from tui.split_view import split_lines
from tui.widgets.safe_input import SafeInput

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.split import SplitResult

FIELDS: tuple[tuple[str, str, str, str], ...] = (
    ("out", "folder", "", "where train, validation and test go; made where it is missing"),
    ("test", "test", "0.2", "share of the rows, 0 for none"),
    ("validation", "validation", "0.1", "share of the rows, 0 for none"),
    ("stratify", "spread evenly", "auto", "auto: the label, else the length; or a field"),
    ("group", "keep together", "near", "near: copies and near copies; exact: the same prompt; or a field"),
    ("seed", "seed", "0", "the same one gives the same parts"),
)
"""Name, what it is called, its first value, what stands in the empty field."""
_GOING = "It goes on when you leave, and writes whole files or none."


class SplitScreen(DiapasonScreen):
    """Parts one file into train, validation and test."""

    CSS_PATH = "split.tcss"
    HELP = (
        "Rows that ask the same, or nearly the same, stay on one side, so that the test measures what was learned "
        "and not what was remembered; labels or lengths are spread evenly. What leaks all the same is counted, "
        "beside what a plain random split would leak. The source stays as it is."
    )
    ACTIONS = (
        Action("ctrl+s", "split", "split", "Write the parts.", footer=True, enabled="why_no_split"),
        Action("ctrl+o", "open", "open train", "Look at the training part.", footer=True, enabled="why_no_open"),
        Action("tab", "next_field", "next field", "Go to the next field; shift+tab to the one before.", footer=True),
    )
    AUTO_FOCUS = "#test"

    def __init__(self, path: Path | str, dataset: Dataset) -> None:
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset
        self.done: SplitResult | None = None
        self._splitting = False

    def compose_body(self) -> ComposeResult:
        """A line for each field, and what came of it."""
        with Vertical(id="form", classes="panel"):
            for name, label, value, hint in FIELDS:
                with Horizontal(classes="line"):
                    yield Static(label, classes="name", markup=False)
                    first = str(beside(self.path, "parts")) if name == "out" else value
                    yield SafeInput(first, id=name, placeholder=hint, compact=True)
        yield Static(id="state", markup=False)

    def on_mount(self) -> None:
        """Say what the fields are."""
        self._show("", "\n".join(f"{label:<14}{hint}" for _, label, _, hint in FIELDS))

    def _show(self, right: str, state: str = "") -> None:
        self.top(f"{visible(self.dataset.name)} · train, validation and test", right)
        self.query_one("#state", Static).update(Content(state))
        self.refresh_keys()

    def why_no_split(self) -> str | None:
        """Why it cannot begin."""
        return "it is under way" if self._splitting else None

    def why_no_open(self) -> str | None:
        """Why there is no part to look at."""
        return None if self.done is not None else "nothing is written yet"

    def action_next_field(self) -> None:
        """The next field."""
        self.focus_next()

    def action_open(self) -> None:
        """Browse the training part."""
        if self.done is not None:
            self.diapason.open("browse", path=self.done.train)

    @on(Input.Submitted)
    async def _submitted(self) -> None:
        await self.action_act("split")

    def action_split(self) -> None:
        """Write the parts in a thread; ask before those that are there are replaced."""
        self._begin(wish_of({box.id or "": box.meant for box in self.query(SafeInput)}))

    def _begin(self, wanted: Mapping[str, Any], force: bool = False) -> None:
        from core.data.split import split

        map_text = str(self.dataset.mapping) if self.dataset.mapping else None
        self._splitting, self.done = True, None
        self._show("splitting …", _GOING)
        self.background(
            lambda: split(self.path, format=self.dataset.forced, map=map_text, measure=True, force=force, **wanted),
            self._split,
            otherwise=lambda error: self._failed(error, wanted),
            group="split",
        )

    def _split(self, result: SplitResult) -> None:
        self._splitting, self.done = False, result
        self._show("written", "\n".join([*split_lines(result), "", "ctrl+o opens the training part"]))

    def _failed(self, error: BaseException, wanted: Mapping[str, Any]) -> None:
        from core.data.target import TargetExists

        self._splitting = False
        if isinstance(error, TargetExists):
            self._show("not written", f"{visible(str(error.where))} is there already.")
            self.confirm(
                f"Replace the parts in {visible(str(wanted['out']))}?",
                lambda: self._begin(wanted, force=True),
                detail=f"{visible(str(error.where))} is there already.",
                yes="Replace",
            )
            return
        self._show("it did not work", visible(str(error), newlines=True))
        self.fail(error)


def wish_of(values: Mapping[str, str]) -> dict[str, Any]:
    """What the form asks `core.data.split.split` for.

    Raises:
        DiapasonError: a field says nothing that can be done.
    """
    texts = {name: text.strip() for name, text in values.items()}
    if not texts["out"]:
        raise DiapasonError("no folder is named", where="folder")
    if not texts["seed"].isdecimal() or len(texts["seed"]) > 9:
        raise DiapasonError(f"`{texts['seed'][:20]}` is no seed", where="seed", hint="A whole number from 0 on.")
    return {
        "out": expand(texts["out"]),
        "test": _share(texts["test"], "test"),
        "validation": _share(texts["validation"], "validation"),
        "stratify": texts["stratify"] or "auto",
        "group": texts["group"] or "near",
        "seed": int(texts["seed"]),
    }


def _share(text: str, name: str) -> float:
    try:
        share = float(text or "0")
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise DiapasonError(f"`{text[:20]}` is no share", where=name, hint="From 0 to below 1, such as 0.2.")
    return share
