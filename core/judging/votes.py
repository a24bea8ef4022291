"""Votes: append-only records folded into what stands, and the one desk at which they are given."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import JsonlWriter, Lock, new_ulid, read_jsonl
from core.judging.pairs import Pair, response_id
from core.judging.session import Session, judging_folder, prepare, version

VERDICTS = ("left", "right", "tie", "both_bad", "skip")


@dataclass(frozen=True, slots=True)
class Vote:
    """One verdict of one judge. `winner` is the arm picked, None for a tie, both bad or a skip."""

    id: str
    judge: str
    pair: str
    verdict: str
    winner: str | None
    t: float = 0.0


@dataclass
class Votes:
    """What stands after all records: for each judge the votes not undone, oldest first, and the notes.

    A judge's later vote on a pair stands in for an earlier one (a skipped pair may be judged later);
    undoing it brings the earlier back.
    """

    stacks: dict[str, list[Vote]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)

    def standing(self, judge: str) -> dict[str, Vote]:
        """Pair id → the vote of `judge` that stands."""
        return {vote.pair: vote for vote in self.stacks.get(judge, [])}

    def by_pair(self) -> dict[str, list[Vote]]:
        """Pair id → the vote that stands of each judge who saw it."""
        found: dict[str, list[Vote]] = {}
        for judge in self.judges:
            for pair, vote in self.standing(judge).items():
                found.setdefault(pair, []).append(vote)
        return found

    @property
    def judges(self) -> list[str]:
        """Everyone who has a vote that stands, by name."""
        return sorted(judge for judge, stack in self.stacks.items() if stack)

    def add(self, vote: Vote) -> None:
        """Count `vote`."""
        self.stacks.setdefault(vote.judge, []).append(vote)

    def undo(self, judge: str, vote_id: str) -> None:
        """Take back the vote `vote_id` of `judge`; one that does not stand is no matter."""
        stack = self.stacks.get(judge, [])
        for place in range(len(stack) - 1, -1, -1):
            if stack[place].id == vote_id:
                del stack[place]
                return


def fold(records: Iterable[dict[str, Any]], session: Session) -> Votes:
    """The votes of `session` among `records`; those of other sessions, of unknown pairs or shapes are passed over."""
    votes = Votes()
    pairs = {pair.id: pair for pair in session.asked}
    for record in records:
        judge, pair = record.get("judge"), pairs.get(str(record.get("pair")))
        if record.get("session") != session.id or not isinstance(judge, str) or pair is None:
            continue
        match record.get("event"):
            case "vote" if record.get("verdict") in VERDICTS:
                verdict = record["verdict"]
                moment = record.get("t")
                t = float(moment) if isinstance(moment, int | float) else 0.0
                votes.add(Vote(str(record.get("id")), judge, pair.id, verdict, winner(pair, verdict), t))
            case "undo":
                votes.undo(judge, str(record.get("vote")))
            case "note" if isinstance(record.get("text"), str):
                votes.notes[judge, pair.id] = record["text"]
            case _:
                pass
    return votes


def winner(pair: Pair, verdict: str) -> str | None:
    """The arm that `verdict` picks: a key on the left picks whichever arm stood there."""
    if verdict == "left":
        return pair.left
    return pair.right if verdict == "right" else None


def read_votes(session: Session) -> Votes:
    """The votes on disk."""
    return fold(read_jsonl(session.folder / "votes.jsonl")[0], session)


def login() -> str:
    """The name under which votes are given: the login, as the system or $LOGNAME says."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid-{os.getuid()}"


