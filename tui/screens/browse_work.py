"""What the browse screen does in threads: check, search, tokens. Nothing here touches a widget."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual.message import Message

from core.errors import DiapasonError

if TYPE_CHECKING:
    from core.chat import ChatModel
    from core.data.dataset import Dataset, Row
    from core.data.report import Finding, Report
    from tui.token_view import TokenView

_TELL_SECONDS = 0.1
_KIN_SHOWN = 6
_SAMPLED = 50


class Left(DiapasonError):
    """The screen was left while its rows were looked for."""


def unless_left(left: threading.Event) -> Callable[[int], None]:
    """What to call while rows are looked for: it raises Left once `left` is set."""

    def going(_: int) -> None:
        if left.is_set():
            raise Left("left")

    return going


class Progress(Message):
    """How far the check is. A newer one takes the place of one that was not handled yet."""

    def __init__(self, rows: int, total: int, size: int, seconds: float) -> None:
        super().__init__()
        self.rows = rows
        self.total = total
        self.size = size
        self.seconds = seconds

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, Progress)


class Hits(Message):
    """Rows that a search has found so far."""

    def __init__(self, serial: int, rows: array[int], done: int, ended: bool) -> None:
        super().__init__()
        self.serial = serial
        self.rows = rows
        self.done = done
        self.ended = ended

    def can_replace(self, message: Message) -> bool:
        """A later state of the same search holds all of an earlier one."""
        return isinstance(message, Hits) and message.serial == self.serial


def run_check(
    dataset: Dataset,
    stop: threading.Event,
    tell: Callable[[Message], object],
    model: str | None = None,
    max_length: int | None = None,
) -> Report:
    """Check the file, with the tokens of `model` where there is one, telling how far it is ten times a second.

    Raises:
        CheckCancelled: `stop` is set.
        DiapasonError: there is no such model, or it cannot be read.
    """
    from core.data.report import check
    from core.models import find_model

    began = time.monotonic()
    told = began

    def progress(rows: int, size: int) -> bool:
        nonlocal told
        now = time.monotonic()
        if now - told >= _TELL_SECONDS:
            told = now
            total = len(dataset.source.index()) if dataset.source.indexed else 0
            tell(Progress(rows, total, size, now - began))
            # The screen shares the interpreter with this loop: let it in.
            time.sleep(0.001)
        return not stop.is_set()

    found = find_model(model) if model else None
    return check(dataset.path, dataset=dataset, progress=progress, model=found, max_length=max_length)


def run_search(
    dataset: Dataset,
    text: str,
    rows: Sequence[int] | None,
    serial: int,
    stop: threading.Event,
    tell: Callable[[Message], object],
) -> None:
    """Look for `text`, telling the rows found so far ten times a second and at the end."""
    from core.data.search import search

    found = array("q")
    told, done = time.monotonic(), 0
    for row, holds in search(dataset, text, rows):
        done += 1
        if holds:
            found.append(row)
        if stop.is_set():
            return
        if done % 64 == 0 and time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            tell(Hits(serial, found[:], done, ended=False))
            time.sleep(0.001)
    tell(Hits(serial, found, done, ended=True))


class Models:
    """Chat models by name, loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[str, ChatModel] = {}

    def loaded(self, name: str) -> bool:
        """Whether the model's tokenizer is at hand."""
        return name in self._loaded

    def view(self, name: str, row: Row, max_length: int) -> TokenView:
        """The row as the tokens of the model `name`. Raises DiapasonError where there is no such model."""
        from core.chat import load_chat
        from core.models import find_model
        from tui.token_view import view_tokens

        if row.example is None:
            raise DiapasonError(
                "this row is not usable, so training never sees it", hint="f says what is wrong with it."
            )
        if name not in self._loaded:
            self._loaded[name] = load_chat(find_model(name))
        return view_tokens(self._loaded[name], row.example, max_length)


def tokens_of(text: str) -> int:
    """A length in tokens that somebody has typed. Raises DiapasonError where it is none."""
    if not text.isdecimal() or not 1 <= int(text) <= 10_000_000:
        raise DiapasonError(f"`{text[:20]}` is not a number of tokens", hint="A whole number from 1 on.")
    return int(text)


def kin(dataset: Dataset, row: Row, findings: Sequence[Finding]) -> dict[str, str]:
    """By code and detail of each finding: the rows that `row` repeats or contradicts, with what they answer."""
    from core.text import shorten

    told: dict[str, str] = {}
    for finding in findings:
        group = [number for number in finding.group(row.index) if number != row.index]
        lines: list[str] = []
        for number in group[:_KIN_SHOWN]:
            other = dataset.row(number).example
            lines.append(f"row {number + 1}: {shorten(other.answer if other else '', 200)}")
        if len(group) > _KIN_SHOWN:
            lines.append(f"and {len(group) - _KIN_SHOWN} more")
        if (line := finding.match(row.index)) is not None:
            lines.append(f"found on line {line}")
        told[finding.code + finding.detail] = "\n".join(lines)
    return told


def sample_fields(dataset: Dataset) -> dict[str, Any]:
    """The fields of the first rows as the file names them, each with a value."""
    from core.data.dataset import Dataset
    from core.data.mapping import fields_of

    plain = Dataset(dataset.source, None)
    return fields_of(plain.row(number).value for number in range(min(len(plain), _SAMPLED)))
