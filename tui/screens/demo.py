"""Demo: the monitor of the demo's run, which goes on to the judging screen once the answers are ready."""

from __future__ import annotations

from core.runs.folder import RunFolder
from tui.screens.monitor import MonitorScreen
from tui.screens.monitor_state import Shown


class DemoScreen(MonitorScreen):
    """The monitor, until the run is trained and evaluated."""

    HELP = (
        "The demo's run: a runner outside this app trains the bundled model on the sample data, then evaluates it. "
        "After that the answers of base and tuned are shown for you to judge. Leaving stops nothing."
    )

    def __init__(self, run: RunFolder | str) -> None:
        super().__init__(run)
        self._handed_over = False

    def _took(self, shown: Shown) -> None:
        super()._took(shown)
        if shown.evaluated and shown.id == self.folder.id and self.is_seen and not self._handed_over:
            self._handed_over = True
            self.say("Trained and evaluated. Now judge: which answer is better? ? shows the keys, e the figures.")
            self.diapason.open("judge", run=self.folder.path)
