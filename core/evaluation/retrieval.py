"""What stands in a prompt because of the question: the nearest training examples, or the best pieces of documents."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.data.example import Example, Message
from core.errors import UsageError
from core.evaluation.arms import prompt_key, text_key, usable_shots
from core.evaluation.documents import Document

#: How documents are put before a question; both places have to be there once.
TEMPLATE = "Use these excerpts where they help to answer the question below.\n\n{context}\n\nQuestion: {question}"
_PLACES = re.compile(r"\{(context|question)\}")
# Scripts written without spaces: their words are unknown, so each pair of characters counts as one, as Lucene's
# CJKAnalyzer does (lucene.apache.org, CJKBigramFilter).
_UNSPACED = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORDS = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")
# Lucene's form and its values of k1 and b (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework").
_K1, _B = 1.2, 0.75

Spans = Callable[[str], Sequence[tuple[int, int]]]


def words(text: str) -> list[str]:
    """The words of a text as they are searched: case aside; pairs of characters where a script has no spaces."""
    found: list[str] = []
    for word in _WORDS.findall(text.casefold()):
        if len(word) > 1 and _FIRST_UNSPACED.match(word):
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
    return found


class Index:
    """Texts that can be asked for those nearest to a question, by BM25 (bm25s)."""

    def __init__(self, texts: Iterable[str]) -> None:
        corpus = [words(text) for text in texts]
        self.size = len(corpus)
        self._bm25: Any = None
        if any(corpus):
            import bm25s

            self._bm25 = bm25s.BM25(k1=_K1, b=_B, method="lucene", backend="numpy")
            self._bm25.index(corpus, create_empty_token=False, show_progress=False)

    def nearest(self, question: str, count: int, without: Callable[[int], bool] | None = None) -> list[int]:
        """The numbers of the `count` texts nearest to `question`, nearest first; ties by their order.

        Args:
            without: texts that are passed over.

        Texts that share no word with the question come last, in their order.
        """
        scores = np.zeros(self.size, np.float32)
        asked = words(question)
        if self._bm25 is not None and (known := self._bm25.get_tokens_ids(asked)):
            scores = self._bm25.get_scores_from_ids(known)
        found: list[int] = []
        for number in np.argsort(-scores, kind="stable").tolist():
            if len(found) == count:
                break
            if without is None or not without(number):
                found.append(number)
        return found


class Neighbours:
    """The training examples nearest to a question."""

    def __init__(self, train: Iterable[Example], count: int) -> None:
        self._rows = usable_shots(train, count)
        self._keys = [prompt_key(row) for row in self._rows]
        self._index = Index(row.prompt_text for row in self._rows)

    def of(self, example: Example, count: int) -> list[Example]:
        """The `count` nearest, nearest first; never one that asks what `example` asks."""
        mine = prompt_key(example)
        near = self._index.nearest(example.prompt_text, count, lambda number: self._keys[number] == mine)
        return [self._rows[number] for number in near]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. start: its first character there. keys: those of the row that it is of."""

    source: str
    start: int
    text: str
    keys: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The piece as a record of answers.jsonl keeps it."""
        return {"source": self.source, "start": self.start, "text": self.text}


def chunks(documents: Iterable[Document], spans: Spans, size: int, overlap: int) -> Iterator[Chunk]:
    """`documents` in pieces of at most `size` tokens, each beginning `overlap` tokens before the last one's end.

    A piece ends between two words where it can.

    Args:
        spans: the characters of each token of a text.
    """
    for document in documents:
        text = document.text
        tokens = spans(text)
        first = 0
        while first < len(tokens):
            last = min(first + size, len(tokens))
            start, end = tokens[first][0], tokens[last - 1][1]
            if last < len(tokens) and (space := _last_space(text, start + (end - start) // 2, end)):
                end = space
            piece = text[start:end].strip()
            if piece:
                yield Chunk(document.source, start, piece, document.keys)
            if last == len(tokens):
                break
            while last > first + 1 and tokens[last - 1][0] >= end:
                last -= 1
            first = max(first + 1, last - overlap)


def _last_space(text: str, low: int, high: int) -> int:
    """The last place between `low` and `high` after which a word ends, or 0."""
    if text[high : high + 1].isspace():
        return high
    return next((at for at in range(high - 1, low, -1) if text[at].isspace()), 0)


class Library:
    """Pieces of documents, and which of them are best for a question."""

    def __init__(self, pieces: Iterable[Chunk]) -> None:
        self._pieces = list(pieces)
        self._index = Index(piece.text for piece in self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def of(self, example: Example, count: int) -> list[Chunk]:
        """The `count` best, best first; never of a row of data that holds the very question."""
        mine = prompt_key(example), text_key(question_of(example))
        near = self._index.nearest(
            question_of(example), count, lambda number: not self._pieces[number].keys.isdisjoint(mine)
        )
        return [self._pieces[number] for number in near]


def question_of(example: Example) -> str:
    """What was asked last."""
    asked = [message.content for message in example.prompt if message.role == "user"]
    return asked[-1] if asked else example.prompt_text


def check_template(template: str, where: str = "evaluation.rag_template") -> str:
    """`template`, where it names {context} and {question} once each. Raises UsageError where not."""
    if sorted(_PLACES.findall(template)) != ["context", "question"]:
        raise UsageError("has to hold {context} and {question}, once each", where=where)
    return template


def with_chunks(example: Example, found: Sequence[Chunk], template: str) -> Example:
    """`example` with the pieces put before its last question as `template` says; as it is where there are none."""
    last = max((at for at, message in enumerate(example.prompt) if message.role == "user"), default=None)
    if last is None or not found:
        return example
    context = "\n\n".join(f"[{number}] {piece.source}\n{piece.text}" for number, piece in enumerate(found, 1))
    values = {"context": context, "question": example.prompt[last].content}
    text = _PLACES.sub(lambda place: values[place[1]], template)
    message: Message = dataclasses.replace(example.prompt[last], content=text)
    return dataclasses.replace(example, prompt=(*example.prompt[:last], message, *example.prompt[last + 1 :]))
