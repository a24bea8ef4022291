"""From preference and KTO rows to the tokens that DPO and KTO learn from."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.chat import NO_LOSS, ChatModel
from core.data.dataset import examples
from core.data.example import Example, Message
from core.engine.encode import Row, nothing_left, refuse_lines
from core.engine.job import JobError
from core.errors import DiapasonError

Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt."""

    chosen: Row
    rejected: Row


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer and its verdict. other: its prompt with the answer to another one, for KTO's reference point."""

    row: Row
    good: bool
    other: Row


@dataclass(slots=True)
class EncodedPairs:
    """The pairs of a file. cut, left_out: as `core.engine.encode.Encoded` has them; same: lines whose answers are
    alike, or are once they are cut."""

    rows: list[Pair] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    same: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def sequences(self) -> list[Row]:
        """All that goes through the model in one pass over the pairs."""
        return [row for pair in self.rows for row in (pair.chosen, pair.rejected)]

    @property
    def tokens(self) -> int:
        """Tokens of all answers with their prompts."""
        return sum(len(row.input_ids) for row in self.sequences)


@dataclass(slots=True)
class EncodedVerdicts:
    """The judged answers of a file, good and bad ones mixed evenly. cut, left_out: as `Encoded` has them."""

    rows: list[Judged] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def sequences(self) -> list[Row]:
        """The answers with their prompts; those for the reference point aside."""
        return [judged.row for judged in self.rows]

    @property
    def tokens(self) -> int:
        """Tokens of all answers with their prompts."""
        return sum(len(row.input_ids) for row in self.sequences)


class _Reader:
    """Encodes answers one by one and remembers what must be told of them."""

    def __init__(self, chat: ChatModel, path: Path, max_length: int) -> None:
        self._chat = chat
        self._path = path
        self._max_length = max_length
        self.cut: list[int] = []
        self.left_out: list[int] = []
        self._masked: list[int] = []
        self._endless: list[int] = []

    def take(self, example: Example, answers: Sequence[tuple[Message, ...]]) -> list[Row] | None:
        """Each of `answers` to the prompt of `example`; None where one keeps no token that counts."""
        found: list[Row] = []
        cut = False
        for answer in answers:
            row, shortened, ends = self._encode(replace(example, completion=answer, rejected=()))
            cut = cut or shortened
            if not row.loss_tokens:
                (self.left_out if shortened else self._masked).append(example.line)
                if shortened:
                    self.cut.append(example.line)
                return None
            if not shortened and not ends:
                self._endless.append(example.line)
            found.append(row)
        if cut:
            self.cut.append(example.line)
        return found

    def finish(self) -> None:
        """Raise JobError where an answer carries no loss or does not end, although nothing was cut."""
        refuse_lines(self._path, self._masked, self._endless)

    def _encode(self, example: Example) -> tuple[Row, bool, bool]:
        try:
            encoded = self._chat.encode(example, max_length=self._max_length, loss="last-answer")
        except DiapasonError as error:
            where = f"{self._path}:{example.line}"
            raise JobError("refused", error.message, where=where, hint=error.hint) from error
        labels = np.asarray(encoded.labels, np.int32)
        # What the generation prompt gives (an empty think block, say) is no part of the answer.
        labels[: encoded.prompt_length] = NO_LOSS
        row = Row(np.asarray(encoded.input_ids, np.int32), labels, example.line)
        return row, bool(encoded.cut), encoded.ends_with_stop


def encode_pairs(
    chat: ChatModel,
    path: Path,
    format: str | None,
    *,
    max_length: int,
    map: str | None = None,
    tick: Tick | None = None,
) -> EncodedPairs:
    """Encode every usable preference row of `path`: the judged answers carry loss, what comes before does not.

    Raises:
        JobError: where the rows are no preference pairs, an answer carries no loss or does not end although nothing
            was cut, or nothing is left.
    """
    found, reader = EncodedPairs(), _Reader(chat, path, max_length)
    for count, example in enumerate(examples(path, format, map, bad=True), 1):
        found.kinds[example.kind] += 1
        if example.kind != "preference":
            raise _wrong(path, example, "dpo", "a prompt, a chosen and a rejected answer")
        rows = reader.take(example, (example.completion, example.rejected))
        if rows is not None:
            pair = Pair(*rows)
            if np.array_equal(pair.chosen.input_ids, pair.rejected.input_ids):
                found.same.append(example.line)
            else:
                found.rows.append(pair)
        if tick:
            tick(count)
    reader.finish()
    found.cut, found.left_out = reader.cut, reader.left_out
    if not found.rows:
        raise nothing_left(path, len(found.left_out), max_length)
    return found


