"""What training will see of every row: its length in the model's tokens, where its loss begins and ends."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.chat import ChatModel, answers_think, load_chat
from core.chat.measure import Measurer
from core.chat.model import NoLoss
from core.data.checks.marks import turn_marks
from core.data.dataset import Dataset, Row
from core.errors import DiapasonError
from core.models import ModelInfo

if TYPE_CHECKING:
    from core.chat import Loss
    from core.data.example import Example

_PEEKED = 500
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Reader:
    """How rows become tokens: the model's folder, which tokens carry loss, whether prompts open a think block.

    stamp: when the folder's files were last changed, so that a model made anew is read anew.
    """

    folder: Path
    vocab_size: int | None
    loss: Loss = "all-answers"
    thinking: bool = False
    stamp: int = 0

    def load(self) -> ChatModel:
        """The model's tokenizer and template. Raises DiapasonError where they cannot be read."""
        return _load(self)

    def measurer(self) -> Measurer:
        """What measures rows; the same one each time in a process, for it remembers words."""
        return _measurer(self)


def reader_for(model: ModelInfo, dataset: Dataset, loss: Loss = "all-answers") -> Reader:
    """The reader of `dataset`'s rows for `model`; the first rows tell whether they think, as in training."""
    known = (row.example for row in islice(dataset.rows(), _PEEKED) if row.example is not None)
    stamp = max((path.stat().st_mtime_ns for path in model.path.iterdir() if path.is_file()), default=0)
    return Reader(model.path, model.vocab_size or None, loss, answers_think(known), stamp)


@lru_cache(maxsize=2)
def _load(reader: Reader) -> ChatModel:
    chat = ChatModel(reader.folder, reader.vocab_size) if reader.vocab_size else load_chat(reader.folder)
    chat.thinking = reader.thinking
    return chat


@lru_cache(maxsize=2)
def _measurer(reader: Reader) -> Measurer:
    return Measurer(_load(reader), reader.loss)


@dataclass(slots=True)
class Refused:
    """Rows for one reason: the message of the first of them, and all their numbers."""

    message: str
    rows: array[int]


class TokenTally:
    """The measures of all sequences, one or more a row: 24 bytes each.

    rows: the row of each. length, first, prompt, stop: as core.chat.measure.Measured has them. notes: rows that
    cannot be trained on or look odd, by (code, detail).
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.rows = array("q")
        self.length, self.first = array("i"), array("i")
        self.prompt, self.stop = array("i"), array("i")
        self.notes: dict[tuple[str, str], Refused] = {}
        self._bos: str | None = None

    def add(self, row: Row) -> None:
        """Measure the next row, where it is usable."""
        example = row.example
        if example is None:
            return
        measurer = self._reader.measurer()
        if self._bos is None:
            self._bos = _bos(self._reader)
        self._look(example, row.index)
        try:
            found = measurer.measure(example)
        except NoLoss as error:
            self._note("fully_masked", "", error.message, row.index)
            return
        except DiapasonError as error:
            if _hides_answer(self._reader.load(), example):
                self._note("fully_masked", "", "the template shows nothing of the answer", row.index)
            else:
                self._note("template_mismatch", "refused", error.message[:_SHOWN], row.index)
            return
        for one in found:
            self.rows.append(row.index)
            self.length.append(one.length)
            self.first.append(one.first)
            self.prompt.append(one.prompt)
            self.stop.append(one.stop)
        if not all(one.closed for one in found):
            self._note("missing_eos", "template", "the template writes nothing behind the answer", row.index)

    def merge(self, later: TokenTally) -> None:
        """Take the measures of the rows that follow."""
        for name in ("rows", "length", "first", "prompt", "stop"):
            getattr(self, name).extend(getattr(later, name))
        for key, refused in later.notes.items():
            mine = self.notes.setdefault(key, Refused(refused.message, array("q")))
            mine.rows.extend(refused.rows)

    def _note(self, code: str, detail: str, message: str, row: int) -> None:
        self.notes.setdefault((code, detail), Refused(message, array("q"))).rows.append(row)

    def _look(self, example: Example, row: int) -> None:
        """Marks that only a template should write."""
        if example.text is not None:
            if self._bos and example.text.startswith(self._bos):
                self._note("double_bos", "row", f"the text begins with {self._bos}, which the tokenizer adds", row)
            return
        for message in example.messages:
            text = message.content
            if ("<" in text or "[" in text) and (marks := turn_marks(text)):
                family, place, token = marks[0]
                where = f"the {message.role}'s text has {token} at character {place + 1}"
                self._note("template_mismatch", family, where, row)
                return
        first = example.messages[0].content if example.messages else ""
        if self._bos and first.startswith(self._bos):
            self._note("double_bos", "row", f"the text begins with {self._bos}, which the template writes", row)


def token_maker(reader: Reader) -> Callable[[], TokenTally]:
    """What makes such a tally in any process."""
    return partial(TokenTally, reader)


def _hides_answer(chat: ChatModel, example: Example) -> bool:
    """Whether the template writes the same whatever the last answer says."""
    messages = [message.to_dict() for message in example.messages]
    tools = list(example.tools) or None
    try:
        shown = chat.render(messages, tools=tools)
        return bool(messages) and shown == chat.render([*messages[:-1], messages[-1] | {"content": "x"}], tools=tools)
    except DiapasonError:
        return False


@lru_cache(maxsize=2)
def _bos(reader: Reader) -> str:
    """The text of the token that opens a sequence, where the tokenizer or the template puts one; else empty."""
    chat = reader.load()
    if chat.bos_id is None:
        return ""
    piece = chat.piece(chat.bos_id)
    return piece if chat.bos_id in chat.tokenizer.prefix or opens_with_bos(chat) else ""


def opens_with_bos(chat: ChatModel) -> bool:
    """Whether the chat template itself begins with the token that opens a sequence."""
    if not chat.has_template or chat.bos_id is None:
        return False
    messages: list[dict[str, Any]] = [{"role": "user", "content": "x"}]
    try:
        return chat.render(messages).startswith(chat.piece(chat.bos_id))
    except DiapasonError:
        return False
