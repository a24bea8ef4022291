"""How long a row is in tokens and where its loss begins, without making the lists that training needs."""

from __future__ import annotations

from dataclasses import dataclass

from core.chat.count import word_counter
from core.chat.masks import Located
from core.chat.model import NO_LOSS, ChatModel, Encoded, Loss
from core.data.example import Example

_PROVED = 50


@dataclass(frozen=True, slots=True)
class Measured:
    """One sequence of training. length: its tokens. first: the first with loss, -1 for none. prompt: tokens that
    generation gives. stop: the first end-of-turn token with loss behind the prompt, -1 where there is none. closed:
    false where the template ends no turn, so that the end-of-turn token was put there."""

    length: int
    first: int
    prompt: int
    stop: int
    closed: bool = True


class Measurer:
    """Measures rows as `ChatModel.encode_all` would encode them, faster where the tokenizer allows it.

    The fast way is held against the other one on the first rows, and given up where they differ.
    """

    def __init__(self, chat: ChatModel, loss: Loss = "all-answers") -> None:
        self._chat = chat
        self._loss: Loss = loss
        self._counter = word_counter(chat.tokenizer)
        pieces = [chat.piece(token) for token in chat.stop_ids]
        self._stops = [*pieces]
        if not chat.stop_ids <= chat.tokenizer.added or not all(pieces):
            self._counter = None
        self._bos = chat.piece(chat.bos_id) if chat.bos_id is not None else ""
        self._proved = 0

    @property
    def fast(self) -> bool:
        """Whether words are counted, not texts encoded."""
        return self._counter is not None

    def measure(self, example: Example) -> list[Measured]:
        """One for each sequence of `encode_all`. Raises DiapasonError as that does, without the line."""
        located = self._chat.locate(example, self._loss) if self._counter else None
        quick = [self._quick(found) for found in located] if located else []
        known = [one for one in quick if one is not None]
        if not known or len(known) < len(quick):
            return self._slow(example)
        if self._proved < _PROVED:
            self._proved += 1
            whole = self._slow(example)
            if whole != known:
                self._counter = None
            return whole
        return known

    def _slow(self, example: Example) -> list[Measured]:
        return [self._of(row) for row in self._chat.encode_all(example, loss=self._loss)]

    def _of(self, row: Encoded) -> Measured:
        stops = self._chat.stop_ids
        first = next((place for place, label in enumerate(row.labels) if label != NO_LOSS), -1)
        ends = (place for place in range(row.prompt_length, len(row.labels)) if row.labels[place] in stops)
        return Measured(len(row.input_ids), first, row.prompt_length, next(ends, -1), row.closed)

    def _quick(self, found: Located) -> Measured | None:
        """The measure by words; None where the text needs to be looked at as tokens."""
        text, at = found.text, found.prompt
        if self._counter is None or not found.spans or (self._bos and text.startswith(self._bos * 2)):
            return None
        start, end = found.spans[-1]
        if start < at:
            return None
        stop = -1
        for piece in self._stops:
            place = text.find(piece, at)
            if place >= 0 and (stop >= 0 or text.find(piece, place + 1) >= 0 or place + len(piece) > end):
                return None
            stop = place if place >= 0 else stop
        if stop < 0:
            return None
        first = found.spans[0][0]
        length, before = self._counter.places(text, [at, stop, *(start for start, _ in found.spans)])
        return Measured(length, before[first], before[at], before[stop])
