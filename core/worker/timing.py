"""How long the runner waits for what. The environment changes it, which tests and people with slow disks need."""

from __future__ import annotations

import os


def _seconds(name: str, otherwise: float) -> float:
    try:
        return max(0.0, float(os.environ[name]))
    except (KeyError, ValueError):
        return otherwise


class Timing:
    """All in seconds.

    poll: between two looks at commands and events (``DIAPASON_POLL_SECONDS``). queue: between two looks for a free
    slot, four times that. stop: what a job gets to finish its step and save before SIGTERM
    (``DIAPASON_STOP_SECONDS``). term: from SIGTERM to SIGKILL (``DIAPASON_TERM_SECONDS``). linger: what a job gets to
    leave after its verdict. stall: silence after which a job hangs, at least (``DIAPASON_STALL_SECONDS``). backoff:
    waits before the restarts in a row, as many as there may be (1, 5 and 20 times ``DIAPASON_BACKOFF_SECONDS``).
    cards: between two measurements of the cards while waiting for one. grace: from the end of the last run to the
    command of `queue --when-empty` (``DIAPASON_GRACE_SECONDS``). mirror: standstill after which a copy is ended
    (``DIAPASON_MIRROR_SECONDS``). mirror_waits: before a failed copy is tried again. notify: what a notice may take
    (``DIAPASON_NOTIFY_SECONDS``).
    """

    def __init__(self) -> None:
        unit = _seconds("DIAPASON_BACKOFF_SECONDS", 1.0)
        self.poll = _seconds("DIAPASON_POLL_SECONDS", 0.5)
        self.queue = 4 * self.poll
        self.stop = _seconds("DIAPASON_STOP_SECONDS", 60.0)
        self.term = _seconds("DIAPASON_TERM_SECONDS", 15.0)
        self.linger = 30.0
        self.stall = _seconds("DIAPASON_STALL_SECONDS", 900.0)
        self.backoff = (unit, 5 * unit, 20 * unit)
        self.cards = 3.0
        self.grace = _seconds("DIAPASON_GRACE_SECONDS", 60.0)
        self.mirror = _seconds("DIAPASON_MIRROR_SECONDS", 1800.0)
        self.mirror_waits = (5 * unit, 25 * unit, 125 * unit, 300 * unit)
        self.notify = _seconds("DIAPASON_NOTIFY_SECONDS", 10.0)