def encode_verdicts(
    chat: ChatModel,
    path: Path,
    format: str | None,
    *,
    max_length: int,
    seed: int,
    both: bool = True,
    map: str | None = None,
    tick: Tick | None = None,
) -> EncodedVerdicts:
    """Encode every usable KTO row of `path`, or both answers of preference rows, good and bad ones evenly mixed.

    KTO needs both kinds in its batches, and its trainer takes the rows as they come. The reference point is estimated
    from prompts with the answers to others (arxiv.org/abs/2402.01306, section 4.1): each row takes the answer of the
    next one that has another prompt.

    Args:
        seed: of the order of the rows.
        both: refuse rows of one kind only.

    Raises:
        JobError: as `encode_pairs`, and with `both` where all answers are good or all are bad.
    """
    found, reader = EncodedVerdicts(), _Reader(chat, path, max_length)
    kinds: dict[bool, list[tuple[Row, str]]] = {True: [], False: []}
    for count, example in enumerate(examples(path, format, map, bad=True), 1):
        found.kinds[example.kind] += 1
        if example.kind not in ("kto", "preference"):
            raise _wrong(path, example, "kto", "a prompt, an answer and its label, true or false")
        judged = [(example.completion, example.verdict is not False)]
        if example.kind == "preference":
            judged.append((example.rejected, False))
        for answer, good in judged:
            rows = reader.take(example, [answer])
            if rows is not None:
                kinds[good].append((rows[0], example.prompt_text))
        if tick:
            tick(count)
    reader.finish()
    found.cut, found.left_out = reader.cut, reader.left_out
    if not any(kinds.values()):
        raise nothing_left(path, len(found.left_out), max_length)
    for kind, word in ((True, "good"), (False, "bad")):
        if both and not kinds[kind]:
            raise JobError(
                "refused",
                f"there is no answer that is {word}: kto learns from both kinds",
                where=str(path),
                hint=f"Add rows with label {'true' if kind else 'false'}, or tune on good ones with method: lora.",
            )
    mixed = _mixed(kinds, seed)
    for at, (row, good, prompt) in enumerate(mixed):
        others = (mixed[(at + step) % len(mixed)] for step in range(1, len(mixed)))
        partner = next((other for other, _, asked in others if asked != prompt), row)
        found.rows.append(Judged(row, good, _joined(row, partner, max_length)))
    return found


def _mixed(kinds: dict[bool, list[tuple[Row, str]]], seed: int) -> list[tuple[Row, bool, str]]:
    """The rows of both kinds, each shuffled, spread over the whole in proportion."""
    placed: list[tuple[float, Row, bool, str]] = []
    for good, rows in kinds.items():
        shuffled = random.Random(f"{seed} {good}").sample(rows, len(rows))
        placed += [((at + 0.5) / len(rows), row, good, prompt) for at, (row, prompt) in enumerate(shuffled)]
    placed.sort(key=lambda item: item[0])
    return [(row, good, prompt) for _, row, good, prompt in placed]


def _joined(row: Row, other: Row, max_length: int) -> Row:
    """The prompt of `row` with the answer of `other`."""
    here, there = (int(np.argmax(one.labels != NO_LOSS)) for one in (row, other))
    ids = np.concatenate([row.input_ids[:here], other.input_ids[there:]])[:max_length]
    labels = np.concatenate([row.labels[:here], other.labels[there:]])[:max_length]
    return Row(ids, labels, row.line)


def _wrong(path: Path, example: Example, method: str, wanted: str) -> JobError:
    return JobError(
        "refused",
        f"method: {method} learns from judged answers, and this is a row of the kind {example.kind}",
        where=f"{path}:{example.line}",
        hint=f"Each row needs {wanted}; `diapason preferences RUN` writes such rows from judgements.",
    )
