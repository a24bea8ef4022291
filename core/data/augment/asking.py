"""Many requests at once: each within the budget, each answer kept at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from core.data.augment.log import Log, Pair
from core.data.augment.prompt import parse_variants
from core.endpoint.budget import Budget, Pace, guess_tokens
from core.endpoint.client import Client, RowRefused
from core.errors import DiapasonError

_LEAST, _MOST = 256, 8192
# So many refusals before any answer: the endpoint, not the rows, is at fault.
_PATIENCE = 5
_LOOK = 0.1


def most_tokens(prompt: str, answer: str, n: int) -> int:
    """How many tokens an answer with `n` variants may have: each twice the row's own, within bounds."""
    each = 2 * (guess_tokens(prompt) + guess_tokens(answer))
    return max(_LEAST, min(n * each, _MOST))


@dataclass(frozen=True, slots=True)
class Request:
    """The text that asks for the variants of row `row`, its tokens and those its answer may have, both at most."""

    row: int
    text: str
    given: int
    made: int


class Asking:
    """Threads that share the requests. `variants` and `refused` are filled by row."""

    def __init__(self, client: Client, log: Log, budget: Budget, pace: Pace, stop: threading.Event, n: int) -> None:
        self.variants: dict[int, list[Pair]] = {}
        self.refused: dict[int, str] = {}
        self._client, self._log, self._budget, self._pace, self._stop, self._n = client, log, budget, pace, stop, n
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
                    done = len(self.variants) + len(self.refused)
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
            self._log.wasted(request.row, request.given, request.made)
            held = False

        try:
            messages = [{"role": "user", "content": request.text}]
            reply = self._client.ask(messages, request.row, request.made, before, wasted, self._pace.hold)
        except RowRefused as error:
            if held:
                self._budget.settle(request.row, 0, 0)
            self._log.refused(request.row, error.message)
            with self._lock:
                self.refused[request.row] = error.message
                if not self.variants and not self._log.kept.variants and len(self.refused) >= _PATIENCE:
                    raise DiapasonError(
                        f"the first {_PATIENCE} requests failed: {error.message}", where=error.where
                    ) from error
            return True
        except DiapasonError:
            if held:
                self._log.free(request.row)
            raise
        if reply is None:
            if held:
                self._budget.settle(request.row, 0, 0)
                self._log.free(request.row)
            return False
        variants = parse_variants(reply.text)[: self._n]
        self._budget.settle(request.row, reply.given, reply.made)
        self._log.answered(request.row, variants, reply.given, reply.made)
        with self._lock:
            self.variants[request.row] = variants
        return True

    def _reserve(self, request: Request) -> bool:
        """Hold the request's tokens, waiting for others to end where that helps; False ends the asking."""
        while not self._end.is_set():
            fits = self._budget.reserve(request.row, request.given, request.made)
            if fits:
                self._log.asking(request.row, request.given, request.made)
                return True
            if fits is False:
                self._end.set()
            elif self._stop.wait(_LOOK):
                return False
        return False
