"""Answers to a few validation prompts, written at each evaluation, so that one sees the model learn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.chat import final_answer
from core.engine.answering import answers
from core.files import JsonlWriter

if TYPE_CHECKING:
    from core.chat import ChatModel
    from core.data.example import Example


class Sampler:
    """Answers the first `count` prompts among `examples` greedily and appends them to samples.jsonl.

    Prompts that leave no room for an answer within `max_positions` are passed over, as are plain texts. Of several
    processes only the `main` one writes.
    """

    def __init__(
        self,
        chat: ChatModel,
        examples: Iterable[Example],
        path: Path,
        *,
        count: int,
        max_new_tokens: int,
        pad_id: int,
        max_positions: int | None,
        main: bool = True,
    ) -> None:
        self._chat = chat
        self._pad_id = pad_id
        self._max_new_tokens = max_new_tokens
        self._max_positions = max_positions
        self._chosen: list[tuple[list[dict[str, Any]], list[int], str]] = []
        self._path = path
        asked = (example for example in examples if example.prompt)
        for example in islice(asked, count * 20):
            if len(self._chosen) >= count:
                break
            messages = [message.to_dict() for message in example.prompt]
            ids = chat.prompt_ids(messages, tools=list(example.tools) or None)
            if max_positions is None or len(ids) < max_positions:
                self._chosen.append((messages, ids, example.answer))
        self._writer = JsonlWriter(path) if self._chosen and main else None

    def write(self, model: Any, step: int) -> None:
        """Answer with `model` as it is now, in evaluation mode meanwhile; step 0 is the untuned model."""
        if not self._chosen:
            return
        training = model.training
        model.eval()
        try:
            batches = answers(
                model,
                [ids for _, ids, _ in self._chosen],
                stop_ids=sorted(self._chat.stop_ids),
                pad_id=self._pad_id,
                max_new_tokens=self._max_new_tokens,
                max_positions=self._max_positions,
            )
            said = {index: ids for batch in batches for index, ids, _ in batch}
        finally:
            model.train(training)
        if self._writer is None:
            return
        for index, (messages, _, reference) in enumerate(self._chosen):
            answer = final_answer(self._chat.decode(said[index]))
            self._writer.write(
                {"step": step, "index": index, "prompt": messages, "answer": answer, "reference": reference}
            )
