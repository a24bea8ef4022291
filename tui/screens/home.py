"""Home: what is going on, and what is next?"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.base import DiapasonScreen


class HomeScreen(DiapasonScreen):
    """The first screen."""

    ACTIONS = (Action("d", "data", "data", "Open a data file and look at its rows and findings.", footer=True),)

    def compose_body(self) -> ComposeResult:
        """Nothing yet but a word."""
        yield Static("diapason")

    def on_mount(self) -> None:
        """Name the program."""
        self.top("diapason")

    def action_data(self) -> None:
        """Ask for a file and browse it."""
        self.ask("Which data file?", lambda path: self.diapason.open("browse", path=path), paths=True)
