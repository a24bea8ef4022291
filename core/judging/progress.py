"""How far each judging is, for lists: never who is ahead before the end."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import DiapasonError
from core.judging.place import Judging, judging_of, last_change, list_judgings
from core.judging.session import load
from core.judging.votes import read_votes
from core.runs.folder import list_runs


@dataclass(frozen=True, slots=True)
class Progress:
    """One judging that has begun.

    Attributes:
        arms: how many models it compares. asked: pairs to judge; judged: those that someone has seen to, skipped
            ones among them.
        judges: who voted. when: of the last vote or the beginning, in seconds since 1970.
        problem: why it cannot be read, or None.
    """

    name: str
    arms: int
    asked: int
    judged: int
    judges: tuple[str, ...]
    when: float
    problem: str | None = None

    @property
    def left(self) -> int:
        """Pairs that nobody has seen to."""
        return self.asked - self.judged


def progress_of(judging: Judging) -> Progress | None:
    """How far `judging` is, or None where it has not begun."""
    when = last_change(judging)
    try:
        session = load(judging)
    except DiapasonError as error:
        return Progress(judging.name, 0, 0, 0, (), when, str(error))
    if session is None:
        return None
    votes = read_votes(session)
    seen = votes.by_pair()
    judged = sum(bool(seen.get(pair.id)) for pair in session.asked)
    return Progress(judging.name, len(session.arms), len(session.asked), judged, tuple(votes.judges), when)


def all_progress() -> list[Progress]:
    """Every judging that has begun, of runs and named ones, the one with the latest vote first."""
    judgings = [*list_judgings(), *(judging_of(run) for run in list_runs())]
    found = [progress for judging in judgings if (progress := progress_of(judging)) is not None]
    return sorted(found, key=lambda progress: -progress.when)
