"""The test rows as each arm gets them: the question, and what stands before it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.chat import NO_LOSS, ChatModel
from core.data.example import Example
from core.engine.models import Owner
from core.evaluation.arms import Arm, pick_shots, with_shots
from core.evaluation.documents import read_folder
from core.evaluation.retrieval import TEMPLATE, Library, Neighbours, chunks, with_chunks


@dataclass(slots=True)
class Asked:
    """One test row as one arm gets it.

    Attributes:
        prompt: token ids after which the model answers. ids, labels: prompt and answer, for the loss. All are empty
            for an endpoint, which gets `messages`.
        shown: what answers.jsonl keeps of what stands before the question. dropped: how much of it did not fit.
        key: of two rows with the same key the answers are the same.
    """

    example: Example
    prompt: list[int]
    ids: list[int]
    labels: list[int]
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    dropped: int = 0
    key: str = ""

    def identify(self, who: Any) -> None:
        """Set the key: of `who` answers how, and of all that is asked."""
        whole = json.dumps([who, self.prompt, self.ids, self.labels, self.messages], sort_keys=True)
        self.key = hashlib.sha256(whole.encode("utf-8", "backslashreplace")).hexdigest()[:24]


def plain(chat: ChatModel, example: Example) -> Asked:
    """The row alone."""
    encoded = chat.encode(example, loss="last-answer")
    prompt: list[int] = []
    if example.prompt:
        messages = [message.to_dict() for message in example.prompt]
        prompt = chat.prompt_ids(messages, tools=list(example.tools) or None)
    # What the generation prompt gives (an empty think block, say) is trained on but no part of the answer.
    given = encoded.prompt_length
    return Asked(example, prompt, encoded.input_ids, [NO_LOSS] * given + encoded.labels[given:])


def fits(asked: Asked, limit: int) -> bool:
    """Whether a model that reads `limit` tokens can be asked."""
    return len(asked.ids) <= limit and len(asked.prompt) < limit


def spoken(example: Example) -> Asked:
    """The row as an endpoint gets it: roles and texts."""
    messages = [{"role": message.role, "content": message.text()} for message in example.prompt]
    return Asked(example, [], [], [], messages)


class Prompter:
    """Makes the prompts of the arms of one run's model.

    Args:
        train: the rows that examples are taken from.
        answer: tokens of an answer, which shall find room behind what is put before a question.
        rag: top_k, chunk_size, chunk_overlap and template.
        tick: is called now and then; it may raise to stop.
    """

    def __init__(
        self,
        owner: Owner,
        train: Sequence[Example],
        *,
        seed: int,
        answer: int,
        rag: dict[str, Any],
        tick: Callable[[], None],
    ) -> None:
        self._owner, self._train, self._seed, self._answer = owner, train, seed, answer
        self._rag = rag
        self._tick = tick
        self._libraries: dict[str, tuple[Library, dict[str, Any]]] = {}

    def ask(self, arm: Arm, rows: Sequence[Asked]) -> tuple[list[Asked], dict[str, Any]]:
        """The rows as `arm` gets them, and what is to be told of it.

        Raises:
            DiapasonError: the documents cannot be read.
        """
        told: dict[str, Any] = {}
        if arm.kind == "few-shot":
            shots = pick_shots(self._train, arm.shots, self._seed)
            found = [self._with_examples(row, shots) for row in rows]
        elif arm.kind == "bm25":
            near = Neighbours(self._train, arm.shots)
            # The nearest stands next to the question, and is the last to be left out.
            found = [
                self._with_examples(row, near.of(row.example, arm.shots), nearest_last=True)
                for row in self._each(rows)
            ]
        elif arm.folder:
            library, told = self._library(arm.folder)
            found = [self._with_pieces(row, library) for row in self._each(rows)]
        else:
            return [dataclasses.replace(row) for row in rows], told
        cut = [row.dropped for row in found if row.dropped]
        return found, {**told, "dropped": {"rows": len(cut), "pieces": sum(cut)}}

    def _each(self, rows: Sequence[Asked]) -> Iterator[Asked]:
        for row in rows:
            self._tick()
            yield row

    def _with_examples(self, row: Asked, shots: Sequence[Example], *, nearest_last: bool = False) -> Asked:
        turn = -1 if nearest_last else 1

        def make(count: int) -> Example:
            return with_shots(row.example, shots[:count][::turn])

        found, count = self._longest(row, len(shots), make)
        found.shown = {"examples": [shot.line for shot in shots[:count]]}
        return found

    def _with_pieces(self, row: Asked, library: Library) -> Asked:
        pieces = library.of(row.example, int(self._rag["top_k"]))
        template = self._rag.get("template") or TEMPLATE

        def make(count: int) -> Example:
            return with_chunks(row.example, pieces[:count], template)

        found, count = self._longest(row, len(pieces), make)
        found.shown = {"sources": [piece.to_json() for piece in pieces[:count]]}
        return found

    def _longest(self, row: Asked, most: int, make: Callable[[int], Example]) -> tuple[Asked, int]:
        """The row with as many pieces as fit, at most `most`; the last ones are left out first."""
        limit = self._owner.limit
        # A question that leaves little room by itself keeps that much.
        room = min(self._answer, limit - len(row.prompt))
        for count in range(most, 0, -1):
            longer = plain(self._owner.chat, make(count))
            if fits(longer, limit) and len(longer.prompt) + room <= limit:
                longer.example, longer.dropped = row.example, most - count
                return longer, count
        return Asked(row.example, row.prompt, row.ids, row.labels, dropped=most), 0

    def _library(self, folder: str) -> tuple[Library, dict[str, Any]]:
        if folder not in self._libraries:
            documents = read_folder(Path(folder))
            tokenizer = self._owner.chat.tokenizer
            size, overlap = int(self._rag["chunk_size"]), int(self._rag["chunk_overlap"])

            def spans(text: str) -> list[tuple[int, int]]:
                self._tick()
                return tokenizer.spans(text)[1]

            library = Library(chunks(documents.documents, spans, size, overlap))
            told = {"folder": folder, "documents": len(documents.documents), "chunks": len(library)}
            self._libraries[folder] = library, told | {"passed_over": dict(documents.passed_over)}
        return self._libraries[folder]
