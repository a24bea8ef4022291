"""The queue: what runs, what waits and for what, in which order, and what happens when all is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from core.errors import DiapasonError
from core.text import cells, shorten
from tui.actions import Action
from tui.queue_view import about, end_line, place
from tui.screens.base import DiapasonScreen
from tui.widgets.rows import Row, RowList

if TYPE_CHECKING:
    from core.worker.overview import Entry

EVERY_SECONDS = 1.0
_NAME = 28


class QueueScreen(DiapasonScreen):
    """All runs and jobs that have not ended."""

    CSS_PATH = "queue.tcss"
    HELP = (
        "What works, what waits in the queue and for what, what is paused. A run that waits can be moved; a command "
        "can be left for when all is done, to stop a rented machine for instance."
    )
    ACTIONS = (
        Action("p", "pause", "pause", "Save and give the GPU back until it is resumed.", True, "why_no_pause"),
        Action("r", "resume", "resume", "Put a paused run back into the queue.", True, "why_not_paused"),
        Action("u,shift+up", "earlier", "earlier", "One place earlier in the queue.", True, "why_not_waiting"),
        Action("d,shift+down", "later", "later", "One place later in the queue.", True, "why_not_waiting"),
        Action("s", "stop", "stop", "Stop the run; it saves first and can be resumed.", True, "why_no_run"),
        Action("w", "when_empty", "when done", "Leave a command for when all is done.", True),
        Action("x", "cancel", "forget it", "Forget that command.", enabled="why_no_command"),
        Action("m", "monitor", "monitor", "Watch the run under the cursor.", enabled="why_no_run"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []
        self._end: dict[str, Any] | None = None
        self._reading = False

    def compose_body(self) -> ComposeResult:
        """The runs, and the command for the end."""
        yield RowList(id="rows")
        yield Static(id="why", markup=False)
        yield Static(id="end", markup=False)

    def on_mount(self) -> None:
        """Read now, and each second."""
        self.query_one(RowList).focus()
        self.top("queue")
        self.call_after_refresh(self._read)
        self.set_interval(EVERY_SECONDS, self._read)

    def _read(self) -> None:
        if self._reading or not self.is_seen:
            return
        self._reading = True
        self.background(_look, self._took, otherwise=self._not_read, group="queue")

    def _not_read(self, error: BaseException) -> None:
        self._reading = False
        self.fail(error)

    def _took(self, found: tuple[list[Entry], dict[str, Any] | None]) -> None:
        self._reading = False
        self._entries, self._end = found
        works = sum(entry.status in ("running", "unsupervised") for entry in self._entries)
        waits = sum(entry.status == "queued" for entry in self._entries)
        self.top("nothing runs or waits" if not self._entries else f"{works} running, {waits} waiting")
        self.query_one(RowList).show([Row(entry.folder.id, entry, _drawer(entry)) for entry in self._entries])
        self.query_one("#end", Static).update(end_line(self._end) if self._end else "")
        self._explain()

    def _explain(self) -> None:
        """Say in full what the run under the cursor waits for: its line may be too short."""
        entry = self.entry
        self.query_one("#why", Static).update(f"{shorten(entry.folder.name, 60)}: {about(entry)}" if entry else "")
        self.refresh_keys()

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._explain()

    @on(RowList.Chosen)
    async def _chosen(self) -> None:
        await self.action_act("monitor")

    # -- why a key cannot act -----------------------------------------------------------------------------

    @property
    def entry(self) -> Entry | None:
        """The run under the cursor."""
        key = self.query_one(RowList).current
        return next((entry for entry in self._entries if entry.folder.id == key), None)

    def why_no_run(self) -> str | None:
        """A run is needed."""
        return None if self.entry is not None else "nothing runs or waits"

    def why_no_pause(self) -> str | None:
        """A run that works or waits is needed."""
        entry = self.entry
        if entry is None:
            return self.why_no_run()
        return None if entry.status in ("running", "queued") else f"{entry.folder.name} is {entry.status}"

    def why_not_paused(self) -> str | None:
        """A paused run is needed."""
        entry = self.entry
        if entry is None:
            return self.why_no_run()
        return None if entry.status == "paused" else f"{entry.folder.name} is {entry.status}, not paused"

    def why_not_waiting(self) -> str | None:
        """A run that waits is needed."""
        entry = self.entry
        if entry is None:
            return self.why_no_run()
        return None if entry.place is not None else f"{entry.folder.name} does not wait in the queue"

    def why_no_command(self) -> str | None:
        """A command is needed."""
        return None if self._end is not None else "no command waits for the end"

    # -- actions ------------------------------------------------------------------------------------------

    def _tell(self, entry: Entry | None, command: str, told: str, value: str | None = None) -> None:
        from core.runs.commands import send

        if entry is not None:
            send(entry.folder, command, value=value)
            self.say(f"{entry.folder.name} {told}")

    def action_pause(self) -> None:
        """Pause it."""
        self._tell(self.entry, "pause", "was asked to pause; it saves a checkpoint first")

    def action_resume(self) -> None:
        """Resume it, if it would go on as the same training."""
        from tui.screens.going_on import go_on

        if self.entry is not None:
            go_on(self, self.entry.folder, self._read)

    def action_earlier(self) -> None:
        """One place up."""
        self._move(-1)

    def action_later(self) -> None:
        """One place down."""
        self._move(1)

    def _move(self, by: int) -> None:
        from core.worker.queue import place_at

        entry = self.entry
        if entry is None or entry.place is None:
            return
        last = max(other.place or 0 for other in self._entries)
        to = entry.place + by
        if not 1 <= to <= last:
            raise DiapasonError(f"{entry.folder.name} is the {'first' if by < 0 else 'last'} already")
        self._tell(entry, "priority", f"goes to place {to}", place_at(entry.folder, to))

    def action_stop(self) -> None:
        """Ask, then stop."""
        entry = self.entry
        if entry is not None:
            self.confirm(
                f"Stop {entry.folder.name}?",
                lambda: self._tell(entry, "stop", "was asked to stop; it saves a checkpoint first"),
                detail="It saves a checkpoint first, and can be resumed from there.",
                yes="Stop it",
            )

    def action_when_empty(self) -> None:
        """Ask for the command."""
        self.ask(
            "Which command, a minute after all is done?",
            self._leave_command,
            value=str(self._end["command"]) if self._end else "",
            placeholder="sudo poweroff",
        )

    def _leave_command(self, command: str) -> None:
        from core.worker.empty import when_empty

        when_empty(command)
        self.say("it runs once nothing runs or waits, and all mirrors are complete")
        self._read()

    def action_cancel(self) -> None:
        """Forget the command."""
        from core.worker.empty import cancel

        cancel()
        self.say("the command is forgotten")
        self._read()

    def action_monitor(self) -> None:
        """Watch it."""
        entry = self.entry
        if entry is not None:
            self.diapason.open("monitor", run=entry.folder.parent or entry.folder)


def _look() -> tuple[list[Entry], dict[str, Any] | None]:
    from core.worker.empty import pending
    from core.worker.overview import overview

    return overview(), pending()


def _drawer(entry: Entry) -> Callable[[int], Content]:
    def draw(width: int) -> Content:
        name = shorten(entry.folder.name, _NAME)
        head = f"{place(entry):>3} {name}{' ' * (_NAME - cells(name))} {entry.status:<13}"
        return Content.assemble(head, (about(entry)[: max(0, width - cells(head))], "$text-muted"))

    return draw
