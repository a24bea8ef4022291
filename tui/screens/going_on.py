"""Let a run go on from a screen: where it would not be the same training, a person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.runs.folder import RunFolder

if TYPE_CHECKING:
    from tui.screens.base import DiapasonScreen


def go_on(screen: DiapasonScreen, run: RunFolder, then: Callable[[], None], *, force: bool = False) -> None:
    """Resume `run` in a thread and call `then`; what differs since it was last trained is asked about first."""
    from core.resuming import Differs, resume

    def resumed(warnings: list[str]) -> None:
        for line in warnings:
            screen.warn(line)
        screen.say(f"{run.name} goes on")
        then()

    def failed(error: BaseException) -> None:
        if not isinstance(error, Differs):
            screen.fail(error)
            return
        screen.confirm(
            f"Resume {run.name} all the same?",
            lambda: go_on(screen, run, then, force=True),
            detail=f"{error.message}\nIt would go on by the recipe that it was submitted with; a fork of it would "
            "begin a new run with what is there now.",
            yes="Resume it",
        )

    screen.background(lambda: resume(run, force=force), resumed, otherwise=failed, group="resume")
