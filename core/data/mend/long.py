"""Rows that are too long for the model: the answer cut between two tokens so that the row fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.mend.editable import Editable
from core.errors import DiapasonError, UsageError

if TYPE_CHECKING:
    from core.chat import ChatModel
    from core.data.dataset import Dataset, Row
    from core.data.mend.row import Change

_TRIES = 6


class Shortener:
    """Measures rows with a model's own template and tokenizer, and shortens their last answer.

    Raises:
        UsageError: no length is given.
    """

    def __init__(self, dataset: Dataset, model: str, max_length: int | None) -> None:
        if max_length is None:
            raise UsageError(
                "too_long needs a length",
                where="--only too_long",
                hint="Give --max-length N, and --model M; in the app, l in the data screen.",
            )
        self._limit = max_length
        self._dataset = dataset
        self._model = model
        self._chat: ChatModel | None = None

    def excess(self, row: Row) -> int:
        """How many tokens of the row lie beyond the limit; 0 where the template refuses it."""
        # Every token is at least one byte of the row, but for what the template adds.
        if row.example is None or len(row.raw) * 4 < self._limit:
            return 0
        try:
            return max(
                (encoded.cut for encoded in self.chat.encode_all(row.example, max_length=self._limit)), default=0
            )
        except DiapasonError:
            return 0

    @property
    def chat(self) -> ChatModel:
        """The model's template and tokenizer, read when first needed."""
        if self._chat is None:
            from core.data.checks.tokens import reader_for
            from core.models import find_model

            self._chat = reader_for(find_model(self._model), self._dataset).load()
        return self._chat

    def is_long(self, row: Row) -> bool:
        """Whether the row is cut."""
        return self.excess(row) > 0

    def shorten(self, row: Row, changes: list[Change]) -> bytes | None:
        """The row's bytes with its last answer cut between two tokens; None where it fits, or cannot be made to."""
        from core.data.mend.row import Change

        over = self.excess(row)
        if not over or row.example is None or row.example.kind not in ("chat", "completion", "text"):
            return None
        example = row.example
        whole = example.text if example.text is not None else example.completion[-1].content
        spans = self.chat.tokenizer.spans(whole)[1]
        keep = len(spans)
        for _ in range(_TRIES):
            keep -= over
            if keep <= 0:
                return None
            answer = whole[: spans[keep - 1][1]]
            if not answer.strip():
                return None
            raw = _with_answer(self._dataset, row, whole, answer)
            if raw is None:
                return None
            over = self.excess(self._dataset.read(row.index, row.line, raw))
            if not over:
                cut = whole[len(answer) :]
                changes.append(Change("too_long", "", cut, "", (answer[-30:], "")))
                return raw
        return None


def _with_answer(dataset: Dataset, row: Row, whole: str, answer: str) -> bytes | None:
    """The row with `answer` in the place of the last text that is `whole`."""
    editable = Editable(dataset.source, row.raw)
    places = [text for _, text in editable.texts() if text.value == whole]
    if not places:
        return None
    places[-1].splice([(len(answer), len(whole), "")])
    return editable.render()
