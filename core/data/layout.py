"""How the rows lie in a file: a line each, items of an array, CSV records, columns, or plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from core.data import members
from core.data.columns import KNOWN
from core.data.index import ReadAt, chunks
from core.data.members import PARTS_OF_A_ROW, Member
from core.data.records import sniff_delimiter, try_split

_LINES = 50
_LONGEST_LINE = 64 << 20
_WRAPPED = re.compile(
    rb'\s*\{\s*(?:"[^"\\]*"\s*:\s*(?:"[^"\\]*"|-?[\d.eE+-]+|true|false|null)\s*,\s*)*"([^"\\]+)"\s*:\s*\[(?=\s*\{)'
)
_JSON_START = re.compile(rb'\[\s*\{\s*"|\{\s*\n\s*"')


@dataclass(frozen=True, slots=True)
class Layout:
    """`kind` is jsonl, json, csv or text.

    For json `items_at` is the byte where the items begin; `base` is 1 inside an array, 0 for objects one after
    the other; `wrapped_key` names the field that holds the array, where it is not the whole file, and `parts` all
    fields that hold such arrays. `columns` are set where the file is one object of columns.
    """

    kind: str
    items_at: int = 0
    base: int = 1
    wrapped_key: str | None = None
    parts: tuple[str, ...] = ()
    columns: tuple[Member, ...] = ()


def sniff_layout(read: ReadAt, start: int, head: bytes, suffix: str, size: int, part: str = "") -> Layout:
    """The layout of a file of `size` bytes whose text begins at byte `start` with the bytes `head`.

    suffix: as in ``.jsonl``; what the file holds counts for more. part: the list to read, where there are several.
    """
    text = head.lstrip()
    skipped = start + len(head) - len(text)
    if suffix in (".csv", ".tsv") and not _is_json(read, skipped, text):
        return Layout("csv")
    if text[:1] == b"[" and suffix not in (".txt", ".md"):
        if _line_is_json(text) and _second_line(text)[:1] in (b"[", b"{") or _is_spoilt_line(text):
            return Layout("jsonl")
        return Layout("json", skipped + 1)
    if text[:1] == b"{":
        return _sniff_object(read, skipped, text, suffix, size, part)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return Layout("csv" if _is_table(text) else "jsonl")
    if suffix in (".txt", ".md"):
        return Layout("text")
    lines = [line for line in text.split(b"\n")[:20] if line.strip()]
    delimiter = sniff_delimiter(text.decode("utf-8", "replace"))
    fields = {line.count(delimiter.encode()) for line in lines}
    return Layout("csv" if len(lines) > 1 and fields != {0} and len(fields) == 1 else "text")


def _is_json(read: ReadAt, skipped: int, text: bytes) -> bool:
    """Whether a file named .csv begins with a JSON object or array all the same."""
    if text[:1] not in (b"{", b"["):
        return False
    return _line_is_json(_first_line(read, skipped, text)[0]) or bool(_JSON_START.match(text))


def _is_table(text: bytes) -> bool:
    """Whether a file named .json is a CSV file with a header that we know, and no line of it an object."""
    lines = [line for line in text.split(b"\n")[:20] if line.strip()]
    if len(lines) < 2 or any(line.lstrip()[:1] in (b"{", b"[") for line in lines):
        return False
    delimiter = sniff_delimiter(text.decode("utf-8", "replace"))
    header = try_split(lines[0].decode("utf-8", "replace").strip(), delimiter)
    return len(header) > 1 and sum(name.strip().casefold() in KNOWN for name in header) * 2 >= len(header)


def _sniff_object(read: ReadAt, skipped: int, text: bytes, suffix: str, size: int, part: str) -> Layout:
    """The file begins with an object: one a line, one over many lines, or one around the list of rows."""
    first, last = _first_line(read, skipped, text)
    if _line_is_json(first):
        return (_around(read, skipped, text, size, part) if last else None) or Layout("jsonl")
    if suffix in (".txt", ".md"):
        return Layout("text")
    if len(first) >= len(text) and suffix in (".jsonl", ".ndjson"):
        return Layout("jsonl")
    lines = [line.strip() for line in text.split(b"\n")[:_LINES] if line.strip()]
    whole = sum(line.startswith(b"{") and line.rstrip(b",").endswith(b"}") and len(line) > 2 for line in lines)
    if len(lines) > 1 and whole * 2 >= len(lines):
        return Layout("jsonl")
    around = _around(read, skipped, text, size, part)
    if around:
        return around
    # A pretty-printed object has a line that is a bare bracket or a key; a broken JSONL has neither.
    if any(line in (b"{", b"}", b"},", b"[") or re.match(rb'"[^"]+"\s*:', line) for line in lines[:3]):
        return Layout("json", skipped, base=0)
    return Layout("jsonl")


def _around(read: ReadAt, skipped: int, text: bytes, size: int, part: str) -> Layout | None:
    """The layout where the object is one around all rows: lists of them, or columns."""
    if not members.may_hold_rows(text):
        return None
    found, end = members.read_members(read, skipped, size)
    if not found:
        return _wrapped(text, skipped)
    if read(end, min(size, end + 65536)).strip():
        return None
    lists = members.row_lists(found)
    if members.are_columns(found, members.has_scalars(read, skipped, found, size)) and not _are_parts(lists, found):
        return Layout("jsonl", columns=tuple(found))
    chosen = members.choose_list(lists, part) if lists else None
    if lists and chosen is None:
        return Layout("json", skipped + 1, parts=tuple(item.key for item in lists))
    if chosen is None:
        return None
    return Layout("json", chosen.start + 1, wrapped_key=chosen.key, parts=tuple(item.key for item in lists))


def _are_parts(lists: list[Member], found: list[Member]) -> bool:
    """Whether lists of objects are parts of the data set each, not columns: all are, but for empty ones."""
    return len(lists) == sum(bool(member.inner) for member in found) > 0


def _wrapped(text: bytes, skipped: int) -> Layout | None:
    match = _WRAPPED.match(text)
    if match is None:
        return None
    key = match.group(1).decode("utf-8", "replace")
    return None if key in PARTS_OF_A_ROW else Layout("json", skipped + match.end(), wrapped_key=key)


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
