"""Which characters of a rendered conversation the assistant says: they carry loss."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.chat.template import CLOSE, OPEN, Template
from core.errors import DiapasonError

Dicts = Sequence[Mapping[str, Any]]
_NO_TOOLS = "Take a model that knows tools, or write calls and results into the text of the messages."
_PROBE = "diapasonprobe"
_REASONING_FIELD = re.compile(r"""reasoning_content|message(\.|\[['"])thinking""")
_THINK_OPENED = re.compile(r"<think>\s*$")


@dataclass(frozen=True, slots=True)
class Located:
    """A rendered conversation; `spans`: (start, end) characters that carry loss, in order, one or more a turn.

    prompt: characters of the text that generation gives the model before the last turn with loss.
    method: how the spans were found.
    """

    text: str
    spans: list[tuple[int, int]]
    prompt: int
    method: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation to render; thinking: whether the template shall let the model think, where it has that."""

    messages: Dicts
    tools: Dicts | None = None
    thinking: bool = False

    def upto(self, turn: int) -> Chat:
        """The same before message number `turn`."""
        return Chat(self.messages[:turn], self.tools, self.thinking)


class Masker:
    """Finds the assistant's words in what a chat template writes.

    First by the template's own `generation` marks; else by the difference between the conversation up to a turn
    with the generation prompt and the same with the turn, checked against the whole text. `locate` returns None
    where the whole text differs from what the model would have seen at that turn (Qwen3 drops earlier
    thinking); each turn is then a text of its own: `locate_last`.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self._chooses = "enable_thinking" in template.source
        self._reasons = bool(_REASONING_FIELD.search(template.source))
        self.header, self.tail = self._probe()
        self.stop = ""  # text of the end-of-turn token, once the tokenizer has named it

    def render(self, chat: Chat) -> str:
        """The conversation as the template writes it."""
        return self._template.render(chat.messages, tools=chat.tools, **self._choice(chat))

    def prompt(self, chat: Chat) -> str:
        """The conversation up to where the assistant begins to speak."""
        text = self._template.render(
            chat.messages, add_generation_prompt=True, tools=chat.tools, **self._choice(chat)
        )
        return text + self.header

    def prepare(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message with its think block in the field that the template reads, where it reads one."""
        content = message.get("content")
        if not self._reasons or message.get("role") != "assistant" or not isinstance(content, str):
            return dict(message)
        thought, closed, answer = content.rpartition("</think>")
        if not closed or "reasoning_content" in message:
            return dict(message)
        return {
            **message,
            "content": answer.lstrip("\n"),
            "reasoning_content": thought.rpartition("<think>")[2].strip("\n"),
        }

    def locate(self, chat: Chat, wanted: Collection[int]) -> Located | None:
        """Where the assistant turns `wanted` (indexes of messages, at least one) are in the whole conversation."""
        found = self._by_marks(chat, wanted) or self._by_prefix(chat, wanted)
        return self._checked(chat, found) if found else None

    def locate_last(self, chat: Chat) -> Located:
        """Where the last message, an assistant turn, is; the text is what the model shall read and write.

        Raises:
            DiapasonError: where its words cannot be told from the rest, or the template drops a part of them.
        """
        turn = len(chat.messages) - 1
        found = self._by_marks(chat, [turn]) or self._by_prefix(chat, [turn]) or self._joined(chat)
        if found:
            return self._checked(chat, found)
        raise DiapasonError(
            "the model's chat template does not show which words are the assistant's, or drops some of them",
            where=self._template.where,
            hint="Take a model whose template keeps the conversation as it is, or give the rows as plain text."
            if not any(message.get("tool_calls") for message in chat.messages)
            else _NO_TOOLS,
        )

    def _checked(self, chat: Chat, found: Located) -> Located:
        if _shows_results(chat.messages, found.text):
            return found
        raise DiapasonError(
            "the model's chat template leaves out what the tools answered", where=self._template.where, hint=_NO_TOOLS
        )

    def _by_prefix(self, chat: Chat, wanted: Collection[int]) -> Located | None:
        text = self.render(chat)
        spans: list[tuple[int, int]] = []
        prompt = 0
        for turn in sorted(wanted):
            place = self._difference(chat, turn, text)
            if place is None or (spans and place[0][0] < spans[-1][1]):
                return None
            spans.append(place[0])
            prompt = place[1]
        return Located(text, spans, prompt, "prefix")

    def _choice(self, chat: Chat) -> dict[str, Any]:
        return {"enable_thinking": chat.thinking} if self._chooses else {}

    def _by_marks(self, chat: Chat, wanted: Collection[int]) -> Located | None:
        if not self._template.has_marks:
            return None
        choice = self._choice(chat)
        text, spans = self._template.render_marked(chat.messages, tools=chat.tools, **choice)
        if len(spans) < len(wanted) or not (self._plain(chat) or text == self.render(chat)):
            return None
        turns = [index for index, message in enumerate(chat.messages) if message.get("role") == "assistant"]
        last = max(wanted)
        starts: list[int] = []  # for each turn asked for, the number of its first mark
        prompt = ""
        for turn in turns if len(wanted) < len(turns) else [last]:
            before, marked = "", []
            if turn:
                before, marked = self._template.render_marked(
                    chat.messages[:turn], add_generation_prompt=True, tools=chat.tools, **choice
                )
            if marked != spans[: len(marked)]:
                return None
            starts.append(len(marked))
            if turn == last:
                prompt = before + self.header
        kept = spans
        if len(wanted) < len(turns):
            bounds = [*starts, len(spans)]
            kept = [
                span
                for turn, start, end in zip(turns, bounds, bounds[1:], strict=False)
                if turn in wanted
                for span in spans[start:end]
            ]
        shown = "".join(text[start:end] for start, end in kept)
        if not text.startswith(prompt) or not all(_kept(chat.messages[turn], shown) for turn in wanted):
            return None  # what generation reads before the answer must be what training reads
        return Located(text, [self._with_stop(text, span) for span in kept], len(prompt), "marks")

    def _plain(self, chat: Chat) -> bool:
        """Whether the marks cannot have changed the text: no row has such characters, no part is looked at again."""
        return self._template.only_writes and not chat.tools and all(map(_without_marks, chat.messages))

    def _with_stop(self, text: str, span: tuple[int, int]) -> tuple[int, int]:
        """The span with the end-of-turn token behind it, where the marks leave that out."""
        start, end = span
        if not self.stop or text[start:end].rstrip().endswith(self.stop):
            return span
        rest = text[end:]
        space = len(rest) - len(rest.lstrip())
        return (start, end + space + len(self.stop)) if rest[space:].startswith(self.stop) else span

    def _difference(self, chat: Chat, turn: int, text: str) -> tuple[tuple[int, int], int] | None:
        """The span of a turn in `text` and the length of the prompt before it, or None."""
        if turn == 0:
            return None
        before = self.prompt(chat.upto(turn))
        upto = text if turn == len(chat.messages) - 1 else self.render(chat.upto(turn + 1))
        if not upto.startswith(before):
            return None
        end = self._end(upto, len(before))
        # Beyond the turn the template may go on otherwise (Phi-3 closes every conversation with eos).
        if text[:end] != upto[:end]:
            return None
        if not _kept(chat.messages[turn], text[len(before) : end]):
            return None
        start = len(before)
        if self._chooses:
            # Where the usual prompt leaves the think block to the model, it learns that block too.
            usual = self._template.render(chat.messages[:turn], add_generation_prompt=True, tools=chat.tools)
            start = len(usual) if before.startswith(usual) else start
        return (start, end), len(before)

    def _joined(self, chat: Chat) -> Located | None:
        """The generation prompt and the answer put together, where the template writes them differently.

        Some prompts open a think block that the finished turn does not show (DeepSeek-R1), some end in white
        space that it lacks. Training then reads what generation does: the prompt as it is, then the answer.
        """
        if len(chat.messages) < 2:
            return None
        text, answer = self.render(chat), chat.messages[-1]
        before = self.prompt(chat.upto(len(chat.messages) - 1))
        opened = _THINK_OPENED.search(before)
        base = before[: opened.start()] if opened else before.rstrip()
        if not text.startswith(base):
            return None
        rest = text[len(base) :].lstrip()
        if opened:
            thought, _ = _parts(answer)
            rest = f"{thought}\n</think>\n\n{rest}"
        if not _kept(answer, rest):
            return None
        whole = before + rest
        return Located(whole, [(len(before), self._end(whole, len(before)))], len(before), "joined")

    def _end(self, text: str, start: int) -> int:
        """Where the turn that `text` ends with is over: behind its end-of-turn token, where it has one."""
        at = text.rfind(self.stop, start) if self.stop else -1
        return len(text) if at < 0 else at + len(self.stop)

    def _probe(self) -> tuple[str, str]:
        """The header that the template writes before an answer but not in its generation prompt, and what it
        writes behind an answer; empty where it refuses a question with an answer."""
        question = [{"role": "user", "content": "x"}]
        try:
            before = self._template.render(question, add_generation_prompt=True)
            after = self._template.render([*question, {"role": "assistant", "content": _PROBE}])
        except DiapasonError:
            return "", ""
        start = after.find(_PROBE)
        if start < 0:
            return "", ""
        tail = after[start + len(_PROBE) :]
        header = after[len(before) : start] if after.startswith(before) else ""
        takes_prompt = "add_generation_prompt" in self._template.source
        return (header if header.strip() and not takes_prompt else ""), tail


def _without_marks(message: Mapping[str, Any]) -> bool:
    """Whether all that the message holds is plain text without the marks."""
    return all(isinstance(value, str) and OPEN not in value and CLOSE not in value for value in message.values())


def _kept(message: Mapping[str, Any], shown: str) -> bool:
    """Whether `shown` holds the words of `message`: the answer, and the thinking in front of it."""
    thought, answer = _parts(message)
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        return all(_call_name(call) in shown for call in calls)
    return answer.strip() in shown and thought in shown


def _call_name(call: Any) -> str:
    inner = call.get("function") if isinstance(call, dict) else None
    name = (inner if isinstance(inner, dict) else call).get("name") if isinstance(call, dict) else None
    return name if isinstance(name, str) else ""


def _shows_results(messages: Dicts, text: str) -> bool:
    """Whether `text` holds what the tools have answered, as it is or as a JSON string."""
    for message in messages:
        content = message.get("content")
        if message.get("role") != "tool" or not isinstance(content, str):
            continue
        plain = content.strip()
        if plain not in text and json.dumps(plain, ensure_ascii=False)[1:-1] not in text:
            return False
    return True


def _parts(message: Mapping[str, Any]) -> tuple[str, str]:
    """The thinking and the answer of an assistant message, either of which may be empty."""
    content = message.get("content")
    thought, _, answer = content.rpartition("</think>") if isinstance(content, str) else ("", "", "")
    given = message.get("reasoning_content")
    return (given if isinstance(given, str) else thought.rpartition("<think>")[2]).strip(), answer