class Desk:
    """The one place where votes on a run are given: holds the run's judging lock while open.

    Each vote, undo and note is on disk (fdatasync) when its method returns. Where writing fails nothing
    is counted, and the same call may be made again.
    """

    def __init__(self, run: Path, *, count: int | None = None, judge: str | None = None, new: bool = False) -> None:
        """Open the judging of the run folder `run`.

        Raises:
            NothingToJudge: where there are no answers and no session.
            DiapasonError: where someone else is judging this run, or the folder cannot be written.
        """
        self.judge = judge or login()
        folder = judging_folder(run)
        self._lock = _take_lock(folder, self.judge)
        try:
            self.session = prepare(run, count, new=new)
            self.votes = read_votes(self.session)
            self._writer = _writer(folder / "votes.jsonl")
        except BaseException:
            self._lock.release()
            raise
        self._by_id = {pair.id: pair for pair in self.session.pairs}

    def unjudged(self) -> list[Pair]:
        """The pairs that this judge has not seen to yet, in order."""
        seen = self.votes.standing(self.judge)
        return [pair for pair in self.session.asked if pair.id not in seen]

    def skipped(self) -> list[Pair]:
        """The pairs that this judge skipped, in order."""
        standing = self.votes.standing(self.judge)
        return [pair for pair in self.session.asked if pair.id in standing and standing[pair.id].verdict == "skip"]

    def next_pair(self) -> Pair | None:
        """The first pair that this judge has not seen to, or None at the end."""
        return next(iter(self.unjudged()), None)

    def place(self, pair: Pair) -> int:
        """The 1-based number of `pair` among those asked about."""
        return next(number for number, each in enumerate(self.session.asked, 1) if each.id == pair.id)

    def note_of(self, pair: Pair) -> str:
        """This judge's note on `pair`, or an empty text."""
        return self.votes.notes.get((self.judge, pair.id), "")

    def vote(self, pair: Pair, verdict: str, *, dwell: float = 0.0) -> Vote:
        """Record `verdict` (one of `VERDICTS`) on `pair` after `dwell` seconds of looking.

        Raises:
            DiapasonError: where it could not be written; nothing is counted then.
        """
        if verdict not in VERDICTS or pair.left is None:
            raise ValueError(f"no such verdict on pair {pair.id}: {verdict}")
        left, right = pair.answers[pair.left], pair.answers[pair.right or ""]
        vote = Vote(new_ulid(), self.judge, pair.id, verdict, winner(pair, verdict), time.time())
        self._append(
            {
                "event": "vote",
                "id": vote.id,
                "pair": pair.id,
                "row": pair.row,
                "verdict": verdict,
                "winner": vote.winner,
                "left": {"arm": pair.left, "answer": response_id(left), "length": len(left)},
                "right": {"arm": pair.right, "answer": response_id(right), "length": len(right)},
                "seed": self.session.seed,
                "dwell": round(dwell, 3),
                "version": version(),
            },
            vote.t,
        )
        self.votes.add(vote)
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
        return self._by_id[last.pair]

    def note(self, pair: Pair, text: str) -> None:
        """Keep `text` as this judge's note on `pair`; an empty one removes it.

        Raises:
            DiapasonError: where it could not be written.
        """
        self._append({"event": "note", "pair": pair.id, "text": text}, time.time())
        self.votes.notes[self.judge, pair.id] = text

    def close(self) -> None:
        """Let others judge."""
        self._writer.close()
        self._lock.release()

    def _append(self, record: dict[str, Any], t: float) -> None:
        whole = {"t": t, "session": self.session.id, "judge": self.judge, **record}
        try:
            self._writer.write(whole, sync=True)
        except OSError as error:
            raise DiapasonError(
                f"the vote was not saved: {error.strerror}",
                where=str(self.session.folder / "votes.jsonl"),
                hint="Make room on the disk, then press the key again.",
            ) from error


def _writer(path: Path) -> JsonlWriter:
    try:
        return JsonlWriter(path)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _take_lock(folder: Path, judge: str) -> Lock:
    path = folder / "judging.lock"
    lock = Lock(path)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if lock.acquire():
            path.write_text(f"{judge}, process {os.getpid()} on {platform.node()}", "utf-8")
            return lock
        holder = path.read_text("utf-8", "replace").strip() or "another process"
    except OSError as error:
        raise DiapasonError(
            f"cannot be locked for judging: {error.strerror}",
            where=str(path),
            hint="The folder must be writable, on a file system that has locks.",
        ) from error
    raise DiapasonError(
        f"is being judged already, by {holder}",
        where=folder.parent.name,
        hint="Close the other window first: votes have one writer. Nothing of theirs or yours is lost.",
    )
