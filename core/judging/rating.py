"""Asking a second rater by model: within a budget, resumable, every reply on disk when it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from core.endpoint.asking import Asking, Request
from core.endpoint.budget import Budget, Pace, Prices, guess_tokens
from core.endpoint.client import Client, Reply
from core.errors import DiapasonError, UsageError
from core.files import JsonlWriter, Lock, read_jsonl
from core.judging.pairs import Pair
from core.judging.rater import ORDERS, TEMPLATE, fill, model_votes, parse_verdict, template_hash
from core.judging.session import Session, version

# Room for a model that thinks before it answers; the object itself has ten tokens.
MOST_TOKENS = 1024
_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """Who is asked, how, and what it may cost. The key comes from the environment alone.

    Args:
        endpoint: base URL, as `client.base_url` gives it. model: its name there.
        tokens, money: limits over all calls for this session, model and prompt; None for no limit.
        per_minute: requests a minute, 0 for as many as come.
        timeout: seconds to wait for a reply. most: tokens that a reply may have.
    """

    endpoint: str
    model: str
    template: str = TEMPLATE
    tokens: int | None = None
    money: float | None = None
    prices: Prices = field(default_factory=Prices)
    per_minute: float = 0.0
    concurrency: int = 4
    temperature: float = 0.0
    seed: int = 0
    timeout: float = 120.0
    most: int = MOST_TOKENS


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests still to be sent, of all, and their tokens at most (prompts, replies)."""

    left: int
    total: int
    given: int
    made: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: requests answered now, refused by row (why), and left; tokens and money over all calls."""

    answered: int
    refused: tuple[str, ...]
    left: int
    tokens: int
    money: float
    stopped: bool


def plan(session: Session, wish: Wish) -> Plan:
    """What `wish` comes to for `session`. Raises UsageError where there is no pair to ask about."""
    if not session.asked:
        raise UsageError("there is no pair with different answers to ask about", where=session.folder.parent.name)
    requests = list(_requests(session, wish, _done(session, wish)))
    given, made = sum(each.given for each in requests), sum(each.made for each in requests)
    return Plan(len(requests), len(ORDERS) * len(session.asked), given, made)


def rate(
    session: Session,
    wish: Wish,
    *,
    tell: Callable[[int, int, Budget], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Ask for all verdicts that are missing, both orders of each pair; call again to go on.

    Args:
        tell: called with requests done, in all, and the budget after each reply.
        stop: set to end early; what was answered is kept.

    Raises:
        DiapasonError: another call is at it, the endpoint takes no request at all, or the file cannot be written.
    """
    stop = stop or threading.Event()
    path = model_votes(session)
    lock = Lock(path.with_suffix(".lock"))
    try:
        if not lock.acquire():
            raise DiapasonError(
                "a second rater is being asked already", where=str(path), hint="Wait for its end, or stop it."
            )
        journal = _Journal(session, wish)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(path)) from error
    try:
        done = _done(session, wish)
        requests = list(_requests(session, wish, done))
        budget = Budget(wish.tokens, wish.money, wish.prices, *_spent(session, wish))
        client = Client(
            wish.endpoint, wish.model, temperature=wish.temperature, seed=wish.seed, timeout=wish.timeout, stop=stop
        )
        asking = Asking(client, journal, budget, Pace(wish.per_minute), stop, journal.take, proven=bool(done))
        total = len(ORDERS) * len(session.asked)

        def told(count: int) -> None:
            if tell:
                tell(total - len(requests) + count, total, budget)

        asking.run(requests, wish.concurrency, told)
        refused = tuple(why for _, why in sorted(asking.refused.items()))
        left = len(requests) - len(asking.found) - len(refused)
        return Outcome(len(asking.found), refused, left, *budget.spent(), stop.is_set())
    finally:
        journal.close()
        lock.release()


def _places(session: Session) -> Iterator[tuple[int, Pair, str]]:
    """(number, pair, order) of every request; a session that grows keeps the numbers that it has."""
    for place, pair in enumerate(session.asked):
        for turn, order in enumerate(ORDERS):
            yield place * len(ORDERS) + turn, pair, order


def _requests(session: Session, wish: Wish, done: set[tuple[str, str]]) -> Iterator[Request]:
    for number, pair, order in _places(session):
        if (pair.id, order) not in done:
            text = fill(wish.template, pair, order)
            yield Request(number, text, guess_tokens(text), wish.most)


def _records(session: Session, wish: Wish) -> Iterator[dict[str, object]]:
    mark = template_hash(wish.template)
    for record in read_jsonl(model_votes(session))[0]:
        if (record.get("session"), record.get("model"), record.get("prompt")) == (session.id, wish.model, mark):
            yield record


def _done(session: Session, wish: Wish) -> set[tuple[str, str]]:
    return {
        (str(record.get("pair")), str(record.get("order")))
        for record in _records(session, wish)
        if record.get("event") == "reply"
    }


def _spent(session: Session, wish: Wish) -> tuple[int, int]:
    """Tokens of earlier calls (prompts, replies): a request never heard of again counts as what it may have cost."""
    given = made = 0
    unheard: dict[object, tuple[int, int]] = {}
    for record in _records(session, wish):
        key = record.get("pair"), record.get("order")
        unheard.pop(key, None)
        cost = _count(record.get("given")), _count(record.get("made"))
        if record.get("event") == "asking":
            unheard[key] = cost
        else:
            given, made = given + cost[0], made + cost[1]
    return given + sum(cost[0] for cost in unheard.values()), made + sum(cost[1] for cost in unheard.values())


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


class _Journal:
    """Appends to model-votes.jsonl; for several threads."""

    def __init__(self, session: Session, wish: Wish) -> None:
        self._writer = JsonlWriter(model_votes(session))
        self._lock = threading.Lock()
        self._places = {number: (pair.id, order) for number, pair, order in _places(session)}
        self._same = {
            "session": session.id,
            "model": wish.model,
            "prompt": template_hash(wish.template),
            "endpoint": wish.endpoint,
            "version": version(),
        }

    def asking(self, row: int, given: int, made: int) -> None:
        """Note before a request what it may cost."""
        self._write("asking", row, given=given, made=made)

    def free(self, row: int) -> None:
        """Note that a request ended without costing anything."""
        self._write("free", row)

    def wasted(self, row: int, given: int, made: int) -> None:
        """Note a request that may have cost so much and brought nothing."""
        self._write("wasted", row, given=given, made=made)

    def refused(self, row: int, why: str) -> None:
        """Note that a request gets no answer; the next call asks again."""
        self._write("refused", row, why=why)

    def take(self, request: Request, reply: Reply) -> str | None:
        """Note a reply and the verdict in it."""
        pick = parse_verdict(reply.text)
        self._write(
            "reply", request.row, pick=pick, reply=reply.text[-_KEPT:], given=reply.given, made=reply.made
        )  # fmt: skip
        return pick

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, event: str, row: int, **values: object) -> None:
        pair, order = self._places[row]
        record = {"event": event, "t": time.time(), **self._same, "pair": pair, "order": order, **values}
        with self._lock:
            try:
                self._writer.write(record, sync=True)
            except OSError as error:
                raise DiapasonError(f"cannot be written: {error.strerror}", where=str(self._writer.path)) from error
