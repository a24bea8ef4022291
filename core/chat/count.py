"""Counting a text's tokens word by word, for tokenizers where that gives exactly what encoding all of it does.

Byte-level tokenizers part a text by a regular expression before anything else, and no piece of it goes on from a
character into a space behind it. So a text may be cut in front of every space that follows a character, and what a
word's tokens number is remembered: most words of a file come again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from core.chat.tokenizer import ModelTokenizer

# The expressions of Llama 3, Qwen 2 and the GPT-4o family, as their tokenizer.json files give them; GPT-2's is built
# into ByteLevel. In none of them does an alternative match a space behind another character than white space.
# Each comes with what it is for ASCII text alone.
_ASCII = {"L": "A-Za-z", "N": "0-9", "U": "A-Z", "W": "a-z"}
_WIDE = {"L": r"\p{L}", "N": r"\p{N}", "U": r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", "W": r"\p{Ll}\p{Lm}\p{Lo}\p{M}"}
_END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"


def _usual(of: dict[str, str], digits: str) -> str:
    letters, numbers = (of["L"], of["N"]) if of is _WIDE else (f"[{of['L']}]", f"[{of['N']}]")
    return (
        rf"{_SUFFIX}|[^\r\n{of['L']}{of['N']}]?{letters}+|{numbers}{digits}| ?[^\s{of['L']}{of['N']}]+[\r\n]*{_END}"
    )


def _cased(of: dict[str, str], suffix: str) -> str:
    numbers, lead = of["N"] if of is _WIDE else f"[{of['N']}]", rf"[^\r\n{of['L']}{of['N']}]?"
    words = rf"{lead}[{of['U']}]*[{of['W']}]+{suffix}|{lead}[{of['U']}]+[{of['W']}]*{suffix}"
    return rf"{words}|{numbers}{{1,3}}| ?[^\s{of['L']}{of['N']}]+[\r\n/]*{_END}"


_KNOWN = {_usual(_WIDE, digits): _usual(_ASCII, digits) for digits in ("", "{1,3}")} | {
    _cased(_WIDE, suffix): _cased(_ASCII, suffix) for suffix in ("", _SUFFIX + "?")
}
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+"
Parts = Callable[[str], list[str]]
# White space before a space; two spaces, and one that begins a line, are looked for by themselves.
_SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x1f"
_RARE_SPACE = re.compile(r"[^\S \n] ").search
_CUT = re.compile(r"(?<=\S)(?= )").split
_KEPT = 400_000
_LONGEST = 200


class _Pieces(dict[str, int]):
    """Tokens of a piece of text, counted once."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, text: str) -> int:
        number = self._count(text)
        if len(text) <= _LONGEST:
            if len(self) >= _KEPT:
                self.clear()
            self[text] = number
        return number

    def _count(self, text: str) -> int:
        return len(self._tokenizer.ids(text))


class _Words(_Pieces):
    """Tokens of a word; those of an ASCII word from its parts, of which there are far fewer than words."""

    def __init__(self, tokenizer: ModelTokenizer, parts: Parts | None) -> None:
        super().__init__(tokenizer)
        self._parts = parts
        self._pieces = _Pieces(tokenizer)

    def _count(self, text: str) -> int:
        if self._parts is None or not text.isascii():
            return super()._count(text)
        return sum(map(self._pieces.__getitem__, self._parts(text)))


class WordCounter:
    """Counts tokens of texts; make one by `word_counter`. `controls` matches the tokens that are taken out first."""

    def __init__(self, tokenizer: ModelTokenizer, controls: re.Pattern[str], parts: Parts | None) -> None:
        self._tokenizer = tokenizer
        self._controls = controls
        self._words = _Words(tokenizer, parts)
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
        for number, part in enumerate(self._controls.split(text)):
            end = position + len(part)
            while at < len(wanted) and wanted[at] <= position:
                before[wanted[at]] = total
                at += 1
            first = at
            while at < len(wanted) and wanted[at] < end:
                at += 1
            if first == at and number % 2:
                total += 1  # a control token
            elif first == at:
                total += sum(map(self._words.__getitem__, _words(part)))
            else:
                total = self._parted(part, position, wanted[first:at], total, before)
            position = end
        for place in wanted[at:]:
            before[place] = total
        return total, before

    def _parted(self, part: str, position: int, wanted: list[int], total: int, before: dict[int, int]) -> int:
        """The total behind `part`, in which the places `wanted` are."""
        # Where a text is cut hangs on the characters on both sides alone: words away from the places stay the same.
        places = [place - position for place in wanted]
        left, right = _words(part[: places[0]]), _words(part[places[-1] :])
        total += sum(map(self._words.__getitem__, left[:-1]))
        word = left[-1] + part[places[0] : places[-1]] + right[0]
        start = places[0] - len(left[-1])
        *counts, whole = self._inside(word, tuple(place - start for place in places))
        before.update(zip(wanted, (total + number for number in counts), strict=True))
        return total + whole + sum(map(self._words.__getitem__, right[1:]))

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
    known = _byte_level(layout.get("pre_tokenizer"))
    if known is None:
        return None
    # The longest first, as the tokenizer prefers it.
    names = sorted((token["content"] for token in layout.get("added_tokens") or []), key=len, reverse=True)
    controls = re.compile("(" + "|".join(map(re.escape, names)) + ")" if names else r"(?!)")
    return WordCounter(tokenizer, controls, known)


def _byte_level(layout: Any) -> Parts | None:
    """How the tokenizer parts an ASCII text, where that is GPT-2's way or that of a family known to part it before
    spaces too; None for any other."""
    steps = layout.get("pretokenizers", [layout]) if isinstance(layout, dict) else []
    parts: list[Parts] = []
    digits: list[Parts] = []
    for step in steps:
        kind, pattern = step.get("type"), ""
        if kind == "ByteLevel" and not step.get("add_prefix_space"):
            pattern = _GPT2 if step.get("use_regex", True) else ""
        elif kind == "Split" and step.get("behavior") == "Isolated" and not step.get("invert"):
            pattern = _KNOWN.get(str((step.get("pattern") or {}).get("Regex")), "")
            if not pattern:
                return None
        elif kind == "Digits" and not parts:
            pattern = r"[0-9]|[^0-9]+" if step.get("individual_digits") else r"[0-9]+|[^0-9]+"
        else:
            return None
        if pattern:
            parts.append(re.compile(pattern, re.ASCII).findall)
            digits += parts if kind == "Digits" else []
    if not parts or parts == digits:
        return None

    def parted(text: str) -> list[str]:
        found = [text]
        for part in parts:
            found = [piece for whole in found for piece in part(whole)]
        return found

    return parted


def _has_rare(text: str) -> bool:
    if not text.isascii():
        return True
    return (
        "\t" in text or "\r" in text or "\x0b" in text or "\x0c" in text or any(map(text.__contains__, _SEPARATORS))
    )


def _words(text: str) -> list[str]:
    """`text` cut in front of each space behind a character."""
    if "  " in text or "\n " in text or (_has_rare(text) and _RARE_SPACE(text)):
        return _CUT(text)
    first, *rest = text.split(" ")
    words = [" " + word for word in rest]
    return [first, *words] if first else words
