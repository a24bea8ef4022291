"""From a data file to the tokens and labels that are trained on, and what had to be left out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.chat import NO_LOSS, ChatModel, Loss, answers_think
from core.data.dataset import examples
from core.engine.job import JobError
from core.errors import DiapasonError

_PEEKED_ROWS = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the model sees it. labels: NO_LOSS where a token carries no loss. line: in its file, from 1."""

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    line: int

    @property
    def loss_tokens(self) -> int:
        """Tokens that are predicted with loss: the first token of a row never is."""
        return int((self.labels[1:] != NO_LOSS).sum())


@dataclass(slots=True)
class Encoded:
    """The rows of a file. cut: lines shortened to max_length; left_out: lines of which no answer token remained."""

    rows: list[Row] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def sequences(self) -> list[Row]:
        """All that goes through the model in one pass over the rows."""
        return self.rows

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return sum(len(row.input_ids) for row in self.sequences)


class Cuttable(Protocol):
    """Rows of a file, of which some were cut."""

    cut: list[int]
    left_out: list[int]
    kinds: Counter[str]


def uses_thinking(path: Path, format: str | None, map: str | None = None) -> bool:
    """Whether the answers of the training file hold think blocks, by its first rows: prompts that the model shall
    answer later must open such a block exactly then. Training, evaluation and chat all ask this."""
    return answers_think(islice(examples(path, format, map), _PEEKED_ROWS))


def encode_file(
    chat: ChatModel,
    path: Path,
    format: str | None,
    *,
    max_length: int,
    loss: Loss,
    map: str | None = None,
    tick: Callable[[int], None] | None = None,
) -> Encoded:
    """Encode every usable row of `path`; preference rows by their chosen answer, KTO rows where it is good.

    Args:
        chat: the model's chat template and tokenizer.
        max_length: tokens that a row is cut at.
        loss: all-answers, last-answer or everything.
        tick: called with the number of rows read so far.

    Raises:
        JobError: where a row carries no loss or misses its end-of-turn although nothing was cut, or nothing
            is left to train on. The lines are named.
    """
    found = Encoded()
    masked: list[int] = []
    endless: list[int] = []
    for count, example in enumerate(examples(path, format, map), 1):
        found.kinds[example.kind] += 1
        try:
            texts = chat.encode_all(example, max_length=max_length, loss=loss)
        except DiapasonError as error:
            raise JobError("refused", error.message, where=f"{path}:{example.line}", hint=error.hint) from error
        for encoded in texts:
            ids = np.asarray(encoded.input_ids[:max_length], np.int32)
            row = Row(ids, np.asarray(encoded.labels[:max_length], np.int32), example.line)
            if encoded.cut:
                found.cut.append(example.line)
            if not row.loss_tokens:
                (found.left_out if encoded.cut else masked).append(example.line)
                continue
            if not encoded.cut and not encoded.ends_with_stop and example.kind != "text":
                endless.append(example.line)
            found.rows.append(row)
        if tick:
            tick(count)
    refuse_lines(path, masked, endless)
    if not found.rows:
        raise nothing_left(path, len(found.left_out), max_length)
    return found


def refuse_lines(path: Path, masked: list[int], endless: list[int]) -> None:
    """Raise JobError where answers carry no loss (lines `masked`) or do not end (lines `endless`)."""
    where = str(path)
    if masked:
        raise JobError(
            "refused",
            f"{_rows(masked)} no token that carries loss",
            where=where,
            hint="An empty answer teaches nothing: `diapason data check` lists such rows; remove or fill them.",
        )
    if endless:
        raise JobError(
            "refused",
            f"{_rows(endless)} no end-of-turn token, so that the model would never learn to stop",
            where=where,
            hint="The model's chat template leaves it out: take another model, or one with a complete template.",
        )


def nothing_left(path: Path, left_out: int, max_length: int) -> JobError:
    """The refusal of a file of which no row can be trained on; `left_out` rows were cut at `max_length`."""
    hint = f"Raise train.max_length ({max_length})." if left_out else "`diapason data check` says why."
    message = "every row is cut before its answer begins" if left_out else "there is no usable row"
    return JobError("refused", message, where=str(path), hint=hint)


def _rows(lines: list[int]) -> str:
    """``line 4 has`` or ``lines 4, 7 and 12 more have``."""
    unique = sorted(set(lines))
    shown = ", ".join(str(line) for line in unique[:10])
    more = f" and {len(unique) - 10} more" if len(unique) > 10 else ""
    return f"line {shown} has" if len(unique) == 1 else f"lines {shown}{more} have"


def describe_cuts(data: Cuttable, max_length: int) -> list[str]:
    """Sentences for the person about what `max_length` did to the rows; empty where it did nothing."""
    said: list[str] = []
    kept = len(set(data.cut) - set(data.left_out))
    if kept:
        said.append(f"{kept} of {data.kinds.total()} rows are longer than {max_length} tokens and were cut there.")
    if data.left_out:
        names = ", ".join(str(line) for line in data.left_out[:10]) + (" …" if len(data.left_out) > 10 else "")
        said.append(
            f"{len(data.left_out)} rows are left out: their answer begins after {max_length} tokens (lines {names})."
        )
    return said
