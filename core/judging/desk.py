"""The desk at which one judge gives votes: what comes next, and each vote on disk before it does."""

from __future__ import annotations

import getpass
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import JsonlWriter, new_ulid
from core.judging.locks import judge_lock, refuse_while_judged, session_lock, votes_file
from core.judging.pairs import Pair, response_id
from core.judging.place import Judging, judging_of
from core.judging.session import prepare, version
from core.judging.votes import VERDICTS, Vote, read_votes, winner
from core.settings import load_settings


def login() -> str:
    """The name under which votes are given: the login, as the system or $LOGNAME says."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid-{os.getuid()}"


class Desk:
    """One judge's place at a judging: holds that judge's lock while open; others may judge at the same time.

    Each vote, undo, note and flag is on disk (fdatasync) when its method returns. Where writing fails nothing
    is counted, and the same call may be made again.

    Attributes:
        session, votes: what is judged, and what stands; of other judges what stood when the desk was opened.
        reasons: tag → the capital letter that gives it, from the settings.
    """

    def __init__(
        self, place: Path | Judging, *, count: int | None = None, judge: str | None = None, new: bool = False
    ) -> None:
        """Open the judging `place`, or that of a run folder.

        Raises:
            NothingToJudge: where there are no answers and no session.
            DiapasonError: where this judge is at it elsewhere, the folder cannot be written, or settings are wrong.
        """
        self.judge = judge or login()
        self.judging = judging_of(place) if isinstance(place, Path) else place
        settings = load_settings().judging
        self.reasons = settings.reasons
        folder = self.judging.folder
        self._lock = judge_lock(folder, self.judge)
        try:
            with session_lock(folder):
                if new:
                    refuse_while_judged(folder, self.judge)
                self.session = prepare(self.judging, count, new=new, repeats=settings.repeats)
            self.votes = read_votes(self.session)
            self._writer = _writer(votes_file(folder, self.judge))
        except BaseException:
            self._lock.release()
            raise
        self._places = {pair.id: place for place, pair in enumerate(self.session.sequence)}
        # Nothing before this place in the sequence waits for a verdict.
        self._begin = 0
        self._wins: dict[str, int] | None = None

    def next_pair(self) -> Pair | None:
        """The first pair that this judge has not seen to, or None at the end."""
        sequence = self.session.sequence
        while self._begin < len(sequence) and not self._waits(sequence[self._begin]):
            self._begin += 1
        return sequence[self._begin] if self._begin < len(sequence) else None

    def pair_after(self, pair: Pair) -> Pair | None:
        """The first pair after `pair` that this judge has not seen to, or None."""
        sequence = self.session.sequence
        after = (sequence[place] for place in range(self.place(pair), len(sequence)))
        return next((each for each in after if self._waits(each)), None)

    def wins(self) -> dict[str, int]:
        """Arm → how many pairs this judge gave it; repeats do not count."""
        if self._wins is None:
            self._wins = dict(Counter(v.winner for v in self.votes.standing(self.judge).values() if v.winner))
        return self._wins

    def last_vote(self) -> Vote | None:
        """This judge's last vote that stands."""
        stack = self.votes.stacks.get(self.judge)
        return stack[-1] if stack else None

    def _waits(self, pair: Pair) -> bool:
        if self.votes.latest(self.judge, pair.id) is not None:
            return False
        if pair.repeat_of is None:
            return True
        first = self.votes.latest(self.judge, pair.repeat_of)
        # The repeat of a pair that was left out tells nothing.
        return first is not None and first.verdict != "skip"

    def unjudged(self) -> list[Pair]:
        """The pairs and repeats that this judge has not seen to yet, in order."""
        return [pair for pair in self.session.sequence if self._waits(pair)]

    def skipped(self) -> list[Pair]:
        """The pairs that this judge skipped, in order."""
        given = ((pair, self.votes.latest(self.judge, pair.id)) for pair in self.session.asked)
        return [pair for pair, vote in given if vote is not None and vote.verdict == "skip"]

    def place(self, pair: Pair) -> int:
        """The 1-based number of `pair` in the sequence that is shown."""
        return self._places[pair.id] + 1

    def note_of(self, pair: Pair) -> str:
        """This judge's note on `pair`, or an empty text."""
        return self.votes.notes.get((self.judge, pair.id), "")

    def is_flagged(self, pair: Pair) -> bool:
        """Whether this judge has flagged `pair`."""
        return (self.judge, pair.id) in self.votes.flags

    def vote(self, pair: Pair, verdict: str, *, dwell: float = 0.0, reasons: tuple[str, ...] = ()) -> Vote:
        """Record `verdict` (one of `VERDICTS`) on `pair` after `dwell` seconds of looking, with tags as `reasons`.

        Raises:
            DiapasonError: where it could not be written; nothing is counted then.
        """
        if verdict not in VERDICTS or pair.left is None:
            raise ValueError(f"no such verdict on pair {pair.id}: {verdict}")
        left, right = pair.answers[pair.left], pair.answers[pair.right or ""]
        vote = Vote(
            new_ulid(), self.judge, pair.id, verdict, winner(pair, verdict), time.time(), reasons, round(dwell, 3)
        )
        self._append(
            {
                "event": "vote",
                "id": vote.id,
                "pair": pair.id,
                "repeat_of": pair.repeat_of,
                "row": pair.row,
                "verdict": verdict,
                "winner": vote.winner,
                "left": {"arm": pair.left, "answer": response_id(left), "length": len(left)},
                "right": {"arm": pair.right, "answer": response_id(right), "length": len(right)},
                "seed": self.session.seed,
                "dwell": vote.dwell,
                "reasons": list(reasons),
                "note": self.note_of(pair),
                "flag": self.is_flagged(pair),
                "version": version(),
            },
            vote.t,
        )
        self.votes.add(vote)
        self._wins = None
        return vote

    def undo(self) -> Pair | None:
        """Take back this judge's last vote that stands, from before a restart too; its pair, or None.

        Raises:
            DiapasonError: where it could not be written; the vote then stands.
        """
        stack = self.votes.stacks.get(self.judge)
        if not stack:
            return None
        last = stack[-1]
        self._append({"event": "undo", "vote": last.id, "pair": last.pair}, time.time())
        self.votes.undo(self.judge, last.id)
        self._wins = None
        place = self._places[last.pair]
        self._begin = min(self._begin, place)
        return self.session.sequence[place]

    def note(self, pair: Pair, text: str) -> None:
        """Keep `text` as this judge's note on `pair`; an empty one removes it.

        Raises:
            DiapasonError: where it could not be written.
        """
        self._append({"event": "note", "pair": pair.id, "text": text}, time.time())
        self.votes.notes[self.judge, pair.id] = text

    def flag(self, pair: Pair, on: bool) -> None:
        """Mark `pair` to be looked at again later, or take the mark away.

        Raises:
            DiapasonError: where it could not be written.
        """
        self._append({"event": "flag", "pair": pair.id, "on": on}, time.time())
        (self.votes.flags.add if on else self.votes.flags.discard)((self.judge, pair.id))

    def close(self) -> None:
        """Let this judge sit down elsewhere."""
        self._writer.close()
        self._lock.release()

    def _append(self, record: dict[str, Any], t: float) -> None:
        whole = {"t": t, "session": self.session.id, "judge": self.judge, **record}
        try:
            self._writer.write(whole, sync=True)
        except OSError as error:
            raise DiapasonError(
                f"the vote was not saved: {error.strerror}",
                where=str(self._writer.path),
                hint="Make room on the disk, then press the key again.",
            ) from error


def _writer(path: Path) -> JsonlWriter:
    try:
        return JsonlWriter(path)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error
