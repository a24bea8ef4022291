"""From exported judgements to the next round of training: what begins with what, on which rows, tested on which."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.judging.place import Judging
from core.origin import test_file
from core.preferring import FEW_PREFERENCES, few_preferences
from core.runs.folder import RunFolder


@dataclass(frozen=True, slots=True)
class NextRound:
    """A round to come.

    rows: the training file. method: dpo or kto. start: id of the run to begin with, None where the judging belongs to
    none. test: the start's test file: what was used of it is left out when the round is evaluated.
    """

    rows: Path
    method: str
    start: str | None = None
    test: Path | None = None

    def wizard(self) -> dict[str, Any]:
        """What the wizard is opened with."""
        return {"path": self.rows, "method": self.method, "begin": self.start, "test": self.test}

    def command(self) -> str:
        """The command that writes the recipe."""
        words = ["diapason", "recipe", "new", str(self.rows), "--method", self.method]
        words += ["--start", self.start] if self.start else []
        words += ["--test", str(self.test)] if self.test else []
        return shlex.join([*words, "-o", f"{self.method}.yaml"])

    def warning(self, count: int) -> str | None:
        """What to say of `count` rows, or None where they are enough."""
        return few_preferences(count, self.method) if count < FEW_PREFERENCES else None


def next_round(judging: Judging, rows: Path, method: str) -> NextRound:
    """The round that the `rows` exported from `judging` lead to, on top of the tuned weights that were judged."""
    if judging.run is None:
        return NextRound(rows, method)
    run = RunFolder(judging.run)
    return NextRound(rows, method, run.id, test_file(run))
