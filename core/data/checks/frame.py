"""What is odd about the file around its rows: marks, line ends, blank lines, wrapping."""

from __future__ import annotations

from core.data.findings import RowFinding, grouped
from core.data.index import chunks
from core.data.source import Source


def check_frame(source: Source) -> list[tuple[RowFinding, int, list[int]]]:
    """Findings that belong to no row, each with its count and the lines to show."""
    index = source.index()
    found: list[tuple[RowFinding, int, list[int]]] = []
    for code, line, text in index.problems:
        found.append((RowFinding(code, text, detail="frame"), 1, [line]))
    if source.encoding.wide:
        name = source.encoding.name.upper()
        finding = RowFinding("encoding", f"the file is {name}", detail=source.encoding.name)
        found.append((finding, max(1, len(index)), [1]))
    elif source.encoding.bom:
        found.append((RowFinding("bom", "the file starts with a UTF-8 byte-order mark"), 1, [1]))
    if index.blank_count:
        text = f"{grouped(index.blank_count)} blank line{'' if index.blank_count == 1 else 's'}"
        found.append((RowFinding("blank_lines", text), index.blank_count, index.blank_lines))
    if source.layout == "jsonl" and not index.ends_with_newline and len(index):
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


def _shape(source: Source) -> list[RowFinding]:
    if source.layout == "csv" and not source.dialect.header:
        return [RowFinding("no_header", "the first line is data, not column names")]
    if source.layout == "json" and source.base == 0:
        return [RowFinding("pretty_printed_jsonl", "objects over several lines, one after the other")]
    if source.wrapped_key is not None:
        return [RowFinding("wrapped_list", f"the rows are in the list `{source.wrapped_key[:40]}`")]
    if source.layout == "text":
        return [RowFinding("text_rows", f"plain text: one row a {source.text_rows}", detail=source.text_rows)]
    return []
