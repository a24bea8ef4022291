"""A model's way to read a conversation: text, token ids, and which of them carry loss."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from core.chat.masks import Chat, Dicts, Located, Masker
from core.chat.template import Template
from core.chat.tokenizer import ModelTokenizer
from core.data.example import Example
from core.errors import DiapasonError
from core.models import ModelInfo, read_json_file

NO_LOSS = -100
Loss = Literal["all-answers", "last-answer", "everything"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the model reads it.

    labels: the ids that carry loss, -100 elsewhere; as long as input_ids. cut: tokens lost to the length limit.
    method: how the answers were found (marks, prefix, joined, plain, text, everything). ends_with_stop: the last
    answer's end-of-turn token is there and carries loss. prompt_length: how many tokens `prompt_ids` gives of it
    (0 for plain text): what follows is the last answer. closed: false where the template ends no turn, so that
    the end-of-turn token was put there.
    """

    input_ids: list[int]
    labels: list[int]
    cut: int
    method: str
    ends_with_stop: bool
    prompt_length: int
    closed: bool = True


class NoLoss(DiapasonError):
    """No answer of a row carries loss."""


class ChatModel:
    """The tokenizer and chat template of one model folder; see `load_chat`.

    thinking: whether prompts for generation ask for a think block, where the template lets one choose. Set it
    where the training answers have think blocks (`answers_think`).
    """

    def __init__(self, folder: Path, vocab_size: int | None = None) -> None:
        self.tokenizer = ModelTokenizer(folder)
        if vocab_size and self.tokenizer.highest_id >= vocab_size:
            raise DiapasonError(
                f"the tokenizer has ids up to {self.tokenizer.highest_id}, the model only {vocab_size} embeddings",
                where=str(folder),
                hint="Tokenizer and weights are not of the same model: download both again.",
            )
        self.thinking = False
        self.vocab = self.tokenizer.size
        sources = _templates(folder, self.tokenizer.settings)
        where = str(folder)
        self._masker: Masker | None = None
        self._tool_masker: Masker | None = None
        if "default" in sources:
            self._masker = self._make_masker(Template(sources["default"], self.tokenizer.specials, where=where))
            if "tool_use" in sources:
                tool_template = Template(sources["tool_use"], self.tokenizer.specials, where=where)
                self._tool_masker = self._make_masker(tool_template)
        self.bos_id: int | None = self.tokenizer.bos_id
        declared = _declared_stops(folder)
        eos = self.tokenizer.eos_id
        turn_end = self.tokenizer.id_of(self._masker.stop or None) if self._masker else None
        ends = [i for i in (eos, *sorted(declared), turn_end) if i is not None]
        if not ends:
            raise DiapasonError(
                "the model names no end-of-sequence token, so it could never learn where to stop",
                where=str(folder),
                hint="Set eos_token in tokenizer_config.json.",
            )
        self.stop_ids = frozenset(ends)
        self.eos_id: int = ends[0]
        self.turn_end_id: int = self.eos_id if turn_end is None else turn_end
        pad = self.tokenizer.id_of(self.tokenizer.specials.get("pad_token"))
        self.pad_id: int = self.eos_id if pad is None else pad

    @property
    def has_template(self) -> bool:
        """Whether the model brings a chat template; without one, rows are plain text."""
        return self._masker is not None

    def render(self, messages: Dicts, *, add_generation_prompt: bool = False, tools: Dicts | None = None) -> str:
        """`messages` as one text. Raises DiapasonError where the template refuses them."""
        masker = self._for(tools)
        if masker is None:
            return "".join(_plain(message) for message in messages)
        chat = Chat([masker.prepare(message) for message in messages], _wrapped(tools), self.thinking)
        return masker.prompt(chat) if add_generation_prompt else masker.render(chat)

    def prompt_ids(self, messages: Dicts, tools: Dicts | None = None) -> list[int]:
        """The ids after which the model shall answer: with generation prompt, and at most one BOS."""
        if self._for(tools) is None:
            return self._plain_ids(messages, tools)[0]
        return self._single_bos(self.tokenizer.ids(self.render(messages, add_generation_prompt=True, tools=tools)))

    def encode(
        self,
        example: Example,
        *,
        max_length: int | None = None,
        loss: Loss = "all-answers",
        keep_all: bool = False,
    ) -> Encoded:
        """The row as one sequence; `encode_all`'s last one, where it takes several to hold every answer."""
        return self.encode_all(example, max_length=max_length, loss=loss, keep_all=keep_all)[-1]

    def encode_all(
        self,
        example: Example,
        *,
        max_length: int | None = None,
        loss: Loss = "all-answers",
        keep_all: bool = False,
    ) -> list[Encoded]:
        """The row as the sequences to train on: one, or one an assistant turn where the template shows a turn
        otherwise once it is past. A preference gives the chosen answer.

        Args:
            max_length: tokens kept; the rest is cut off at the end and counted in `cut`.
            loss: which tokens carry loss.
            keep_all: count what is cut but leave the lists whole, for display.

        Raises:
            DiapasonError: where it cannot be told which tokens are the assistant's, with the line of the row.
        """
        try:
            rows = self._encode(example, loss)
        except DiapasonError as error:
            where = f"line {example.line}"
            raise type(error)(error.message, where=where, hint=error.hint) from error
        return [row if max_length is None else _limit(row, max_length, self.stop_ids, keep_all) for row in rows]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` without special tokens."""
        return self.tokenizer.decode(list(ids))

    def piece(self, token_id: int) -> str:
        """How one token reads, for showing; not inert yet."""
        return self.tokenizer.piece(token_id)

    def _make_masker(self, template: Template) -> Masker:
        masker = Masker(template)
        for token_id in self.tokenizer.ids(masker.tail):
            piece = self.tokenizer.piece(token_id)
            if token_id in self.tokenizer.added:
                masker.stop = piece
            if piece.strip():
                break
        return masker

    def _for(self, tools: Dicts | None) -> Masker | None:
        return self._tool_masker if tools and self._tool_masker else self._masker

    def locate(self, example: Example, loss: Loss = "all-answers") -> list[Located] | None:
        """The texts that `encode_all` gives as tokens, with where their loss is; None where no template is used.

        Raises:
            DiapasonError: as `encode_all`, without the line.
        """
        tools = list(example.tools) or None
        masker = self._for(tools)
        if example.text is not None or masker is None:
            return None
        wanted = _wanted(example, loss)
        thinking = self.thinking or answers_think([example])
        messages = [masker.prepare(message.to_dict()) for message in example.messages]
        chat = Chat(messages, _wrapped(tools), thinking)
        if loss == "everything":
            text = masker.render(chat)
            prompt = masker.prompt(chat.upto(max(wanted))) if max(wanted) else ""
            at = len(prompt) if text.startswith(prompt) else 0
            return [Located(text, [(0, len(text))], at, "everything")]
        found = masker.locate(chat, wanted)
        if found:
            return [found]
        if len(wanted) > 1:
            # A turn without anything before it has no prompt, and nothing to be learned from.
            wanted = [turn for turn in wanted if turn]
        return [masker.locate_last(chat.upto(turn + 1)) for turn in wanted]

    def _encode(self, example: Example, loss: Loss) -> list[Encoded]:
        if example.text is not None:
            ids = [*self.tokenizer.prefix, *self.tokenizer.ids(example.text)]
            if not ids or ids[-1] != self.eos_id:
                ids.append(self.eos_id)
            return [Encoded(ids, list(ids), 0, "text", True, 0)]
        located = self.locate(example, loss)
        if located is None:
            messages: Dicts = [message.to_dict() for message in example.messages]
            return [self._encode_plain(messages, list(example.tools) or None, _wanted(example, loss), loss)]
        return [self._tokens(found) for found in located]

    def _tokens(self, found: Located) -> Encoded:
        at = found.prompt
        ids, spans = self._cut_at(found.text, sorted({at, *(start for start, _ in found.spans)}))
        while len(ids) > 1 and ids[0] == ids[1] == self.bos_id:
            ids, spans = ids[1:], spans[1:]
        labels = [NO_LOSS] * len(ids)
        token = 0
        for start, end in found.spans:
            while token < len(ids) and spans[token][1] <= start:
                token += 1
            while token < len(ids) and spans[token][0] < end:
                labels[token] = ids[token]
                token += 1
        closed = any(label in self.stop_ids and spans[index][0] >= at for index, label in enumerate(labels))
        if not closed:
            # The template closes no turn: the end of the row is the only end to learn.
            ids, labels = [*ids, self.turn_end_id], [*labels, self.turn_end_id]
        length = sum(1 for _, end in spans if end <= at)
        return Encoded(ids, labels, 0, found.method, True, length, closed)

    def _cut_at(self, text: str, borders: Sequence[int]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids and spans of `text`, with no token across a border: generation begins right there."""
        ids, spans = self.tokenizer.spans(text)
        starts = {start for start, _ in spans} | {len(text)}
        crossed = [border for border in borders if border not in starts] if self.tokenizer.splits else []
        if not crossed:
            return ids, spans
        ids, spans = [], []
        for start, end in zip([0, *crossed], [*crossed, len(text)], strict=True):
            more, places = self.tokenizer.spans(text[start:end])
            ids += more
            spans += [(start + first, start + last) for first, last in places]
        return ids, spans

    def _plain_ids(self, messages: Dicts, tools: Dicts | None) -> tuple[list[int], list[int]]:
        """Ids and turn numbers (-1 for what opens the text) of messages for a model without a template.

        Each message's text; a line feed after those that are not the assistant's, eos after those that are.
        """
        ids, turns = list(self.tokenizer.prefix), [-1] * len(self.tokenizer.prefix)
        if tools:
            opening = self.tokenizer.ids("".join(json.dumps(tool, ensure_ascii=False) + "\n" for tool in tools))
            ids, turns = ids + opening, turns + [-1] * len(opening)
        for number, message in enumerate(messages):
            more = self.tokenizer.ids(_plain(message))
            if message.get("role") == "assistant":
                more = [*more, self.eos_id]
            ids, turns = ids + more, turns + [number] * len(more)
        return ids, turns

    def _encode_plain(self, messages: Dicts, tools: Dicts | None, wanted: Sequence[int], loss: Loss) -> Encoded:
        ids, turns = self._plain_ids(messages, tools)
        carries = [loss == "everything" or turn in wanted for turn in turns]
        labels = [token if carry else NO_LOSS for token, carry in zip(ids, carries, strict=True)]
        return Encoded(ids, labels, 0, "plain", labels[-1] in self.stop_ids, turns.index(max(wanted)))

    def _single_bos(self, ids: list[int]) -> list[int]:
        while len(ids) > 1 and ids[0] == ids[1] == self.bos_id:
            ids = ids[1:]
        return ids


def load_chat(model: ModelInfo | Path) -> ChatModel:
    """The tokenizer and chat template of `model`.

    Raises:
        DiapasonError: where the tokenizer is missing or broken, the template is, or no token ends a sequence.
    """
    if isinstance(model, ModelInfo):
        return ChatModel(model.path, model.vocab_size or None)
    return ChatModel(model)


def answers_think(examples: Iterable[Example]) -> bool:
    """Whether an answer among `examples` holds a think block."""
    return any("</think>" in message.content for row in examples for message in row.completion)


def final_answer(text: str) -> str:
    """A generated text without the think block in front of it."""
    return text.rpartition("</think>")[2].lstrip("\n") if "</think>" in text else text


def _wrapped(tools: Dicts | None) -> Dicts | None:
    """Tools as templates expect them: ``{"type": "function", "function": {…}}``, around those given bare."""
    if not tools:
        return None
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]


def _wanted(example: Example, loss: Loss) -> list[int]:
    first = len(example.prompt) if loss == "last-answer" else 0
    turns = [
        index
        for index, message in enumerate(example.messages)
        if message.role == "assistant" and index >= first and message.weight != 0
    ]
    if not turns:
        raise NoLoss(
            "no answer in this row carries loss", hint="It needs an assistant message whose weight is not 0."
        )
    return turns


def _limit(row: Encoded, max_length: int, stops: frozenset[int], keep_all: bool) -> Encoded:
    cut = max(0, len(row.input_ids) - max_length)
    if not cut:
        return row
    ended = row.ends_with_stop and any(label in stops for label in row.labels[row.prompt_length : max_length])
    size = len(row.input_ids) if keep_all else max_length
    return replace(row, input_ids=row.input_ids[:size], labels=row.labels[:size], cut=cut, ends_with_stop=ended)


def _plain(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    text = content if isinstance(content, str) else ""
    calls = message.get("tool_calls")
    if calls:
        text = "\n".join([*([text] if text else []), *(json.dumps(call, ensure_ascii=False) for call in calls)])
    if message.get("role") == "assistant":
        return text
    return text if text[-1:].isspace() else text + "\n"


def _templates(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """The chat templates of a folder by name; files win over tokenizer_config.json, as in transformers."""
    found: dict[str, str] = {}
    listed = settings.get("chat_template")
    if isinstance(listed, list):
        listed = {str(item.get("name")): item.get("template") for item in listed if isinstance(item, dict)}
    if isinstance(listed, str):
        found["default"] = listed
    elif isinstance(listed, dict):
        found = {name: source for name, source in listed.items() if isinstance(source, str)}
    older = folder / "chat_template.json"
    if "default" not in found and older.is_file():
        value = read_json_file(older)
        if isinstance(value, dict) and isinstance(value.get("chat_template"), str):
            found["default"] = value["chat_template"]
    files = {"default": folder / "chat_template.jinja"}
    files |= {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    for name, path in files.items():
        try:
            found[name] = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise DiapasonError("the chat template cannot be read", where=str(path)) from error
    return {name: source for name, source in found.items() if source}


def _declared_stops(folder: Path) -> set[int]:
    """The eos ids that generation_config.json names, or else config.json."""
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        value = read_json_file(path) if path.is_file() else {}
        ids = value.get("eos_token_id") if isinstance(value, dict) else None
        found = {i for i in (ids if isinstance(ids, list) else [ids]) if isinstance(i, int)}
        if found:
            return found
    return set()
