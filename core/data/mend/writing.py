"""Writes rows the way the source has them: what is not changed is copied byte for byte, and what lies between."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.data.columns import KNOWN
from core.data.index import chunks
from core.data.mend.cells import read_cells, write_cells
from core.data.mend.tree import compact
from core.data.source import LONGEST_ROW, Source
from core.errors import DiapasonError

Decide = Callable[[int, int, bytes], Sequence[bytes] | None]
"""``decide(row, line, raw)``: the rows to write in its place; None where it stays as it is."""
LINES = (".jsonl", ".ndjson")
_PACKED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True, slots=True)
class Frame:
    """How rows are written. `kind` is jsonl, json, csv or text; `codes` are the fixes of the file around its rows.

    apart: whether each row goes on a line of its own as JSON Lines, although the source has them otherwise.
    """

    kind: str
    codes: frozenset[str]
    apart: bool = False

    def notes(self, source: Source) -> Iterator[str]:
        """What a person should know of the way in which rows of `source` are written."""
        if self.apart:
            yield "rows are written one a line, as JSON Lines"
        if source.wrapped_key is not None and (self.apart or "wrapped_list" in self.codes):
            yield f"what the file holds beside the list `{source.wrapped_key[:40]}` is left out"
        if source.encoding.wide:
            yield f"written as UTF-8; the source is {source.encoding.name}"
        if source.cr_only:
            yield "lines end with a line feed; in the source with a carriage return alone"
        if source.container not in (None, "stdin"):
            yield f"rows are taken out of: {source.container}"


def bare_suffix(path: Path) -> str:
    """The suffix of `path`, without that of a packing, in small letters."""
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def choose_frame(source: Source, out: Path, codes: Collection[str]) -> Frame:
    """How to write rows of `source` into `out`, with the fixes `codes`.

    Raises:
        DiapasonError: where the name of `out` says a layout that the rows do not have.
    """
    suffix = bare_suffix(out)
    chosen = frozenset(codes)
    told = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".txt": "text",
            ".md": "text", ".parquet": "parquet", ".arrow": "arrow"}.get(suffix)  # fmt: skip
    layout = source.layout
    if layout == "json":
        apart = suffix in LINES or (source.base == 0 and "pretty_printed_jsonl" in chosen)
        fits = told in (None, "json", "jsonl")
        frame = Frame("jsonl" if apart else "json", chosen, apart)
    else:
        fits = told in (None, layout) or (layout == "jsonl" and told == "json" and source.text.suffix == ".json")
        frame = Frame(layout, chosen)
    if not fits:
        rows = {"jsonl": "JSON Lines", "json": "JSON", "csv": "a table as text", "text": "plain text"}[layout]
        hint = f"Name it {out.name.removesuffix(out.suffix) or 'out'}.{ {'text': 'txt'}.get(layout, layout) }; " \
               "`diapason data convert` writes other layouts."  # fmt: skip
        raise DiapasonError(f"mending writes {rows}, and the name says otherwise", where=str(out), hint=hint)
    return frame


def write_rows(
    source: Source, decide: Decide, out: IO[bytes], frame: Frame, done: Counter[str] | None = None
) -> array[int]:
    """Write every row that `decide` leaves; return for each row written the number of its row in `source`.

    `done` is given, by code, the places around the rows that the fixes of the file have mended.
    """
    writer = (_Lines if frame.kind != "json" else _Array)(source, out, frame)
    origin = writer.write(decide)
    if done is not None:
        done += +writer.done
    return origin


class _Writer:
    """What both ways of writing share."""

    def __init__(self, source: Source, out: IO[bytes], frame: Frame) -> None:
        self._source, self._out, self._frame = source, out, frame
        self.done = Counter[str]()
        self._origin: array[int] = array("q")
        index = source.index()
        self._starts, self._ends = index.starts, index.ends
        self._lf = frame.kind in ("jsonl", "text", "json") and "crlf" in frame.codes

    def _head(self) -> bytes:
        """All that comes before the first row."""
        source = self._source
        plain = not source.text.copied and not source.encoding.wide
        begin = 0 if plain and "bom" not in self._frame.codes else source.start
        first = int(self._starts[0]) if len(self._starts) else source.text_size
        self.done["bom"] += "bom" in self._frame.codes and source.encoding.mark > 0
        return source.read(begin, first)

    def _body(self, row: int, raw: bytes) -> None:
        """Copy a row as it is."""
        start, end = int(self._starts[row]), int(self._ends[row])
        if len(raw) <= LONGEST_ROW:
            self._out.write(self._tidy(raw))
            return
        end -= self._source.read(end - 1, end) == b"\r"
        for _, chunk in chunks(self._source.read, start, end):
            self._out.write(chunk)

    def _tidy(self, data: bytes) -> bytes:
        if not self._lf or b"\r" not in data:
            return data
        self.done["crlf"] += data.count(b"\r\n")
        return data.replace(b"\r\n", b"\n")


class _Lines(_Writer):
    """JSON Lines, CSV and plain text: rows with their line ends. A row dropped takes its line end along."""

    def write(self, decide: Decide) -> array[int]:
        source, out, origin = self._source, self._out, self._origin
        if not self._frame.apart:
            out.write(self._header())
        last = len(self._starts) - 1
        end = b"\n"
        for row, line, raw in source.rows():
            made = decide(row, line, raw)
            gap = b"\n" if self._frame.apart else self._gap(row, last, raw)
            end = _first_end(gap) or end
            if made is None and not self._frame.apart:
                self._body(row, raw)
                out.write(gap)
                origin.append(row)
                continue
            rows = [raw] if made is None else made
            for text in rows:
                out.write(self._one(text) if self._frame.apart else self._tidy(text))
                origin.append(row)
                out.write(gap if text is rows[-1] else end)
            if not rows and source.layout != "text":
                # Blank lines behind a dropped row are a matter of their own.
                out.write(gap[len(_first_end(gap)) :])
        return origin

    def _one(self, raw: bytes) -> bytes:
        """A JSON value on one line."""
        if not _is_utf8(raw) and self._source.legacy is None:
            return raw.replace(b"\r", b" ").replace(b"\n", b" ")
        return compact(self._source.decode(raw)).encode("utf-8", "surrogatepass")

    def _header(self) -> bytes:
        head = self._head()
        codes = self._frame.codes
        if self._frame.kind == "csv":
            if self._source.dialect.header and codes & {"key_case", "key_space", "encoding"}:
                head = self._renamed(head)
            if "blank_lines" in codes:
                head = self._without_blanks(head, head.strip(b"\r\n") + _first_end(head[len(head.rstrip(b"\r\n")) :]))
        elif "blank_lines" in codes:
            head = self._without_blanks(head, head if head.strip(_BLANK) else _mark(head))
        return self._tidy(head)

    def _without_blanks(self, before: bytes, after: bytes) -> bytes:
        """`after`, which is `before` without blank lines: they are counted, a last one without its end too."""
        if before != after:
            self.done["blank_lines"] += max(1, before.count(b"\n") - after.count(b"\n"))
        return after

    def _renamed(self, head: bytes) -> bytes:
        """The header with the usual names for columns that have them in other letters or among spaces."""
        source, codes = self._source, self._frame.codes
        raw = source.header_raw
        cells = read_cells(source.decode(raw), source.dialect.delimiter)
        for cell in cells:
            usual = cell.value.strip().casefold()
            spaced = cell.value.strip() != cell.value
            if usual in KNOWN and cell.value != usual and ("key_space" if spaced else "key_case") in codes:
                cell.splice([(0, len(cell.value), usual)])
        text = write_cells(cells, source.dialect.delimiter)
        legacy = source.legacy if "encoding" not in codes and not _is_utf8(raw) else None
        return head.replace(raw, text.encode(legacy or "utf-8"), 1)

    def _gap(self, row: int, last: int, raw: bytes) -> bytes:
        """What lies between a row and the next one: its line end, and blank lines."""
        begin = int(self._ends[row])
        follow = self._source.text_size if row == last else int(self._starts[row + 1])
        if len(raw) > LONGEST_ROW:
            carriage = self._source.read(begin - 1, begin) == b"\r"
        else:
            carriage = begin - int(self._starts[row]) == len(raw) + 1
        if follow == begin + 1 and not carriage and row != last:
            return b"\n"
        gap = (b"\r" if carriage else b"") + self._source.read(begin, follow)
        codes = self._frame.codes
        if "blank_lines" in codes and self._source.layout != "text":
            gap = self._without_blanks(gap, _first_end(gap))
        gap = self._tidy(gap)
        ends = row != last or self._source.layout != "jsonl" or "no_final_newline" not in codes
        if ends or gap.endswith(b"\n"):
            return gap
        self.done["no_final_newline"] += 1
        return gap + b"\n"


class _Array(_Writer):
    """A JSON array, or objects one after the other: what lies between two rows goes with the second."""

    def write(self, decide: Decide) -> array[int]:
        source, out, origin = self._source, self._out, self._origin
        bare = "wrapped_list" in self._frame.codes and source.wrapped_key is not None
        head = b"[" + self._head().rpartition(b"[")[2] if bare else self._head()
        self.done["wrapped_list"] += bare
        out.write(self._tidy(head))
        for row, line, raw in source.rows():
            made = decide(row, line, raw)
            if made is not None and not made:
                continue
            if origin:
                out.write(self._tidy(source.read(int(self._ends[row - 1]), int(self._starts[row]))) or b",")
            for text in [raw] if made is None else made:
                if made is None:
                    self._body(row, raw)
                else:
                    out.write(self._tidy(text))
                origin.append(row)
        end = int(self._ends[-1]) if len(self._ends) else source.text_size
        tail = source.read(end, source.text_size)
        if "bad_json" in self._frame.codes and source.base == 1:
            tail = self._closed(tail)
        if bare:
            tail = tail[: tail.find(b"]") + 1] + b"\n"
        if not origin and tail.lstrip().startswith(b","):
            tail = tail.lstrip()[1:]
        out.write(self._tidy(tail))
        return origin

    def _closed(self, tail: bytes) -> bytes:
        """What follows the last row, with the bracket of a file that was cut off, without text behind the end."""
        end = tail.find(b"]") + 1
        if not end:
            return b"\n]\n" if self._source.wrapped_key is None else b"\n]}\n"
        if self._source.wrapped_key is not None:
            return tail if tail.rstrip().endswith(b"}") else tail[:end] + b"}\n"
        return tail[:end] + b"\n" if tail[end:].strip() else tail


_BLANK = b" \t\r\n\x0b\x0c\xef\xbb\xbf"


def _mark(head: bytes) -> bytes:
    return b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""


def _first_end(gap: bytes) -> bytes:
    """The first line end of what lies between two rows."""
    place = gap.find(b"\n")
    return gap[: place + 1] if place >= 0 else gap


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
