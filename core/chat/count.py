"""Counting a text's tokens word by word, for tokenizers where that gives exactly what encoding all of it does.

Byte-level tokenizers part a text by a regular expression before anything else, and no piece of it goes on from a
character into a space behind it. So a text may be cut in front of every space that follows a character, and what a
word's tokens number is remembered: most words of a file come again.
"""

from __future__ import annotations

import json
import re
from typing import Any

from core.chat.tokenizer import ModelTokenizer

# The expressions of Llama 3, Qwen 2 and the GPT-4o family, as their tokenizer.json files give them; GPT-2's is built
# into ByteLevel. In none of them does an alternative match a space behind another character than white space.
_SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_KNOWN = {
    _SUFFIX + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + _END
    for digits in (r"\p{N}", r"\p{N}{1,3}")
} | {
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{suffix}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{suffix}"
    + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    + _END
    for suffix in (_SUFFIX + "?", "")
}  # fmt: skip
_AFTER_SPACE = re.compile(r"\s ").search
_CUT = re.compile(r"(?<=\S)(?= )").split
_KEPT = 400_000
_LONGEST = 200


class _Words(dict[str, int]):
    """Tokens of a word, counted once."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> int:
        number = len(self._tokenizer.ids(word))
        if len(word) <= _LONGEST:
            if len(self) >= _KEPT:
                self.clear()
            self[word] = number
        return number


class WordCounter:
    """Counts tokens of texts; make one by `word_counter`. `controls` matches the tokens that are taken out first."""

    def __init__(self, tokenizer: ModelTokenizer, controls: re.Pattern[str]) -> None:
        self._tokenizer = tokenizer
        self._controls = controls
        self._words = _Words(tokenizer)
        self._cuts: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}

    def count(self, text: str) -> int:
        """How many tokens `text` has."""
        return self.places(text, [])[0]

    def places(self, text: str, borders: list[int]) -> tuple[int, dict[int, int]]:
        """The tokens of `text`, and how many come before each of `borders` (places between characters).

        No token goes across a border: where one would, the text is cut there, as `ChatModel` does it.
        """
        wanted = sorted(set(borders))
        before: dict[int, int] = {}
        total = position = at = 0
        for part in self._controls.split(text):
            end = position + len(part)
            while at < len(wanted) and wanted[at] <= position:
                before[wanted[at]] = total
                at += 1
            first = at
            while at < len(wanted) and wanted[at] < end:
                at += 1
            if first == at:
                total += sum(map(self._words.__getitem__, _words(part)))
            else:
                total = self._parted(part, position, wanted[first:at], total, before)
            position = end
        for place in wanted[at:]:
            before[place] = total
        return total, before

    def _parted(self, part: str, position: int, wanted: list[int], total: int, before: dict[int, int]) -> int:
        """The total behind `part`, in which the places `wanted` are."""
        at = 0
        for word in _words(part):
            end = position + len(word)
            first = at
            while at < len(wanted) and wanted[at] < end:
                at += 1
            if first == at:
                total += self._words[word]
            else:
                inside = tuple(place - position for place in wanted[first:at])
                *counts, whole = self._inside(word, inside)
                before.update(zip(wanted[first:at], (total + number for number in counts), strict=True))
                total += whole
            position = end
        return total

    def _inside(self, word: str, inside: tuple[int, ...]) -> tuple[int, ...]:
        """Tokens of `word` before each place in it, and of all of it."""
        known = self._cuts.get((word, inside))
        if known is not None:
            return known
        starts = {start for start, _ in self._tokenizer.spans(word)[1]}
        cuts = [place for place in inside if place and place not in starts]
        counts: list[int] = []
        total = 0
        for start, end in zip([0, *cuts], [*cuts, len(word)], strict=True):
            spans = self._tokenizer.spans(word[start:end])[1]
            for place in inside:
                if start <= place < end:
                    counts.append(total + sum(1 for _, last in spans if last + start <= place))
            total += len(spans)
        if len(word) <= _LONGEST and len(self._cuts) < _KEPT:
            self._cuts[word, inside] = (*counts, total)
        return (*counts, total)


def word_counter(tokenizer: ModelTokenizer) -> WordCounter | None:
    """A counter for `tokenizer`; None for one where cutting a text at its spaces could change its tokens."""
    layout: dict[str, Any] = json.loads(tokenizer.backend.to_str())
    if not tokenizer.splits or (layout.get("model") or {}).get("type") != "BPE":
        return None
    if (layout.get("normalizer") or {"type": "NFC"}).get("type") != "NFC":
        return None
    for token in layout.get("added_tokens") or []:
        if " " in token["content"] or any(token.get(flag) for flag in ("lstrip", "rstrip", "single_word")):
            return None
    if not _byte_level(layout.get("pre_tokenizer")):
        return None
    # The longest first, as the tokenizer prefers it.
    names = sorted((token["content"] for token in layout.get("added_tokens") or []), key=len, reverse=True)
    controls = re.compile("(" + "|".join(map(re.escape, names)) + ")" if names else r"(?!)")
    return WordCounter(tokenizer, controls)


def _byte_level(layout: Any) -> bool:
    """Whether this is GPT-2's way of parting a text, or that of a family known to part it before spaces too."""
    steps = layout.get("pretokenizers", [layout]) if isinstance(layout, dict) else []
    parted = False
    for step in steps:
        kind = step.get("type")
        if kind == "ByteLevel" and not step.get("add_prefix_space"):
            parted = parted or bool(step.get("use_regex", True))
        elif kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
            if (step.get("pattern") or {}).get("Regex") not in _KNOWN:
                return False
            parted = True
        elif kind != "Digits":
            return False
    return parted


def _words(text: str) -> list[str]:
    """`text` cut in front of each space behind a character."""
    if _AFTER_SPACE(text):
        return _CUT(text)
    first, *rest = text.split(" ")
    words = [" " + word for word in rest]
    return [first, *words] if first else words
