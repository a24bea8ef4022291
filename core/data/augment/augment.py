"""Variants of rows of a data set: asked for, kept in a log, checked, and written as rows to be reviewed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from core.data.augment.choose import Choice, chosen, shown, variant
from core.data.augment.limits import check_limits, most_tokens
from core.data.augment.log import Log, Pair, read_about
from core.data.augment.marks import marks
from core.data.augment.prompt import TEMPLATE, check_template, fill, parse_variants, template_hash
from core.data.augment.sieve import Sifted, sift
from core.data.dataset import Dataset, fingerprint, open_dataset
from core.data.near.copies import USUAL
from core.data.place import find_place
from core.data.target import check_target
from core.endpoint.asking import Asking, Request
from core.endpoint.budget import Budget, Pace, Prices, guess_tokens
from core.endpoint.client import Client, Reply
from core.errors import DiapasonError, UsageError
from core.files import sync_dir
from core.home import expand

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What variants are wanted and what they may cost. The key comes from the environment alone.

    Args:
        endpoint: base URL, as `client.base_url` gives it.
        n: variants asked for by row.
        tokens, money: limits of what may be spent over all runs into one file; None for no limit.
        per_minute: requests a minute, 0 for as many as come.
        timeout: seconds to wait for an answer.
        most: tokens that an answer may have; None for twice what its row has, for each variant.

    Raises:
        UsageError: more is wanted than `limits` allow.
    """

    endpoint: str
    model: str
    n: int = 3
    choice: Choice = field(default_factory=Choice)
    template: str = TEMPLATE
    tokens: int | None = None
    money: float | None = None
    prices: Prices = field(default_factory=Prices)
    per_minute: float = 0.0
    concurrency: int = 4
    temperature: float = 0.9
    seed: int = 0
    near: float | None = USUAL
    timeout: float = 120.0
    most: int | None = None

    def __post_init__(self) -> None:
        check_limits(self.n, self.most, self.timeout, self.per_minute)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a wish comes to: rows to ask about, rows that have no variants, and tokens at most (prompts, answers)."""

    rows: int
    unsuited: int
    given: int
    made: int


@dataclass(frozen=True, slots=True)
class Augmented:
    """What came of it. `left` rows were not asked about: the budget ended, or it was stopped. `empty` rows had an
    answer in which no variant was found.

    `path` is None where it was stopped; `log` is what the next run goes on from, None where all is done.
    """

    path: Path | None
    log: Path | None
    asked: int
    empty: int
    left: int
    refused: list[tuple[int, str]]
    sifted: Sifted
    tokens: int
    money: float
    stopped: bool


def log_path(out: Path) -> Path:
    """Where the answers for `out` are kept until it is complete."""
    return out.with_name(f"{out.name}.part")


def unfinished(out: Path) -> dict[str, Any] | None:
    """What an unfinished run into `out` was begun with (endpoint, model, n, prompt …); None where there is none."""
    return read_about(log_path(out))


def plan(dataset: Dataset, wish: Wish) -> Plan:
    """Count the rows and guess the tokens (high). Raises DiapasonError where no row can have variants."""
    rows = unsuited = given = made = 0
    for row, suited in chosen(dataset, wish.choice):
        if not suited or row.example is None:
            unsuited += 1
            continue
        rows += 1
        prompt, answer = shown(row.example)
        given += guess_tokens(fill(wish.template, prompt, answer, wish.n))
        made += wish.most or most_tokens(prompt, answer, wish.n)
    if not rows:
        why = "none of them has one question and one answer" if unsuited else "none is chosen"
        raise DiapasonError(f"no row can have variants: {why}", where=dataset.name)
    return Plan(rows, unsuited, given, made)


def check_source(path: Path | str) -> None:
    """Raises UsageError where the rows cannot be read again by a run that goes on: they are piped in."""
    if find_place(expand(path)).kind == "stdin":
        raise UsageError("the standard input cannot be read again later", where="-", hint="Save it to a file.")


def check_out(out: Path, source: Dataset, force: bool) -> None:
    """Raises UsageError where `out` cannot or must not be written."""
    if out.suffix.casefold() != ".jsonl":
        raise UsageError("variants are written as JSON Lines", where=str(out), hint="Give it the ending .jsonl.")
    # What an unfinished run wrote may be written anew by the one that goes on from it.
    check_target(out, source.source, force=force or unfinished(out) is not None)


def augment(
    path: Path | str,
    out: Path,
    wish: Wish,
    *,
    format: str | None = None,
    map: str | None = None,
    force: bool = False,
    tell: Callable[[int, int, Budget], None] | None = None,
    stop: Event | None = None,
) -> Augmented:
    """Ask for variants of the chosen rows of `path` and write those that stay to `out`.

    Every answer is kept in ``OUT.part`` the moment it comes, so that a run that was stopped, killed or ran out of
    its budget goes on where it was; the file goes when every row has had its answer.

    Args:
        tell: called with rows done, rows in all and the budget after each answer.
        stop: set to end early; what was answered is kept.

    Raises:
        UsageError: a file or wish that cannot be.
        DiapasonError: the endpoint takes no request at all, or a file cannot be written.
    """
    check_template(wish.template)
    check_source(path)
    stop = stop or Event()
    dataset = open_dataset(path, format, map)
    check_out(out, dataset, force)
    if dataset.format is None:
        raise DiapasonError("the rows have no known format", where=str(path), hint="Say which is which with --map.")
    rows = [row.index for row, suited in chosen(dataset, wish.choice) if suited]
    if not rows:
        raise DiapasonError("no row can have variants", where=str(path))
    log = Log(log_path(out), _about(path, wish, map, dataset.format))
    try:
        budget = Budget(wish.tokens, wish.money, wish.prices, log.kept.given, log.kept.made)
        client = Client(wish.endpoint, wish.model, temperature=wish.temperature, seed=wish.seed, timeout=wish.timeout,
                        stop=stop)  # fmt: skip
        todo = [row for row in rows if row not in log.kept.variants]

        def take(request: Request, reply: Reply) -> list[Pair]:
            variants = parse_variants(reply.text)[: wish.n]
            log.answered(request.row, variants, reply.given, reply.made)
            return variants

        asking = Asking(client, log, budget, Pace(wish.per_minute), stop, take, proven=bool(log.kept.variants))

        def told(done: int) -> None:
            if tell:
                tell(len(rows) - len(todo) + done, len(rows), budget)

        asking.run(_requests(dataset, todo, wish), wish.concurrency, told)
        kept = {row: pairs for row, pairs in log.kept.variants.items() if row < len(dataset)}
        found = {**kept, **asking.found}
        left = [row for row in rows if row not in found and row not in asking.refused]
        stopped = stop.is_set()
        sifted = Sifted() if stopped else _write(dataset, found, out, wish)
        whole = not stopped and not left and not asking.refused
        tokens, money = budget.spent()
        refused = [(dataset.line(row), why) for row, why in sorted(asking.refused.items())]
        empty = sum(not pairs for pairs in found.values())
        done = Augmented(None if stopped else out, None if whole else log.path, len(found), empty, len(left), refused,
                         sifted, tokens, money, stopped)  # fmt: skip
        # The answers were paid for: they go last of all, while no other run can begin a log of that name.
        if whole:
            log.path.unlink(missing_ok=True)
    finally:
        log.close()
    dataset.source.close()
    return done


def _about(path: Path | str, wish: Wish, map: str | None, format: str) -> dict[str, Any]:
    """What answers must share to be of one file; limits and speed may change from run to run."""
    return {
        "source": fingerprint(path)["sha256"], "map": map, "format": format, "endpoint": wish.endpoint,
        "model": wish.model, "n": wish.n, "prompt": wish.template, "temperature": wish.temperature,
        "seed": wish.seed,
    }  # fmt: skip


def _requests(dataset: Dataset, rows: list[int], wish: Wish) -> Iterator[Request]:
    for index in rows:
        example = dataset.row(index).example
        if example is not None:
            prompt, answer = shown(example)
            text = fill(wish.template, prompt, answer, wish.n)
            yield Request(index, text, guess_tokens(text), wish.most or most_tokens(prompt, answer, wish.n))


def _variants(dataset: Dataset, found: dict[int, list[tuple[str, str]]], wish: Wish) -> Iterator[Value]:
    for index in sorted(found):
        row = dataset.row(index)
        made_so = marks(index, wish.model, template_hash(wish.template))
        for prompt, answer in found[index]:
            value = variant(dataset, row, prompt, answer, made_so)
            if value is not None:
                yield value


def _write(dataset: Dataset, found: dict[int, list[tuple[str, str]]], out: Path, wish: Wish) -> Sifted:
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    assert dataset.format is not None
    try:
        values = _variants(dataset, found, wish)
        sifted = sift(values, dataset, dataset.format, wish.near, temporary, lambda: None)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(out)
        sync_dir(out.parent)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror or error}", where=str(out)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return sifted
