"""What is odd about the file around its rows: marks, line ends, blank lines, wrapping."""

from __future__ import annotations

import re

from core.data.columns import KNOWN
from core.data.findings import RowFinding, grouped
from core.data.index import chunks
from core.data.keys import odd_names
from core.data.opening import doubled_names, duplicate_columns
from core.data.records import try_split
from core.data.source import Source


def check_frame(source: Source) -> list[tuple[RowFinding, int, list[int]]]:
    """Findings that belong to no row, each with its count and the lines to show."""
    index = source.index()
    found: list[tuple[RowFinding, int, list[int]]] = []
    for code, line, text in index.problems:
        found.append((RowFinding(code, text, detail="frame"), 1, [line]))
    found += source.notes
    found += [(finding, 1, []) for finding in check_name(source)]
    if source.encoding.wide:
        name = source.encoding.name.upper().replace("_", "-")
        mark = ", told by its byte-order mark" if source.encoding.bom else ""
        finding = RowFinding("encoding", f"the file is {name}{mark}", detail=source.encoding.name)
        found.append((finding, max(1, len(index)), [1]))
    elif source.encoding.bom:
        found.append((RowFinding("bom", "the file starts with a UTF-8 byte-order mark"), 1, [1]))
    if source.cr_only:
        text = "lines end with a carriage return alone, as on old Macs"
        found.append((RowFinding("cr_only", text), max(1, len(index)), [1]))
    if index.blank_count:
        text = f"{grouped(index.blank_count)} blank line{'' if index.blank_count == 1 else 's'}"
        found.append((RowFinding("blank_lines", text), index.blank_count, index.blank_lines))
    if source.layout == "jsonl" and not index.ends_with_newline and len(index) and not source.cr_only:
        found.append((RowFinding("no_final_newline", "the last line has no line end"), 1, [int(index.lines[-1])]))
    crlf = _crlf(source)
    if crlf:
        text = "1 line ends" if crlf == 1 else f"{grouped(crlf)} lines end"
        found.append((RowFinding("crlf", f"{text} with a carriage return and a line feed"), crlf, []))
    found += [(finding, 1, [1]) for finding in _shape(source)]
    return found


def _crlf(source: Source) -> int:
    """Lines that end in CRLF; in CSV that is the standard (RFC 4180) and worth no word."""
    if source.layout == "csv" or source.encoding.wide:
        return 0
    if source.layout != "json":
        return source.index().crlf_lines
    count, last = 0, b""
    for _, chunk in chunks(source.read, source.start, source.text_size):
        count += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
        last = chunk[-1:]
    return count


def check_name(source: Source) -> list[RowFinding]:
    """What is odd about the file's name: characters that act on a terminal, a suffix that says another layout."""
    name = source.path.name
    found: list[RowFinding] = []
    match = _ACTING.search(name)
    if match:
        text = f"the name has U+{ord(match.group()):04X} at character {match.start() + 1}"
        found.append(RowFinding("terminal_escape_in_name", text))
    told = _TOLD.get(source.text.suffix)
    held = _held(source)
    if told and held not in told and source.place.kind == "file":
        text = f"the name ends in {source.text.suffix}, the file holds {_SPOKEN[held]}"
        found.append(RowFinding("extension_mismatch", text, detail=held))
    return found


_TOLD = {".jsonl": ("jsonl",), ".ndjson": ("jsonl",), ".json": ("json",), ".csv": ("csv",), ".tsv": ("csv",),
         ".txt": ("text",), ".md": ("text",), ".parquet": ("parquet",)}  # fmt: skip
_SPOKEN = {"jsonl": "JSON Lines", "json": "JSON", "csv": "a table as text", "text": "plain text",
           "parquet": "a Parquet table"}  # fmt: skip
# Joiners are part of emoji and of some scripts; these are part of nothing.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "pipe"}


def _held(source: Source) -> str:
    """The layout in the words of `_TOLD`."""
    kinds = {finding.detail for finding, _, _ in source.notes if finding.code == "columnar"}
    if "parquet" in kinds:
        return "parquet"
    if kinds:
        return "json"
    if source.layout == "json" and source.base == 0 and source.text.suffix in (".jsonl", ".ndjson"):
        # `pretty_printed_jsonl` says it already.
        return "jsonl"
    if source.layout == "jsonl" and len(source) <= 1 and source.text.suffix == ".json":
        return "json"
    return source.layout


def _shape(source: Source) -> list[RowFinding]:
    if source.layout == "csv":
        return _check_table(source)
    if source.layout == "json" and source.base == 0:
        return [RowFinding("pretty_printed_jsonl", "objects over several lines, one after the other")]
    if source.wrapped_key is not None:
        return [_wrapped(source, source.wrapped_key)]
    if source.layout == "text":
        return [RowFinding("text_rows", f"plain text: one row a {source.text_rows}", detail=source.text_rows)]
    return []


def _wrapped(source: Source, key: str) -> RowFinding:
    others = [name for name in source.parts if name != key]
    if not others:
        return RowFinding("wrapped_list", f"the rows are in the list `{key[:40]}`")
    rest = ", ".join(f"{source.place.path.name}#{name[:40]}" for name in others[:6])
    return RowFinding("wrapped_list", f"the list `{key[:40]}` is read; the others: {rest}", detail="parts")


def _check_table(source: Source) -> list[RowFinding]:
    """What is odd about a CSV file's delimiter and header."""
    found: list[RowFinding] = []
    delimiter = source.dialect.delimiter
    if delimiter != "," and not (delimiter == "\t" and source.text.suffix == ".tsv"):
        name = _DELIMITERS.get(delimiter, delimiter)
        found.append(RowFinding("delimiter", f"fields are parted by a {name}", detail=name))
    if not source.dialect.header:
        return [*found, RowFinding("no_header", "the first line is data, not column names")]
    try:
        header = source.decode(source.header_raw)
    except UnicodeDecodeError:
        header = source.header_raw.decode("utf-8", "replace")
    cells = try_split(header, delimiter)
    doubled = doubled_names([name.casefold() if name.casefold() in KNOWN else name for name in source.dialect.header])
    if doubled:
        found.append(duplicate_columns(doubled))
    for code, odd in odd_names(cell for cell in cells if cell.strip().casefold() in KNOWN).items():
        names = ", ".join(f"`{name[:40]}`" for name in odd)
        found.append(RowFinding(code, f"the header has {names}", field=odd[0]))
    return found
