"""What the watchers noticed, as plain lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.text import visible

if TYPE_CHECKING:
    from core.runs.view import RunView
    from core.runs.watch.board import RunWarning


def warning_lines(warning: RunWarning, run: str) -> list[str]:
    """A warning of the run with the identifier `run`: what and when, then what to do where it holds still."""
    if warning.until is not None:
        return [visible(f"steps {warning.since}-{warning.until}: {warning.message}")]
    hint = re.sub(r"\bRUN\b", run, warning.hint)
    return [visible(f"since step {warning.since}: {warning.message}"), visible(f"  {hint}")]


class Told:
    """Tells when a warning begins and when it ends, each once."""

    def __init__(self) -> None:
        self._open: set[tuple[str, int]] = set()

    def lines(self, view: RunView) -> list[str]:
        """What has begun and ended since the last call."""
        found: list[str] = []
        holding = {(one.code, one.since): one for one in view.warnings if one.until is None}
        for key, warning in holding.items():
            if key not in self._open:
                what, hint = warning_lines(warning, view.id)
                found += [f"{warning.severity} {what}", hint]
        for code, since in sorted(self._open - holding.keys()):
            ended = next((one for one in view.warnings if (one.code, one.since) == (code, since)), None)
            until = f" at step {ended.until}" if ended is not None else ""
            found.append(f"over{until}: {code.replace('_', ' ')} since step {since}")
        self._open = set(holding)
        return found
