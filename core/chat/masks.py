"""Which characters of a rendered conversation the assistant says: they carry loss."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.chat.template import Template
from core.errors import DiapasonError

Dicts = Sequence[Mapping[str, Any]]
_PROBE = "diapasonprobe"
_THINK_OPENED = re.compile(r"<think>\s*$")


@dataclass(frozen=True, slots=True)
class Located:
    """A rendered conversation; `spans`: (start, end) characters that carry loss, in order, one or more a turn.

    last: where the last turn with loss starts. method: how the spans were found.
    """

    text: str
    spans: list[tuple[int, int]]
    last: int
    method: str


class Masker:
    """Finds the assistant's words in what a chat template writes.

    First by the template's own `generation` marks; else by the difference between the conversation up to a turn
    with the generation prompt and the same with the turn, checked against the whole text. `locate` returns None
    where the whole text differs from what the model would have seen at that turn (Qwen3 drops earlier
    thinking); each turn is then a text of its own: `locate_last`.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self.header, self.tail = self._probe()
        self.stop = ""  # text of the end-of-turn token, once the tokenizer has named it

    def render(self, messages: Dicts, tools: Dicts | None = None) -> str:
        """`messages` as the template writes them."""
        return self._template.render(messages, tools=tools)

    def prompt(self, messages: Dicts, tools: Dicts | None = None, **extra: Any) -> str:
        """`messages` up to where the assistant begins to speak."""
        return self._template.render(messages, add_generation_prompt=True, tools=tools, **extra) + self.header

    def locate(self, messages: Dicts, wanted: Collection[int], tools: Dicts | None = None) -> Located | None:
        """Where the assistant turns `wanted` (indexes of messages) are in the whole conversation."""
        found = self._by_marks(messages, wanted, tools)
        if found:
            return found
        text = self._template.render(messages, tools=tools)
        spans: list[tuple[int, int]] = []
        for turn in sorted(wanted):
            span = self._difference(messages, turn, text, tools)
            if span is None or (spans and span[0] < spans[-1][1]):
                return None
            spans.append(span)
        return Located(text, spans, spans[-1][0], "prefix") if spans else None

    def locate_last(self, messages: Dicts, tools: Dicts | None = None) -> Located:
        """Where the last message, an assistant turn, is; the text is what the model shall read and write.

        Raises:
            DiapasonError: where its words cannot be told from the rest, or the template drops a part of them.
        """
        turn = len(messages) - 1
        found = self._by_marks(messages, [turn], tools)
        if found:
            return found
        text = self._template.render(messages, tools=tools)
        span = self._difference(messages, turn, text, tools)
        if span:
            return Located(text, [span], span[0], "prefix")
        joined = self._joined(messages, text, tools)
        if joined:
            return joined
        raise DiapasonError(
            "the model's chat template does not show which words are the assistant's, or drops some of them",
            where=self._template.where,
            hint="Take a model whose template keeps the conversation as it is, or give the rows as plain text.",
        )

    def _by_marks(self, messages: Dicts, wanted: Collection[int], tools: Dicts | None) -> Located | None:
        marked = self._template.render_marked(messages, tools=tools)
        if marked is None or len(marked[1]) < len(wanted) or not wanted:
            return None
        text, spans = marked
        turns = [index for index, message in enumerate(messages) if message.get("role") == "assistant"]
        last = max(wanted)
        # One more than each turn's first mark; asked only where some turns stay without loss.
        needed = turns if len(wanted) < len(turns) else [last]
        first = {turn: self._marks_before(messages, turn, spans, tools) for turn in needed}
        if any(count is None for count in first.values()):
            return None
        kept = spans
        if len(wanted) < len(turns):
            bounds = [*(first[turn] or 0 for turn in turns), len(spans)]
            kept = [
                span
                for turn, start, end in zip(turns, bounds, bounds[1:], strict=False)
                if turn in wanted
                for span in spans[start:end]
            ]
        at = first[last] or 0
        if not kept or at >= len(spans):
            return None
        return Located(text, [self._with_stop(text, span) for span in kept], spans[at][0], "marks")

    def _marks_before(
        self, messages: Dicts, turn: int, spans: list[tuple[int, int]], tools: Dicts | None
    ) -> int | None:
        if turn == 0:
            return 0
        before = self._template.render_marked(messages[:turn], add_generation_prompt=True, tools=tools)
        if before is None or before[1] != spans[: len(before[1])]:
            return None
        return len(before[1])

    def _with_stop(self, text: str, span: tuple[int, int]) -> tuple[int, int]:
        """The span with the end-of-turn token behind it, where the marks leave that out."""
        start, end = span
        if not self.stop or text[start:end].rstrip().endswith(self.stop):
            return span
        rest = text[end:]
        space = len(rest) - len(rest.lstrip())
        return (start, end + space + len(self.stop)) if rest[space:].startswith(self.stop) else span

    def _difference(self, messages: Dicts, turn: int, text: str, tools: Dicts | None) -> tuple[int, int] | None:
        if turn == 0:
            return None
        before = self.prompt(messages[:turn], tools)
        last = turn == len(messages) - 1
        upto = text if last else self._template.render(messages[: turn + 1], tools=tools)
        if not upto.startswith(before):
            return None
        end = len(upto)
        if not text.startswith(upto):
            # The template ends a conversation otherwise than a turn (Phi-3 writes eos behind the last turn).
            at = upto.rfind(self.stop, len(before)) if self.stop else -1
            end = at + len(self.stop)
            if at < 0 or text[:end] != upto[:end]:
                return None
        return (len(before), end) if _kept(messages[turn], text[len(before) : end]) else None

    def _joined(self, messages: Dicts, text: str, tools: Dicts | None) -> Located | None:
        """The generation prompt and the answer put together, where the template writes them differently.

        Some prompts open a think block that the finished turn does not show (DeepSeek-R1), some end in white
        space that it lacks. Training then reads what generation does: the prompt as it is, then the answer.
        """
        if len(messages) < 2:
            return None
        before = self.prompt(messages[:-1], tools)
        opened = _THINK_OPENED.search(before)
        base = before[: opened.start()] if opened else before.rstrip()
        if not text.startswith(base):
            return None
        rest = text[len(base) :]
        if opened:
            content = str(messages[-1].get("content") or "")
            thought, closed, _ = content.rpartition("</think>")
            thought = thought.replace("<think>", "", 1).strip("\n") if closed else ""
            rest = f"{thought}\n</think>\n\n" + rest.lstrip("\n")
        else:
            rest = rest.lstrip()
        if not _kept(messages[-1], rest):
            return None
        return Located(before + rest, [(len(before), len(before) + len(rest))], len(before), "joined")

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


def _kept(message: Mapping[str, Any], shown: str) -> bool:
    """Whether `shown` holds the words of `message`: the answer, and the thinking in front of it."""
    content = message.get("content")
    if message.get("tool_calls") or not isinstance(content, str):
        return True
    thought, _, answer = content.rpartition("</think>")
    return answer.strip() in shown and thought.replace("<think>", "", 1).strip() in shown
