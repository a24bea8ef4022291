"""Many requests at once: each within the budget, each answer kept at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from core.endpoint.budget import Budget, Pace
from core.endpoint.client import Client, Reply, RowRefused
from core.errors import DiapasonError

# So many refusals before any answer: the endpoint, not the rows, is at fault.
_PATIENCE = 5
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """The text to ask for row `row`, its tokens and those its answer may have, both at most."""

    row: int
    text: str
    given: int
    made: int


class Journal(Protocol):
    """Where it is noted what requests cost, so that a run that was killed counts it."""

    def asking(self, row: int, given: int, made: int) -> None:
        """Note before a request what it may cost."""
        ...

    def free(self, row: int) -> None:
        """Note that the request for `row` ended without costing anything."""
        ...

    def wasted(self, row: int, given: int, made: int) -> None:
        """Note a request that may have cost so much and brought nothing."""
        ...

    def refused(self, row: int, why: str) -> None:
        """Note that `row` gets no answer."""
        ...


T = TypeVar("T")


class Asking(Generic[T]):
    """Threads that share the requests. `found` and `refused` are filled by row."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        budget: Budget,
        pace: Pace,
        stop: threading.Event,
        take: Callable[[Request, Reply], T],
        *,
        proven: bool = False,
    ) -> None:
        """Requests to `client`.

        Args:
            take: notes a reply in the journal, with its cost, and gives what is kept of it.
            proven: whether the endpoint answered before, so that refusals are the rows' own.
        """
        self.found: dict[int, T] = {}
        self.refused: dict[int, str] = {}
        self._client, self._journal, self._budget, self._pace, self._stop = client, journal, budget, pace, stop
        self._take, self._proven = take, proven
        self._lock = threading.Lock()
        # Set when no more requests shall begin although nobody stopped it: the budget or the endpoint ended.
        self._end = threading.Event()
        self._error: BaseException | None = None

    def run(self, requests: Iterable[Request], threads: int, tell: Callable[[int], None]) -> None:
        """Ask until all is asked, the budget ends or the stop is set. Raises what ended it otherwise."""
        waiting = iter(requests)
        workers = [threading.Thread(target=self._work, args=(waiting, tell), daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                while worker.is_alive() and not self._stop.is_set():
                    worker.join(_LOOK)
        except KeyboardInterrupt:
            self._stop.set()
        if self._error is not None:
            raise self._error

    def _work(self, waiting: Iterator[Request], tell: Callable[[int], None]) -> None:
        try:
            while not self._stop.is_set() and not self._end.is_set():
                with self._lock:
                    request = next(waiting, None)
                if request is None or not self._one(request):
                    return
                with self._lock:
                    done = len(self.found) + len(self.refused)
                tell(done)
        except BaseException as error:
            if not self._stop.is_set():
                self._error = self._error or error
            self._end.set()

    def _one(self, request: Request) -> bool:
        """Ask once; whether to go on."""
        held = False

        def before() -> bool:
            nonlocal held
            if not held and not self._reserve(request):
                return False
            held = True
            return self._pace.wait(self._stop) and not self._end.is_set()

        def wasted() -> None:
            nonlocal held
            self._budget.settle(request.row, request.given, request.made)
            self._journal.wasted(request.row, request.given, request.made)
            held = False

        try:
            messages = [{"role": "user", "content": request.text}]
            reply = self._client.ask(messages, request.row, request.made, before, wasted, self._pace.hold)
        except RowRefused as error:
            if held:
                self._budget.settle(request.row, 0, 0)
            self._journal.refused(request.row, error.message)
            with self._lock:
                self.refused[request.row] = error.message
                if not self.found and not self._proven and len(self.refused) >= _PATIENCE:
                    raise DiapasonError(
                        f"the first {_PATIENCE} requests failed: {error.message}", where=error.where
                    ) from error
            return True
        except DiapasonError:
            if held:
                self._journal.free(request.row)
            raise
        if reply is None:
            if held:
                self._budget.settle(request.row, 0, 0)
                self._journal.free(request.row)
            return False
        self._budget.settle(request.row, reply.given, reply.made)
        taken = self._take(request, reply)
        with self._lock:
            self.found[request.row] = taken
        return True

    def _reserve(self, request: Request) -> bool:
        """Hold the request's tokens, waiting for others to end where that helps; False ends the asking."""
        while not self._end.is_set():
            fits = self._budget.reserve(request.row, request.given, request.made)
            if fits:
                self._journal.asking(request.row, request.given, request.made)
                return True
            if fits is False:
                self._end.set()
            elif self._stop.wait(_LOOK):
                return False
        return False
