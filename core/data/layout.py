"""How the rows lie in a file: a line each, items of an array, CSV records, or plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from core.data.columns import CONVERSATIONS
from core.data.index import ReadAt, chunks
from core.data.records import sniff_delimiter

_LINES = 50
_LONGEST_LINE = 64 << 20
_WRAPPED = re.compile(
    rb'\s*\{\s*(?:"[^"\\]*"\s*:\s*(?:"[^"\\]*"|-?[\d.eE+-]+|true|false|null)\s*,\s*)*"([^"\\]+)"\s*:\s*\[(?=\s*\{)'
)
# Lists of objects that are part of a row, not a list of rows.
_PARTS_OF_A_ROW = frozenset([*CONVERSATIONS, "prompt", "completion", "chosen", "rejected", "tools", "history"])


@dataclass(frozen=True, slots=True)
class Layout:
    """`kind` is jsonl, json, csv or text.

    For json `items_at` is the byte where the items begin; `base` is 1 inside an array, 0 for objects one after
    the other; `wrapped_key` names the field that holds the array, where it is not the whole file.
    """

    kind: str
    items_at: int = 0
    base: int = 1
    wrapped_key: str | None = None


def sniff_layout(read: ReadAt, start: int, head: bytes, suffix: str) -> Layout:
    """The layout of a file that begins at byte `start` with the bytes `head`; `suffix` as in ``.jsonl``."""
    text = head.lstrip()
    skipped = start + len(head) - len(text)
    if suffix in (".csv", ".tsv"):
        return Layout("csv")
    if text[:1] == b"[" and suffix not in (".txt", ".md"):
        if _line_is_json(text) and _second_line(text)[:1] in (b"[", b"{") or _is_spoilt_line(text):
            return Layout("jsonl")
        return Layout("json", skipped + 1)
    if text[:1] == b"{":
        return _sniff_object(read, skipped, text, suffix)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return Layout("jsonl")
    if suffix in (".txt", ".md"):
        return Layout("text")
    lines = [line for line in text.split(b"\n")[:20] if line.strip()]
    delimiter = sniff_delimiter(text.decode("utf-8", "replace"))
    fields = {line.count(delimiter.encode()) for line in lines}
    return Layout("csv" if len(lines) > 1 and fields != {0} and len(fields) == 1 else "text")


def _sniff_object(read: ReadAt, skipped: int, text: bytes, suffix: str) -> Layout:
    """The file begins with an object: one a line, one over many lines, or one around the list of rows."""
    first, last = _first_line(read, skipped, text)
    if _line_is_json(first):
        wrapped = _wrapped(text, skipped) if last else None
        return wrapped or Layout("jsonl")
    if suffix in (".txt", ".md"):
        return Layout("text")
    if len(first) >= len(text) and suffix in (".jsonl", ".ndjson"):
        return Layout("jsonl")
    lines = [line.strip() for line in text.split(b"\n")[:_LINES] if line.strip()]
    whole = sum(line.startswith(b"{") and line.rstrip(b",").endswith(b"}") and len(line) > 2 for line in lines)
    if len(lines) > 1 and whole * 2 >= len(lines):
        return Layout("jsonl")
    wrapped = _wrapped(text, skipped)
    if wrapped:
        return wrapped
    # A pretty-printed object has a line that is a bare bracket or a key; a broken JSONL has neither.
    if any(line in (b"{", b"}", b"},", b"[") or re.match(rb'"[^"]+"\s*:', line) for line in lines[:3]):
        return Layout("json", skipped, base=0)
    return Layout("jsonl")


def _wrapped(text: bytes, skipped: int) -> Layout | None:
    match = _WRAPPED.match(text)
    if match is None:
        return None
    key = match.group(1).decode("utf-8", "replace")
    return None if key in _PARTS_OF_A_ROW else Layout("json", skipped + match.end(), wrapped_key=key)


def _first_line(read: ReadAt, skipped: int, text: bytes) -> tuple[bytes, bool]:
    """The first line, read as far as it goes (up to 64 MB), and whether nothing but white space follows it."""
    line, newline, rest = text.partition(b"\n")
    if newline and rest.strip():
        return line, False
    parts: list[bytes] = []
    for _, chunk in chunks(read, skipped, skipped + _LONGEST_LINE):
        line, newline, rest = chunk.partition(b"\n")
        parts.append(line)
        if newline:
            after = skipped + sum(map(len, parts)) + 1
            return b"".join(parts), not (rest or read(after, after + 65536)).strip()
    return b"".join(parts), True


def _line_is_json(text: bytes) -> bool:
    try:
        orjson.loads(text.partition(b"\n")[0])
    except ValueError:
        return False
    return True


def _is_spoilt_line(text: bytes) -> bool:
    """Whether the bracket at the start belongs to a broken line, and whole objects stand on those that follow."""
    first, *rest = [line.strip() for line in text.split(b"\n")[:_LINES] if line.strip()]
    if first == b"[" or not rest:
        return False
    return sum(line.startswith(b"{") and _line_is_json(line) for line in rest) * 2 > len(rest)


def _second_line(text: bytes) -> bytes:
    return text.partition(b"\n")[2].lstrip()
