"""The queue: tickets that their runners hold locked, and a choice made under one lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from core.errors import DiapasonError
from core.files import DIGITS, Lock, is_locked, read_json, write_json
from core.home import queue_dir, runs_dir
from core.runs.folder import RunFolder, folders_in
from core.worker.cards import Card
from core.worker.slots import CPU, Slot, Slots

#: Lower goes first. A job (evaluate, generate) belongs to a run that has had its turn.
PRIORITY = {"train": 50}
_JOBS = 40
# Seconds after which a sample of the cards surely shows that a run of ours has left.
_STALE = 15.0


class Request:
    """What a job asks for: `device` auto or cpu, `processes` (one for each card that it wants), `bytes` of GPU memory
    on each card (0: any card), and what CUDA_VISIBLE_DEVICES left `visible` where it was submitted (None: it was not
    set)."""

    def __init__(self, values: Any) -> None:
        found = values if isinstance(values, dict) else {}
        self.device = str(found.get("device") or "auto")
        self.processes = int(found.get("gpus") or 1)
        self.bytes = int(found.get("bytes") or 0)
        visible = found.get("visible")
        self.visible = None if visible is None else str(visible)

    @property
    def count(self) -> int:
        """Slots wanted: a card for each process; the processor is one slot, whatever runs on it."""
        return 1 if self.device == "cpu" else self.processes

    def slots(self, cards: Iterable[Card]) -> list[str]:
        """Names of the slots that would do, best first; too few of them where the machine can never do."""
        if self.device == "cpu":
            return [CPU]
        names = None if self.visible is None else [name.strip() for name in self.visible.split(",") if name.strip()]
        shares = [name for name in names or [] if name.startswith("MIG-")]
        if shares:
            # Slices of one card cannot talk to each other: a process group sees one only.
            return shares if self.processes == 1 else []
        seen = [card for card in cards if names is None or _named(card, names)]
        if not seen:
            return [CPU] if self.processes == 1 else []
        return [card.uuid for card in seen if card.memory >= self.bytes]


def _named(card: Card, names: list[str]) -> bool:
    return str(card.number) in names or any(name.startswith("GPU-") and card.uuid.startswith(name) for name in names)


class Ticket:
    """A place in the queue of this home, as long as it is held."""

    def __init__(self, folder: RunFolder) -> None:
        self.request = Request(folder.spec().get("gpu_request"))
        priority = PRIORITY.get(folder.kind, _JOBS)
        self.path = queue_dir() / f"{priority:02d}-{folder.id.partition('-')[0]}"
        self._lock = Lock(self.path)
        self._holder: tuple[tuple[int, int] | None, str] = (None, "")
        with Lock(queue_dir() / "queue.lock"):
            write_json(self.path, {"run": str(folder.path), "request": folder.spec().get("gpu_request")})
            if not self._lock.acquire():
                raise DiapasonError("this run already waits in the queue", where=str(self.path))

    def choose(self, cards: list[Card]) -> tuple[Slots | None, str]:
        """Take what this ticket asks for, all of it or nothing, if it is its turn; else None and for whom it waits,
        for a person.

        A run that waits before this one holds back only the slots that it could use itself.

        Raises:
            DiapasonError: where this machine has too few cards that are large enough.
        """
        wanted = self.request.slots(cards)
        if len(wanted) < self.request.count:
            raise self._too_few(wanted, cards)
        known = {card.uuid: card for card in cards}
        why = ""
        taken: list[Slot] = []
        with Lock(queue_dir() / "queue.lock"):
            before = self._before(cards)
            for name in wanted:
                label = "the processor" if name == CPU else known[name].name if name in known else name
                slot = Slot(name)
                if name in before:
                    why = why or f"waiting for {label}: {before[name]} is before it in the queue"
                elif name in known and known[name].user:
                    why = why or f"waiting for {label}: {known[name].user} uses it"
                elif slot.acquire():
                    taken.append(slot)
                    if len(taken) == self.request.count:
                        self._drop()
                        return Slots(taken), ""
                else:
                    why = why or f"waiting for {label}: {self._user(slot)} uses it"
        Slots(taken).release()
        if taken:
            why = f"{len(taken)} of {self.request.count} cards are free; {why}"
        return None, why

    def _too_few(self, fitting: list[str], cards: list[Card]) -> DiapasonError:
        """Why this machine can never do what is asked for."""
        request = self.request
        if request.count == 1:
            most = max((card.memory for card in cards), default=0)
            return DiapasonError(
                f"this run needs about {request.bytes / 2**30:.1f} GiB on one GPU; the largest that it may use "
                f"has {most / 2**30:.1f} GiB",
                hint="Use method: qlora, a smaller model or train.max_length, or device: cpu.",
            )
        size = f" with {request.bytes / 2**30:.1f} GiB or more" if request.bytes else ""
        return DiapasonError(
            f"this run needs {request.count} GPUs{size}; of those that it may use {len(fitting)} will do",
            hint="Lower gpus in the recipe; slices of one card (MIG) cannot train together.",
        )

    def _user(self, slot: Slot) -> str:
        """Who has the slot: a run of this home by its name, else a user and a process."""
        ids = slot.holder_ids()
        if ids is None:
            return "another run"
        if ids != self._holder[0]:
            runs = folders_in(runs_dir())
            named = (
                folder.name
                for folder in [*runs, *(job for run in runs for job in run.jobs())]
                if (folder.state().get("runner") or {}).get("pid") == ids[1] and is_locked(folder.lock_file)
            )
            self._holder = ids, next(named, slot.holder())
        return self._holder[1]

    def _before(self, cards: list[Card]) -> dict[str, str]:
        """Slots that a living earlier ticket could use, with the name of its run; dead tickets are removed."""
        found: dict[str, str] = {}
        # A card that one of our runs has just given back may still show that run: samples are some seconds old.
        foreign = {card.uuid for card in cards if card.user and Slot(card.uuid).free_seconds > _STALE}
        for path in sorted(queue_dir().glob("[0-9]*-*")):
            if path.name >= self.path.name:
                continue
            if not is_locked(path):
                path.unlink(missing_ok=True)
                continue
            values = read_json(path)
            if isinstance(values, dict):
                run = RunFolder(str(values.get("run")))
                request = Request(values.get("request"))
                names = [name for name in request.slots(cards) if name not in foreign]
                # One that waits for cards of other people needs none of ours before it has them all.
                for name in names if len(names) >= request.count else ():
                    found.setdefault(name, run.name)
        return found

    def _drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._lock.release()

    def move(self, name: str) -> None:
        """Take the place `name` (from `place_at`); where another ticket has got it meanwhile, the one before that."""
        with Lock(queue_dir() / "queue.lock"):
            others = sorted(path.name for path in queue_dir().glob("[0-9]*-*") if path != self.path)
            if name in others:
                priority, _, high = name.partition("-")
                at = others.index(name)
                low = others[at - 1].partition("-") if at else ("", "", "")
                name = f"{priority}-{between(low[2] if low[0] == priority else '', high)}"
            # The lock is on the file itself, not on its name.
            self.path.rename(queue_dir() / name)
            self.path = self._lock.path = queue_dir() / name

    def leave(self) -> None:
        """Give the place up."""
        with Lock(queue_dir() / "queue.lock"):
            self._drop()


class Waiting(NamedTuple):
    """A run in the queue: its folder, and the name of its ticket, by which the queue is ordered."""

    folder: RunFolder
    ticket: str


def waiting() -> list[Waiting]:
    """The runs that wait, in their order; tickets of dead runners are passed over."""
    found: list[Waiting] = []
    for path in sorted(queue_dir().glob("[0-9]*-*")):
        values = read_json(path) if is_locked(path) else None
        if isinstance(values, dict):
            found.append(Waiting(RunFolder(str(values.get("run"))), path.name))
    return found


def place_at(folder: RunFolder, place: int) -> str:
    """The name of a ticket with which `folder` is number `place` (from 1) of those that wait.

    Raises:
        DiapasonError: where it does not wait.
    """
    queue = waiting()
    if all(item.folder != folder for item in queue):
        raise DiapasonError(f"the run `{folder.name}` does not wait in the queue", hint="`diapason queue` lists it.")
    others = [item.ticket for item in queue if item.folder != folder]
    at = max(0, min(len(others), place - 1))
    before, after = others[at - 1] if at else None, others[at] if at < len(others) else None
    if after is None:
        priority, _, low = (before or f"{PRIORITY['train']}-0").partition("-")
        return f"{priority}-{between(low, None)}"
    priority, _, high = after.partition("-")
    same = before is not None and before.startswith(f"{priority}-")
    return f"{priority}-{between(before.partition('-')[2] if before and same else '', high)}"


def between(low: str, high: str | None) -> str:
    """A text of `DIGITS` that sorts between two; `high` None: behind `low`."""
    made = ""
    for at in range(len(low) + len(high or "") + 2):
        least = DIGITS.index(low[at]) if at < len(low) else 0
        most = DIGITS.index(high[at]) if high is not None and at < len(high) else len(DIGITS)
        if most - least > 1:
            return made + DIGITS[(least + most) // 2]
        made += DIGITS[least]
        if most > least:
            high = None
    return made + DIGITS[len(DIGITS) // 2]


def check_locks() -> None:
    """Prove that locks work where the queue and the cards need them.

    Raises:
        DiapasonError: where they do not, saying where.
    """
    probe = queue_dir() / "probe.lock"
    lock = Lock(probe)
    try:
        works = lock.acquire(wait=True) and is_locked(probe)
        lock.release()
        Slot(CPU).holder()
    except OSError as error:
        raise _no_locks(error.strerror or str(error)) from error
    if not works:
        raise _no_locks("a second holder was let in")


def _no_locks(reason: str) -> DiapasonError:
    return DiapasonError(
        f"the file system has no working locks ({reason}), so runs could not be kept apart",
        where=str(queue_dir()),
        hint="Point DIAPASON_HOME at a folder on a local disk.",
    )
