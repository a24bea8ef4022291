"""JSON text as a tree that keeps every character: what is not changed is written out as it stood."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from core.errors import DiapasonError

_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?Infinity|NaN|true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SPACE = re.compile(r"[ \t\r\n]*")
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_PIECES = re.compile(rf"{_PAIR}|\\u[0-9a-fA-F]{{4}}|\\.|[^\\]", re.DOTALL)
_ESCAPED = re.compile(r"\\u(?!00[01])")
_DEEPEST = 300
_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")

Splice = tuple[int, int, str]
"""Characters `start` to `end` of a text, and what stands in their place."""


class NotEditable(DiapasonError):
    """The text is no JSON, or nested too deep to be edited."""


@dataclass(slots=True)
class Scalar:
    """A number, true, false or null, as it is written."""

    raw: str

    def render(self) -> str:
        """The text."""
        return self.raw


@dataclass(slots=True)
class Text:
    """A string with its quotes and escapes, as it is written."""

    raw: str

    @property
    def value(self) -> str:
        """What the string says."""
        return json.loads(self.raw)

    def offsets(self) -> list[int]:
        """Where in `raw` each character of the value is written, and where the last one ends."""
        return list(accumulate((len(piece) for piece in self._pieces()), initial=1))

    def _pieces(self) -> Sequence[str]:
        body = self.raw[1:-1]
        return _PIECES.findall(body) if "\\" in body else body

    def splice(self, changes: Sequence[Splice]) -> None:
        """Put other text in the place of some characters; all others keep their escapes. Changes must not overlap."""
        body, pieces = self.raw[1:-1], self._pieces()
        escaped = self.raw.isascii() and _ESCAPED.search(body) is not None
        parts: list[str] = []
        last = 0
        for start, end, new in sorted(changes):
            parts += ["".join(pieces[last:start]), quote(new, escaped)[1:-1]]
            last = end
        self.raw = '"' + "".join([*parts, "".join(pieces[last:])]) + '"'

    def render(self) -> str:
        """The text."""
        return self.raw


@dataclass(slots=True)
class Item:
    """A value inside brackets, with the white space around it; `key` and what follows it in an object."""

    value: Node
    lead: str = ""
    tail: str = ""
    key: Text | None = None
    colon: str = ""

    def render(self) -> str:
        """The text."""
        name = self.key.raw + self.colon if self.key is not None else ""
        return f"{self.lead}{name}{self.value.render()}{self.tail}"


@dataclass(slots=True)
class Nest:
    """An object or an array. `inner` is the white space of an empty one."""

    opening: str
    items: list[Item] = field(default_factory=list[Item])
    inner: str = ""

    @property
    def is_object(self) -> bool:
        """Whether it has keys."""
        return self.opening == "{"

    def get(self, key: str) -> Node | None:
        """The value of `key`, the last one where it is given twice."""
        item = self.item(key)
        return item.value if item is not None else None

    def item(self, key: str) -> Item | None:
        """The member `key`."""
        found = [item for item in self.items if item.key is not None and item.key.value == key]
        return found[-1] if found else None

    def remove(self, item: Item) -> None:
        """Take `item` out; the white space before the first item and behind the last one stays."""
        place = next(number for number, one in enumerate(self.items) if one is item)
        if place == 0 and len(self.items) > 1:
            self.items[1].lead = item.lead
        elif place and place == len(self.items) - 1:
            self.items[place - 1].tail = item.tail
        del self.items[place]

    def add(self, key: str, value: Node) -> None:
        """Put a member at the end, spaced as the others are."""
        like = self.items[-1] if self.items else None
        lead = like.lead if len(self.items) > 1 and like else " " if like else ""
        tail = like.tail if like else ""
        if like:
            like.tail = ""
        self.items.append(Item(value, lead, tail, Text(quote(key)), like.colon if like else ": "))

    def render(self) -> str:
        """The text."""
        inside = ",".join(item.render() for item in self.items) if self.items else self.inner
        return f"{self.opening}{inside}{'}' if self.is_object else ']'}"


Node = Scalar | Text | Nest


def quote(text: str, escaped: bool = False) -> str:
    """`text` as a JSON string; with `escaped` in ASCII."""
    return json.dumps(text, ensure_ascii=escaped)


def node(value: object, escaped: bool = False) -> Node:
    """A JSON value as a tree."""
    return parse(json.dumps(value, ensure_ascii=escaped)).root


@dataclass(slots=True)
class Document:
    """One JSON value with the white space around it."""

    root: Node
    lead: str = ""
    tail: str = ""

    def render(self) -> str:
        """The text."""
        return f"{self.lead}{self.root.render()}{self.tail}"

    def texts(self) -> Iterator[tuple[str, Text]]:
        """Every string but keys, with its place, such as ``messages[1].content``."""
        return _texts(self.root, "")

    def places(self) -> Iterator[tuple[int, Item]]:
        """Every member and item, from the outside in, with the character at which its value begins."""
        return _places(self.root, len(self.lead))

    def find(self, place: str) -> Node | None:
        """The value at `place`, or None."""
        item = self.find_item(place)
        return item.value if item is not None else None

    def find_item(self, place: str) -> Item | None:
        """The member or item at `place`, or None."""
        owner, found = self.root, None
        if isinstance(owner, Nest) and owner.is_object and (whole := owner.item(place)) is not None:
            return whole
        for number, name in _STEP.findall(place):
            if not isinstance(owner, Nest) or owner.is_object == bool(number):
                return None
            if number:
                found = owner.items[int(number)] if int(number) < len(owner.items) else None
            else:
                found = owner.item(name)
            if found is None:
                return None
            owner = found.value
        return found


def parse(text: str) -> Document:
    """The tree of a JSON text; NaN and infinities are let in, as the standard library does.

    Raises:
        NotEditable: it is no JSON, or nested more than 300 levels deep.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    reader = _Reader(text, len(mark))
    lead = mark + reader.space()
    root = reader.value(0)
    tail = reader.space()
    if reader.place != len(text):
        raise NotEditable("something follows the value")
    return Document(root, lead, tail)


