"""An endpoint's answers to many questions: several at once, at a pace, within a budget."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.endpoint.budget import Budget, Pace, guess_tokens
from core.endpoint.client import Client, NoAnswer, Reply, RowRefused
from core.errors import DiapasonError

_LOOK = 0.1
# So many refusals before any answer: the endpoint, not the rows, is at fault.
_PATIENCE = 5
# What a request that is under way is waited for once the person wants to stop.
_PARTING = 5.0

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Heard:
    """What an endpoint said to question number `index`: a reply, or why it refused. seconds: of the request."""

    index: int
    reply: Reply | None
    refusal: str
    seconds: float


class Asking:
    """The questions of one arm, put to its endpoint.

    Args:
        settings: `core.evaluation.request.Endpoint` as JSON.
        most: tokens of an answer.
    """

    def __init__(
        self, url: str, model: str, settings: Mapping[str, Any], *, most: int, temperature: float, top_p: float,
        seed: int,
    ) -> None:  # fmt: skip
        self._stop = threading.Event()
        self._client = Client(
            url, model, temperature=temperature, seed=seed, timeout=float(settings.get("timeout") or 120),
            stop=self._stop, top_p=top_p if temperature > 0 else None,
        )  # fmt: skip
        self._pace = Pace(float(settings.get("per_minute") or 0))
        self._budget = Budget(tokens=settings.get("budget"))
        self._threads = max(1, min(64, int(settings.get("concurrency") or 4)))
        self._most = most
        self._heard: queue.SimpleQueue[Heard | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def replies(self, questions: Sequence[Messages], tick: Callable[[], None]) -> Iterator[Heard]:
        """What was heard, in the order in which it comes; `tick` is called while waiting and may raise to stop.

        Raises:
            DiapasonError: the endpoint is gone or refuses everything, or the budget is used up: what was heard by
                then has been given.
        """
        numbers = iter(range(len(questions)))
        workers = [
            threading.Thread(target=self._work, args=(numbers, questions), daemon=True)
            for _ in range(min(self._threads, max(1, len(questions))))
        ]
        for worker in workers:
            worker.start()
        answered = refused = 0
        failure: BaseException | None = None
        try:
            while any(worker.is_alive() for worker in workers) or not self._heard.empty():
                tick()
                try:
                    heard = self._heard.get(timeout=_LOOK)
                except queue.Empty:
                    continue
                if isinstance(heard, BaseException):
                    failure = failure or heard
                    self._stop.set()
                    continue
                answered += heard.reply is not None
                refused += heard.reply is None
                yield heard
                if failure is None and not answered and refused >= min(_PATIENCE, len(questions)):
                    failure = DiapasonError(f"the endpoint refuses every question: {heard.refusal}")
                    self._stop.set()
            if failure is not None:
                raise failure
        finally:
            self._stop.set()
            end = time.monotonic() + _PARTING
            for worker in workers:
                worker.join(max(0.0, end - time.monotonic()))

    def _work(self, numbers: Iterator[int], questions: Sequence[Messages]) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    return
                self._one(number, questions[number])
        except BaseException as error:
            self._heard.put(error)

    def _one(self, number: int, messages: Messages) -> None:
        guess = guess_tokens("".join(str(message.get("content") or "") for message in messages))
        held = False

        def before() -> bool:
            nonlocal held
            held = held or self._reserve(number, guess)
            return held and self._pace.wait(self._stop)

        def wasted() -> None:
            nonlocal held
            self._budget.settle(number, guess, self._most)
            held = False

        began = time.monotonic()
        try:
            reply = self._client.ask(messages, number, self._most, before, wasted, self._pace.hold)
        except NoAnswer:
            raise
        except RowRefused as error:
            self._budget.settle(number, 0, 0)
            self._heard.put(Heard(number, None, error.message, time.monotonic() - began))
            return
        if reply is not None:
            self._budget.settle(number, reply.given, reply.made)
            self._heard.put(Heard(number, reply, "", time.monotonic() - began))

    def _reserve(self, number: int, guess: int) -> bool:
        """Hold the request's tokens, waiting for others to end where that helps; False where all shall stop."""
        while not self._stop.is_set():
            fits = self._budget.reserve(number, guess, self._most)
            if fits:
                return True
            if fits is False:
                raise DiapasonError(
                    f"the budget of {self._budget.tokens} tokens is used up",
                    hint="Evaluate again with a larger --budget: what was answered is kept.",
                )
            self._stop.wait(_LOOK)
        return False
