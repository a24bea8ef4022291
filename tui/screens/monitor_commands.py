"""What the monitor can ask of a run: stop, pause, save, kill, go on, and what follows a training."""

from __future__ import annotations

from core.runs.folder import RunFolder
from tui.screens import monitor_text as words
from tui.screens.base import DiapasonScreen
from tui.screens.monitor_state import Shown


class CommandsScreen(DiapasonScreen):
    """The part of the monitor that commands the run `folder`, of which `shown` is the last look."""

    folder: RunFolder
    shown: Shown | None

    # -- why a key cannot act -----------------------------------------------------------------------------

    @property
    def _status(self) -> str:
        return self.shown.status if self.shown else ""

    def _is(self) -> str:
        return f"{self.folder.name} is {words.WORDS.get(self._status, self._status) or 'not read yet'}"

    def why_not_running(self) -> str | None:
        """Only a run that works or waits takes commands."""
        return None if self._status in ("running", "queued", "paused") else self._is()

    def why_no_pause(self) -> str | None:
        """Only a run that works or waits can be paused."""
        return self._is() if self._status == "paused" else self.why_not_running()

    def why_not_done(self) -> str | None:
        """Only a completed run can be compared."""
        done = self._status == "completed" or (self.shown is not None and self.shown.evaluated)
        return None if done else f"{self._is()}, not trained to its end"

    def why_not_resumable(self) -> str | None:
        """Only a run that was cut off, paused, stopped or failed can be resumed."""
        return None if self._status in ("interrupted", "unsupervised", "stopped", "failed", "paused") else self._is()

    # -- actions ------------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Ask, then stop."""
        from core.runs.commands import send

        folder = self.folder

        def stop() -> None:
            send(folder, "stop")
            self.say(f"{folder.name} was asked to stop; it saves a checkpoint first")

        self.confirm(
            f"Stop {folder.name}?",
            stop,
            detail="It saves a checkpoint first, and can be resumed from there.",
            yes="Stop it",
        )

    def action_pause(self) -> None:
        """Pause the run."""
        from core.runs.commands import send

        send(self.folder, "pause")
        self.say(f"{self.folder.name} was asked to pause; it saves a checkpoint first, and r resumes it")

    def action_kill(self) -> None:
        """Ask, then kill."""
        from core.runs.commands import send

        folder = self.folder

        def kill() -> None:
            send(folder, "kill")
            self.say(f"{folder.name} is being killed")

        self.confirm(
            f"Kill {folder.name}?",
            kill,
            detail="Nothing is saved; it can be resumed from the last sealed checkpoint.",
            yes="Kill it",
        )

    def action_checkpoint(self) -> None:
        """Ask the run for a checkpoint."""
        from core.runs.commands import send

        send(self.folder, "checkpoint")
        self.say(f"{self.folder.name} was asked for a checkpoint; it comes at the next step")

    def action_resume(self) -> None:
        """Go on."""
        from tui.screens.going_on import go_on

        go_on(self, self.folder, lambda: None)

    def action_evaluation(self) -> None:
        """Compare the arms."""
        self.diapason.open("evaluation", run=self.folder)

    def action_judge(self) -> None:
        """Judge pairs."""
        self.diapason.open("judge", run=self.folder)
