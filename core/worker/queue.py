"""The queue: tickets that their runners hold locked, and a choice made under one lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.errors import DiapasonError
from core.files import Lock, is_locked, read_json, write_json
from core.home import queue_dir
from core.runs.folder import RunFolder
from core.worker.cards import Card
from core.worker.slots import CPU, Slot

#: Lower goes first. A job (evaluate, generate) belongs to a run that has had its turn.
PRIORITY = {"train": 50}
_JOBS = 40


class Request:
    """What a job asks for: `device` auto or cpu, `bytes` of GPU memory (0: any card), and what
    CUDA_VISIBLE_DEVICES left `visible` where it was submitted (None: it was not set)."""

    def __init__(self, values: Any) -> None:
        found = values if isinstance(values, dict) else {}
        self.device = str(found.get("device") or "auto")
        self.bytes = int(found.get("bytes") or 0)
        visible = found.get("visible")
        self.visible = None if visible is None else str(visible)

    def slots(self, cards: Iterable[Card]) -> list[str]:
        """Names of the slots that would do, best first; none where no card is large enough."""
        if self.device == "cpu":
            return [CPU]
        names = None if self.visible is None else [name.strip() for name in self.visible.split(",") if name.strip()]
        shares = [name for name in names or [] if name.startswith("MIG-")]
        if shares:
            return shares
        seen = [card for card in cards if names is None or _named(card, names)]
        if not seen:
            return [CPU]
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
        with Lock(queue_dir() / "queue.lock"):
            write_json(self.path, {"run": str(folder.path), "request": folder.spec().get("gpu_request")})
            if not self._lock.acquire():
                raise DiapasonError("this run already waits in the queue", where=str(self.path))

    def choose(self, cards: list[Card]) -> tuple[Slot | None, str]:
        """Take a slot if it is this ticket's turn; else None and for whom it waits, for a person.

        A run that waits before this one holds back only the slots that it could use itself.

        Raises:
            DiapasonError: where no card of this machine is large enough.
        """
        wanted = self.request.slots(cards)
        if not wanted:
            most = max((card.memory for card in cards), default=0)
            raise DiapasonError(
                f"this run needs about {self.request.bytes / 2**30:.1f} GiB on one GPU; the largest that it may use "
                f"has {most / 2**30:.1f} GiB",
                hint="Use method: qlora, a smaller model or train.max_length, or device: cpu.",
            )
        known = {card.uuid: card for card in cards}
        why = ""
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
                    self._drop()
                    return slot, ""
                else:
                    user = slot.holder()
                    why = why or f"waiting for {label}: {user or 'another run'} uses it"
        return None, why

    def _before(self, cards: list[Card]) -> dict[str, str]:
        """Slots that a living earlier ticket could use, with the name of its run; dead tickets are removed."""
        found: dict[str, str] = {}
        for path in sorted(queue_dir().glob("[0-9]*-*")):
            if path.name >= self.path.name:
                continue
            if not is_locked(path):
                path.unlink(missing_ok=True)
                continue
            values = read_json(path)
            if isinstance(values, dict):
                run = RunFolder(str(values.get("run")))
                for name in Request(values.get("request")).slots(cards):
                    found.setdefault(name, run.name)
        return found

    def _drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._lock.release()

    def leave(self) -> None:
        """Give the place up."""
        with Lock(queue_dir() / "queue.lock"):
            self._drop()


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