def split_joined(text: str) -> list[str]:
    """The objects that `text` has one after the other; none where there is anything else in it, or only one."""
    reader = _Reader(text.strip(), 0)
    parts: list[str] = []
    try:
        while reader.place < len(reader.text):
            start = reader.place
            if not isinstance(found := reader.value(0), Nest) or not found.is_object:
                return []
            parts.append(reader.text[start : reader.place])
            reader.space()
            if reader.text.startswith(",", reader.place):
                reader.place += 1
                reader.space()
    except NotEditable:
        return []
    return parts if len(parts) > 1 else []


def compact(text: str) -> str:
    """JSON text on one line: line breaks between its tokens are taken out with the white space around them."""
    if "\n" not in text and "\r" not in text:
        return text
    parts: list[str] = []
    last = 0
    for match in _STRING.finditer(text):
        parts += [_BREAK.sub(_joined, text[last : match.start()]), match.group()]
        last = match.end()
    return "".join([*parts, _BREAK.sub(_joined, text[last:])]).strip()


_BREAK = re.compile(r"(,?)[ \t]*[\r\n][ \t\r\n]*")


def _joined(match: re.Match[str]) -> str:
    return ", " if match[1] else ""


def _texts(value: Node, place: str) -> Iterator[tuple[str, Text]]:
    if isinstance(value, Text):
        yield place, value
    elif isinstance(value, Nest):
        for number, item in enumerate(value.items):
            if item.key is not None:
                name = item.key.value
                yield from _texts(item.value, f"{place}.{name}" if place else name)
            else:
                yield from _texts(item.value, f"{place}[{number}]")


def _places(value: Node, start: int) -> Iterator[tuple[int, Item]]:
    if not isinstance(value, Nest):
        return
    start += 1
    for item in value.items:
        name = len(item.key.raw) + len(item.colon) if item.key is not None else 0
        begin = start + len(item.lead) + name
        yield begin, item
        yield from _places(item.value, begin)
        start += len(item.render()) + 1


class _Reader:
    """Reads a JSON text from left to right."""

    def __init__(self, text: str, place: int) -> None:
        self.text, self.place = text, place

    def space(self) -> str:
        return self._match(_SPACE)

    def value(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise NotEditable("nested too deep")
        char = self.text[self.place : self.place + 1]
        if char == '"':
            return Text(self._match(_STRING))
        if char in ("{", "["):
            return self._nest(char, depth)
        return Scalar(self._match(_SCALAR))

    def _nest(self, opening: str, depth: int) -> Nest:
        closing = "}" if opening == "{" else "]"
        self.place += 1
        made = Nest(opening)
        lead = self.space()
        if self.text.startswith(closing, self.place):
            self.place += 1
            made.inner = lead
            return made
        while True:
            key, colon = None, ""
            if opening == "{":
                key = Text(self._match(_STRING))
                colon = self.space() + self._sign(":") + self.space()
            value = self.value(depth + 1)
            made.items.append(Item(value, lead, self.space(), key, colon))
            if self.text.startswith(closing, self.place):
                self.place += 1
                return made
            self._sign(",")
            lead = self.space()

    def _sign(self, sign: str) -> str:
        if not self.text.startswith(sign, self.place):
            raise NotEditable(f"`{sign}` is missing")
        self.place += 1
        return sign

    def _match(self, form: re.Pattern[str]) -> str:
        match = form.match(self.text, self.place)
        if match is None:
            raise NotEditable("no JSON value")
        self.place = match.end()
        return match.group()
